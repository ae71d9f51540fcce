"""The store behind an address."""

from __future__ import annotations

from pathlib import Path

from repo_tools.stores.folder import FolderStore
from repo_tools.stores.place import Place
from repo_tools.stores.store import Store
from updog.errors import ConfigError

SCHEME = "s3://"


def open_store(place: Place, own: Path) -> Store:
    """The store of a place.

    Args:
        place: where.
        own: ``published/`` of the repository, whose lock guards it.

    Raises:
        ConfigError: the address is not one, or boto3 is not installed.
    """
    if place.to is None:
        return FolderStore(own, guarded=True)
    if not place.to.startswith(SCHEME):
        if "://" in place.to:
            raise ConfigError(
                f"{place.to} is no place to publish to.",
                hint="Give a folder, or s3://BUCKET/PREFIX.",
            )
        folder = Path(place.to)
        return FolderStore(folder, guarded=folder.resolve() == own.resolve())
    return _s3(place)


def _s3(place: Place) -> Store:
    bucket, _, prefix = str(place.to).removeprefix(SCHEME).partition("/")
    if not bucket:
        raise ConfigError(f"{place.to} names no bucket.", hint="Give s3://BUCKET/PREFIX.")
    try:
        from repo_tools.stores.s3client import connect  # noqa: PLC0415 - it needs an extra
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"Publishing to a bucket needs {error.name}.",
            hint="Install it with: pip install 'updog-agent[s3]'",
        ) from error
    return connect(place, bucket, prefix.strip("/"))
