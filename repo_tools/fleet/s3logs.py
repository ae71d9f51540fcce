"""Logs that lie in a bucket are copied to a folder, one after another, before they are read."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from repo_tools.stores.place import Place
from updog.errors import ConfigError, UsageError

SCHEME = "s3://"


def download(address: str, place: Place, folder: Path) -> Iterator[Path]:
    """Copy an object, or all objects whose names begin so, and yield the copies.

    Args:
        address: ``s3://BUCKET/KEY`` or ``s3://BUCKET/PREFIX``.
        place: endpoint, region and profile.
        folder: where to; the caller removes it.

    Raises:
        UsageError: the address names no bucket, or nothing is there.
        UpdogError: the bucket cannot be read.
    """
    bucket_name, _, prefix = address.removeprefix(SCHEME).partition("/")
    if not bucket_name:
        raise UsageError(f"{address} names no bucket.", hint="Write it as s3://BUCKET/PREFIX.")
    try:
        from repo_tools.stores.bucket import Bucket  # noqa: PLC0415 - it needs an extra
        from repo_tools.stores.s3client import client_of  # noqa: PLC0415 - the same
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"Reading logs from a bucket needs {error.name}.",
            hint="Install it with: pip install 'updog-agent[s3]'",
        ) from error
    bucket = Bucket(client_of(place, address), bucket_name)
    keys = sorted(bucket.below(prefix))
    if not keys:
        raise UsageError(f"There is no object {address}.", hint="Look with: aws s3 ls")
    for number, key in enumerate(keys):
        copy = folder / f"{number:08}"
        bucket.download(key, copy)
        yield copy
