"""Published files in a bucket."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from hashlib import file_digest
from pathlib import Path

from repo_tools.errors import DraftError, PublisherBusy
from repo_tools.stores.bucket import ABSENT, Bucket, Changed
from repo_tools.stores.headers import SHORT, headers_of
from repo_tools.stores.lease import Lease
from repo_tools.stores.place import TERM

LOCK = ".updog-repo.lock"


@dataclass(slots=True)
class S3Store:
    """Published files below a prefix of a bucket.

    Args:
        bucket: which.
        prefix: without slashes at its ends; may be empty.
        term: how long the lock holds without renewal.
        short: how long caches may keep ``timestamp.json``.
        conditional: whether the server knows conditional writes; without them there is no lock.
    """

    bucket: Bucket
    prefix: str = ""
    term: timedelta = TERM
    short: timedelta = SHORT
    conditional: bool = True
    _tags: dict[str, str] = field(default_factory=dict, init=False)
    _lease: Lease | None = field(default=None, init=False)

    @property
    def where(self) -> str:
        """Its address."""
        return f"s3://{self.bucket.name}/{self.prefix}"

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """Hold the lock object.

        Raises:
            PublisherBusy: another publisher is at work.
        """
        if not self.conditional:
            yield
            return
        lease = Lease(self.bucket, self._key(LOCK), self.term)
        lease.take()
        self._lease = lease
        self._tags.clear()
        try:
            yield
        finally:
            self._lease = None
            lease.release()

    def prepare(self, folder: str) -> None:
        """Give up half-done uploads of killed runs."""
        self.bucket.drop_parts(f"{self._key(folder)}/")

    def sizes(self, folder: str) -> Mapping[str, int]:
        """The lengths in bytes of the objects directly below a folder, by name."""
        return self.bucket.sizes(f"{self._key(folder)}/")

    def read(self, name: str) -> bytes | None:
        """The bytes of an object; None if there is none. A later `put` replaces only these."""
        found = self.bucket.get(self._key(name))
        self._tags[name] = ABSENT if found is None else found.tag
        return None if found is None else found.data

    def put(self, name: str, data: bytes, *, new: bool = False) -> None:
        """Write an object, provided that nobody has written it since it was read here.

        Raises:
            PublisherBusy: somebody has.
        """
        self._check()
        expected = ABSENT if new else self._tags.get(name)
        headers = headers_of(name, self.short)
        try:
            tag = self.bucket.put(
                self._key(name), data, headers, expected if self.conditional else None
            )
        except Changed:
            # The answer to our own write may have been lost and the request sent again.
            if self.read(name) != data:
                raise PublisherBusy(
                    f"{self.where}: somebody else has written {name} since this run began.",
                    hint="Find the other publisher, then run the command again.",
                ) from None
        else:
            self._tags[name] = tag

    def send(self, name: str, source: Path, sha256: str) -> None:
        """Upload a file, in parts if it is large.

        Raises:
            DraftError: ``source`` holds other bytes than expected; nothing was uploaded.
        """
        self._check()
        with source.open("rb") as file:
            found = file_digest(file, "sha256").hexdigest()
        if found != sha256:
            raise DraftError(
                f"{source} was changed after it had been added.",
                hint="Remove the update from the draft and add it again from its images.",
            )
        self.bucket.upload(self._key(name), source, headers_of(name, self.short))

    def _check(self) -> None:
        if self._lease is not None:
            self._lease.check()

    def _key(self, name: str) -> str:
        return f"{self.prefix}/{name}" if self.prefix else name
