"""Trusted metadata kept between runs: what protects against being shown an older repository.

    DIR/root.json timestamp.json snapshot.json targets.json ROLE.json   the newest of each
    DIR/roots/N.root.json                                               every root ever trusted

The store neither checks nor believes: it gives back bytes, and whoever reads them verifies them
again. Only the exact bytes of verified metadata are ever written.
"""

from __future__ import annotations

from pathlib import Path

from updog.durable import read_small, remove_durably, write_durably
from updog.tufnames import role_file

SIZE_LIMIT = 64 << 20


class MetadataStore:
    """A directory of trusted metadata.

    Args:
        directory: where; made when something is first saved.
        keep_roots: whether to keep every root that was trusted, not only the newest.
    """

    def __init__(self, directory: Path, *, keep_roots: bool = True) -> None:
        self._directory = directory
        self._keep_roots = keep_roots

    def load(self, role: str) -> bytes | None:
        """Return the stored bytes of a role, or None.

        Raises:
            StorageError, PermissionDenied: there are some, but they cannot be read.
        """
        return read_small(self._directory / role_file(role), SIZE_LIMIT)

    def save(self, role: str, data: bytes) -> None:
        """Replace the stored bytes of a role; afterwards they survive a power cut.

        Raises:
            StorageError, PermissionDenied: the file system refused.
        """
        write_durably(self._directory / role_file(role), data)

    def delete(self, role: str) -> None:
        """Forget a role; afterwards that survives a power cut.

        Raises:
            StorageError, PermissionDenied: the file system refused.
        """
        remove_durably(self._directory / role_file(role))

    def load_root(self, version: int) -> bytes | None:
        """Return one root of the chain, or None.

        Raises:
            StorageError, PermissionDenied: it is there, but cannot be read.
        """
        return read_small(self._root_path(version), SIZE_LIMIT) if self._keep_roots else None

    def delete_root(self, version: int) -> None:
        """Remove one root of the chain.

        Raises:
            StorageError, PermissionDenied: the file system refused.
        """
        remove_durably(self._root_path(version))

    def save_root(self, version: int, data: bytes) -> None:
        """Keep a root as one of the chain and as the newest.

        Raises:
            StorageError, PermissionDenied: the file system refused.
        """
        if self._keep_roots:
            write_durably(self._root_path(version), data)
        self.save("root", data)

    def _root_path(self, version: int) -> Path:
        return self._directory / "roots" / role_file("root", version)
