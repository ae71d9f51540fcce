"""One bucket behind anything that speaks S3, with its errors turned into ours.

Objects appear whole or not at all: that is what S3 promises for every upload, those in parts
included. Conditional writes (``If-None-Match``, ``If-Match``) are what makes one publisher notice
another.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from boto3.exceptions import S3UploadFailedError
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    HTTPClientError,
)
from botocore.exceptions import (
    ConnectionError as BotoConnectionError,
)

from repo_tools.stores.headers import Headers
from updog.errors import (
    ConfigError,
    PermissionDenied,
    StorageError,
    UnreachableError,
    UpdogError,
)

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

ABSENT: Final = "*"
"""Expected instead of an object's tag: that there is no such object."""


class Changed(Exception):
    """The object is not what the conditional write expected."""


@dataclass(frozen=True, slots=True)
class Stored:
    """A small object.

    Attributes:
        data: its bytes.
        tag: the entity tag, which changes with every write of other bytes.
        age: since it was written. Both times are the server's, so no clock here matters.
    """

    data: bytes
    tag: str
    age: timedelta


@dataclass(frozen=True, slots=True)
class Bucket:
    """A bucket.

    Args:
        client: of boto3; it may be shared by threads.
        name: of the bucket.
    """

    client: S3Client
    name: str

    def get(self, key: str) -> Stored | None:
        """A small object; None if there is none.

        Raises:
            UpdogError: the bucket cannot be read.
        """
        with self._asking(f"read {key}"):
            try:
                answer = self.client.get_object(Bucket=self.name, Key=key)
                data = answer["Body"].read()
            except ClientError as error:
                if _code(error) == "NoSuchKey":
                    return None
                raise
        told = parsedate_to_datetime(answer["ResponseMetadata"]["HTTPHeaders"]["date"])
        return Stored(data, answer["ETag"], told - answer["LastModified"])

    def put(self, key: str, data: bytes, headers: Headers, expected: str | None = None) -> str:
        """Write a small object and return its tag.

        Args:
            key: its name.
            data: all of it.
            headers: kept with it, and sent to whoever reads it.
            expected: the tag of what is to be replaced, or `ABSENT`; None: whatever is there.

        Raises:
            Changed: something else is there.
            UpdogError: the bucket cannot be written.
        """
        condition = _condition(expected)
        with self._asking(f"write {key}"):
            answer = self.client.put_object(
                Bucket=self.name,
                Key=key,
                Body=data,
                ContentType=headers.content_type,
                CacheControl=headers.cache_control,
                **condition,
            )
        return answer["ETag"]

    def upload(self, key: str, source: Path, headers: Headers) -> None:
        """Write an object from a file of any size; it appears when its last byte has arrived.

        Raises:
            UpdogError: the bucket cannot be written.
        """
        kept = {"ContentType": headers.content_type, "CacheControl": headers.cache_control}
        with self._asking(f"write {key}"):
            self.client.upload_file(str(source), self.name, key, ExtraArgs=kept)

    def delete(self, key: str) -> None:
        """Remove an object if it is there."""
        with self._asking(f"remove {key}"):
            self.client.delete_object(Bucket=self.name, Key=key)

    def sizes(self, prefix: str) -> Mapping[str, int]:
        """The lengths in bytes of the objects directly below a prefix, which ends in a slash."""
        found = {}
        with self._asking(f"list {prefix}"):
            pages = self.client.get_paginator("list_objects_v2").paginate(
                Bucket=self.name, Prefix=prefix, Delimiter="/"
            )
            for page in pages:
                for each in page.get("Contents", ()):
                    found[each["Key"].removeprefix(prefix)] = each["Size"]
        return found

    def below(self, prefix: str) -> list[str]:
        """The names of all objects that begin so, at any depth; nothing for markers of folders."""
        with self._asking(f"list {prefix}"):
            pages = self.client.get_paginator("list_objects_v2").paginate(
                Bucket=self.name, Prefix=prefix
            )
            keys = [each["Key"] for page in pages for each in page.get("Contents", ())]
        return [key for key in keys if not key.endswith("/")]

    def download(self, key: str, target: Path) -> None:
        """Copy an object of any size to a file.

        Raises:
            UpdogError: the bucket cannot be read.
        """
        with self._asking(f"read {key}"):
            self.client.download_file(self.name, key, str(target))

    def drop_parts(self, prefix: str) -> None:
        """Give up the uploads that killed runs left half done; nobody sees them, but they cost."""
        with self._asking(f"list uploads of {prefix}"):
            pages = self.client.get_paginator("list_multipart_uploads").paginate(
                Bucket=self.name, Prefix=prefix
            )
            for page in pages:
                for each in page.get("Uploads", ()):
                    self.client.abort_multipart_upload(
                        Bucket=self.name, Key=each["Key"], UploadId=each["UploadId"]
                    )

    @contextmanager
    def _asking(self, what: str) -> Iterator[None]:
        try:
            yield
        except ClientError as error:
            raise self._refused(error, what) from error
        except (BotoConnectionError, HTTPClientError) as error:
            raise UnreachableError(f"The server of bucket {self.name}: {error}") from error
        except S3UploadFailedError as error:
            cause = error.__context__
            if isinstance(cause, ClientError):
                raise self._refused(cause, what) from error
            raise StorageError(f"Bucket {self.name}: cannot {what}: {error}") from error
        except BotoCoreError as error:
            raise ConfigError(
                f"Bucket {self.name}: {error}",
                hint="Give credentials and region as for any AWS program (docs/publishing.md).",
            ) from error

    def _refused(self, error: ClientError, what: str) -> Exception:
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        make = _REFUSALS.get(_code(error)) or _REFUSALS.get(str(status), _odd)
        return make(f"Bucket {self.name}: cannot {what}: {error}")


def _condition(expected: str | None) -> Any:  # noqa: ANN401 - keyword arguments of boto3
    if expected is None:
        return {}
    return {"IfNoneMatch": ABSENT} if expected == ABSENT else {"IfMatch": expected}


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))


def _forbidden(message: str) -> UpdogError:
    return PermissionDenied(
        message, hint="What the publisher must be allowed to do stands in docs/publishing.md."
    )


def _no_bucket(message: str) -> UpdogError:
    return ConfigError(message, hint="Make the bucket, or correct --to and --endpoint.")


def _no_conditions(message: str) -> UpdogError:
    return ConfigError(
        message,
        hint="If this server knows no conditional writes, set conditional_writes = false in"
        " publish.toml and see to it that only one publisher runs at a time.",
    )


def _odd(message: str) -> UpdogError:
    return StorageError(message)


_REFUSALS: Mapping[str, Callable[[str], Exception]] = {
    "NoSuchBucket": _no_bucket,
    "NoSuchKey": Changed,
    "NotImplemented": _no_conditions,
    str(int(HTTPStatus.PRECONDITION_FAILED)): Changed,
    # Two conditional writes at the same moment: S3 lets neither of them know which came first.
    str(int(HTTPStatus.CONFLICT)): Changed,
    str(int(HTTPStatus.FORBIDDEN)): _forbidden,
    str(int(HTTPStatus.UNAUTHORIZED)): _forbidden,
}
