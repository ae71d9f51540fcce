"""The repository that was cached when the update was staged, believed by its signatures alone.

At boot there may be no network and no right clock, and the metadata may have waited for months. So
its expiry is not enforced (formats 12): time stands still before any of it. What has expired is
told. The root is that of the running image, which is the new one; nothing else is trusted.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

from updog import manifest
from updog.durable import read_small
from updog.errors import ConfigError, NotThere, TrustError
from updog.jsontree import MAX_BYTES
from updog.localfetch import LocalFetcher
from updog.manifest import Manifest
from updog.migrate.sealed import Sealed, sealed
from updog.session import RepositoryUrls, Session
from updog.stream import decompress
from updog.tufstore import MetadataStore

MANIFEST = "manifest.json"
MAX_TARGET = 64 << 20
"""Bytes of a migration as it is fetched."""
MAX_PROGRAM = 256 << 20
"""Bytes of a migration as it is run; a static binary has a few."""

BEFORE_ALL = datetime(1970, 1, 1, tzinfo=UTC)
_HINT = "Run 'updog prepare' while the repository can be reached, or start the previous set."


class _Nowhere(MetadataStore):
    """Keeps nothing: what a network shows later must not be compared with an old cache."""

    def __init__(self) -> None:
        super().__init__(Path("/"), keep_roots=False)

    def load(self, role: str) -> bytes | None:  # noqa: ARG002 - see MetadataStore
        """Nothing."""
        return None

    def save(self, role: str, data: bytes) -> None:
        """Keep nothing."""

    def delete(self, role: str) -> None:
        """Forget nothing."""

    def save_root(self, version: int, data: bytes) -> None:
        """Keep nothing."""


class CachedRepository:
    """Manifest and migrations from the caches.

    Args:
        root: the file with the trusted root.
        metadata: the folder of the metadata.
        targets: the folder of the manifest and the migrations.

    Raises:
        ConfigError: there is no trusted root.
        TrustError: a signature, hash or version is wrong, or something is missing.
        StorageError, PermissionDenied: a file cannot be read.
    """

    def __init__(self, root: Path, metadata: Path, targets: Path) -> None:
        urls = RepositoryUrls(metadata.absolute().as_uri(), targets.absolute().as_uri())
        self._session = Session(urls, _root(root), _Nowhere(), LocalFetcher(), BEFORE_ALL)
        try:
            self._session.refresh()
        except NotThere as error:
            raise TrustError(f"the cached repository is not whole: {error}", hint=_HINT) from error

    def manifest(self) -> Manifest:
        """The cached manifest, which says which migrations there are.

        Raises:
            TrustError: it is missing, or not what was signed.
            ManifestError: it breaks its schema.
        """
        return manifest.parse(self._read(MANIFEST, MAX_BYTES))

    def program(self, name: str) -> Sealed:
        """A migration, decompressed into memory that nobody can change any more.

        The hash is compared before a byte of it is decoded, let alone run.

        Raises:
            TrustError: it is missing, not what was signed, or no sound LZ4 frame.
            StorageError: there is no memory for it.
        """
        pieces = decompress([self._read(name, MAX_TARGET)], MAX_PROGRAM, f"the migration {name}")
        return sealed(name, pieces)

    def expired(self, now: datetime) -> Mapping[str, timedelta]:
        """The roles whose time is over, and for how long."""
        expires = self._session.expires().items()
        return {role: now - moment for role, moment in expires if now >= moment}

    def _read(self, name: str, limit: int) -> bytes:
        try:
            return self._session.read(name, max_bytes=limit)
        except NotThere as error:
            raise TrustError(f"{name} is not among the cached targets", hint=_HINT) from error


def _root(path: Path) -> bytes:
    content = read_small(path, 1 << 20)
    if content is None:
        raise ConfigError(
            f"There is no trusted root {path}.",
            hint="Install the repository's root.json there, or set paths.trusted_root.",
        )
    return content
