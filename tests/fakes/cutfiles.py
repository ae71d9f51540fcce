"""File systems that stop before any operation, and what a power cut may leave of the rest.

`CutFiles` does the real thing and counts; before operation number `at` the process is gone. What
was done and not yet flushed may be lost: `losses` gives the worst that a journal may keep.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from updog.datastore.files import RealFiles

Owner = tuple[int, int] | None


class PowerCut(BaseException):
    """The process is gone; no ``except`` of the program sees it."""


@dataclass
class Change:
    """One operation that is not on stable storage yet.

    Attributes:
        folder: whose names it changes.
        undo: takes it back on disk.
    """

    folder: Path
    undo: Callable[[], None]


@dataclass
class CutFiles(RealFiles):
    """The real files, up to the cut.

    Attributes:
        at: before which operation; None for never.
        done: the operations so far, in words.
        loose: names not yet flushed, oldest first.
        unwritten: files whose content was not flushed.
    """

    at: int | None = None
    done: list[str] = field(default_factory=list)
    loose: list[Change] = field(default_factory=list)
    unwritten: set[Path] = field(default_factory=set)

    def make_folder(self, path: Path, mode: int, owner: Owner) -> None:
        self._count("mkdir", path)
        super().make_folder(path, mode, owner)
        self.loose.append(Change(path.parent, lambda: shutil.rmtree(path, ignore_errors=True)))

    def write(self, path: Path, content: bytes, mode: int, owner: Owner) -> None:
        self._count("write", path)
        super().write(path, content, mode, owner)
        self.unwritten.add(path)
        self.loose.append(Change(path.parent, lambda: path.unlink(missing_ok=True)))

    def sync_file(self, path: Path) -> None:
        self._count("sync", path)
        super().sync_file(path)
        self.unwritten.discard(path)

    def sync_folder(self, path: Path) -> None:
        self._count("sync", path)
        super().sync_folder(path)
        self.loose = [change for change in self.loose if change.folder != path]

    def link(self, path: Path, leads_to: str) -> None:
        self._count("link", path)
        super().link(path, leads_to)
        self.loose.append(Change(path.parent, lambda: path.unlink(missing_ok=True)))

    def rename(self, old: Path, new: Path) -> None:
        self._count("rename", new)
        before = str(new.readlink()) if new.is_symlink() else None
        super().rename(old, new)
        self.loose.append(Change(new.parent, lambda: _relink(new, before)))

    def unlink(self, path: Path) -> None:
        self._count("unlink", path)
        leads_to = str(path.readlink()) if path.is_symlink() else None
        super().unlink(path)
        if leads_to is not None:
            self.loose.append(Change(path.parent, lambda: _relink(path, leads_to)))

    def remove_folder(self, path: Path) -> None:
        self._count("rmdir", path)
        super().remove_folder(path)

    def losses(self) -> Iterator[Callable[[], None]]:
        """What a power cut may do to what was not flushed: one function for each."""
        yield lambda: None
        yield self._all_lost
        for index, change in enumerate(self.loose):
            if not any(change.folder.name.startswith(word) for word in (".updog", "v", "live")):
                yield lambda index=index: self._one_lost(index)  # type: ignore[misc]

    def _all_lost(self) -> None:
        for change in reversed(self.loose):
            change.undo()
        self._truncate()

    def _one_lost(self, index: int) -> None:
        """Journals keep an order only within what belongs together: any one may be missing."""
        self.loose[index].undo()
        self._truncate()

    def _truncate(self) -> None:
        for path in self.unwritten:
            if path.exists():
                path.write_bytes(b"")

    def _count(self, kind: str, path: Path) -> None:
        if self.at is not None and len(self.done) >= self.at:
            raise PowerCut
        self.done.append(f"{kind} {path.name}")


def _relink(path: Path, leads_to: str | None) -> None:
    path.unlink(missing_ok=True)
    if leads_to is not None:
        path.symlink_to(leads_to)
