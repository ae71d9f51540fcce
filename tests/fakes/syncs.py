"""A stand-in for `os.fsync` that keeps what each call put on stable storage."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

Kept: TypeAlias = bytes | frozenset[str]


@dataclass
class Syncs:
    """A `updog.durable.Sync`: which files and folders were flushed, with what in them, in order.

    Attributes:
        calls: path at the moment of the call, and the bytes of a file or the names in a folder.
    """

    calls: list[tuple[Path, Kept]] = field(default_factory=list)

    def __call__(self, descriptor: int) -> None:
        path = Path(f"/proc/self/fd/{descriptor}").readlink()
        os.fsync(descriptor)
        content: Kept = (
            frozenset(one.name for one in path.iterdir()) if path.is_dir() else path.read_bytes()
        )
        self.calls.append((path, content))

    def of_folders(self) -> list[tuple[Path, Kept]]:
        """The calls for folders."""
        return [(path, kept) for path, kept in self.calls if isinstance(kept, frozenset)]

    def assert_proven(self, path: Path, content: bytes) -> None:
        """The bytes were flushed before the file got its name, and the name after that."""
        written, named = self.calls[-2:]
        assert written[0] != path
        assert written[0].parent == path.parent
        assert written[1] == content
        assert named[0] == path.parent
        assert isinstance(named[1], frozenset)
        assert path.name in named[1]
        assert written[0].name not in named[1]
