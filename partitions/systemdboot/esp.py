"""The EFI system partition as the place where boot state is kept: each change durable, in order.

FAT knows no journal and no hard links, and its rename is two changes of a directory that may reach
the medium one without the other. What that leaves, and how it is lived with:

* An entry's bytes are on the medium before it has the name by which it counts. If only its first
  name is there after a power cut, it does not count; if both are, it does.
* After a rename the new name stands for an empty file until the file is flushed once more. Only
  then may the entry that it replaces be removed.
* A leftover under a first name is never removed: both names may stand for the same clusters, and
  removing one would free those of the other. ``fsck.vfat`` tells them apart.
* ``fsync`` of file and folder, and not ``syncfs``: Linux makes the drive empty its cache for the
  former and not, on FAT, for the latter.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable
from hashlib import sha256
from io import BufferedWriter
from itertools import count
from pathlib import Path
from typing import TypeAlias

from partitions.blockio import BlockIO
from partitions.deviceerrors import reporting
from partitions.errors import DeviceError
from partitions.slot import Slot
from partitions.systemdboot.entries import EntryName, parse, text
from partitions.systemdboot.plan import Step
from partitions.systemdboot.program import program_length

Sync: TypeAlias = Callable[[int], None]
"""Puts an open file or folder on stable storage, as `os.fsync` does."""

ENTRIES = Path("loader/entries")
LOADER_CONF = Path("loader/loader.conf")
HOME = Path("EFI/updog")
"""Ours alone: the programs, the entries of rank 0, and what is remembered."""

_PIECE = 1 << 20


class Esp:
    """An EFI system partition that is mounted.

    Args:
        root: where.
        stems: beginnings of the entries' names, for set A and set B.
        sync: how a file or folder gets to stable storage.
    """

    def __init__(self, root: Path, stems: tuple[str, str], sync: Sync = os.fsync) -> None:
        self.root = root
        self.stems = dict(zip(Slot, stems, strict=True))
        self._sync = sync

    def names(self) -> frozenset[EntryName]:
        """The entries that there are.

        Raises:
            DeviceError: the partition cannot be read, or is not mounted here.
        """
        seen = (
            (parse(file, self.stems.values()), ranked)
            for folder, ranked in ((ENTRIES, True), (HOME, False))
            for file in self._files(folder)
        )
        return frozenset(name for name, ranked in seen if name and bool(name.rank) is ranked)

    def foreign(self) -> list[str]:
        """Entries that are not ours, which systemd-boot may prefer."""
        entries = (file for file in self._files(ENTRIES) if file.lower().endswith(".conf"))
        return sorted(file for file in entries if not parse(file, self.stems.values()))

    def default(self) -> str:
        """What ``loader.conf`` names as the default entry; empty if it leaves that to the order."""
        try:
            lines = (self.root / LOADER_CONF).read_text(encoding="utf-8", errors="replace")
        except OSError:
            return ""
        words = [line.split(maxsplit=1) for line in lines.splitlines()]
        return "".join(word[1].strip() for word in words if word[:1] == ["default"] and word[1:])

    def take(self, steps: Iterable[Step]) -> None:
        """Change entries, each step durable before the next.

        Raises:
            DeviceError: the partition failed, is full, or may not be written.
        """
        for step in steps:
            path = self._path(step.name)
            if step.put:
                self._put(path, text(step.name, self._slot(step.name), self._named(step.name.stem)))
            else:
                with reporting(path, "remove"):
                    path.unlink()
                    self._sync_folder(path.parent)

    def bring_program(self, slot: Slot, boot: BlockIO) -> None:
        """Copy the EFI program of a set from its BOOT partition; no entry may point to it now.

        Raises:
            NoProgram: the partition does not hold one.
            DeviceError: it cannot be read, or the copy cannot be written, or reads back as
                something else.
        """
        length = program_length(boot.pread, boot.size)
        path = self.root / self._named(self.stems[slot]).lstrip("/")
        wanted = sha256()
        with reporting(path, "write"):
            self._make_home()
            with path.open("wb") as file:
                for start in range(0, length, _PIECE):
                    piece = boot.pread(start, min(_PIECE, length - start))
                    wanted.update(piece)
                    file.write(piece)
                file.flush()
                self._sync(file.fileno())
            self._sync_folder(path.parent)
            found = _read_back(path)
        if found != wanted.digest():
            raise DeviceError(f"{path} reads back as something else; is the medium worn out?")

    def remember_success(self) -> None:
        """Note that a boot of this machine was confirmed; nothing takes that back.

        Raises:
            DeviceError: the partition failed, is full, or may not be written.
        """
        if not self.ever_succeeded():
            path = self.root / HOME / "succeeded"
            with reporting(path, "write"):
                self._make_home()
                path.touch()
                self._sync_folder(path.parent)

    def ever_succeeded(self) -> bool:
        """Whether any boot of this machine was ever confirmed."""
        return (self.root / HOME / "succeeded").exists()

    def _put(self, path: Path, content: str) -> None:
        with reporting(path, "write"):
            self._make_home()
            draft, file = _new_draft(path)
            with file:
                file.write(content.encode())
                file.flush()
                self._sync(file.fileno())
                self._sync_folder(path.parent)
                draft.rename(path)
                # The new name has neither size nor place until the file itself is written again.
                self._sync(file.fileno())
            self._sync_folder(path.parent)

    def _make_home(self) -> None:
        home = self.root / HOME
        if not home.is_dir():
            home.mkdir(parents=True, exist_ok=True)
            self._sync_folder(home.parent)
            self._sync_folder(self.root)

    def _sync_folder(self, folder: Path) -> None:
        number = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            self._sync(number)
        finally:
            os.close(number)

    def _files(self, folder: Path) -> list[str]:
        path = self.root / folder
        if folder == HOME and not path.exists():
            return []
        with reporting(path, "read"):
            return [each.name for each in path.iterdir()]

    def _path(self, name: EntryName) -> Path:
        return self.root / (ENTRIES if name.rank else HOME) / name.file

    def _named(self, stem: str) -> str:
        return f"/{HOME}/{stem}.efi"

    def _slot(self, name: EntryName) -> Slot:
        return next(slot for slot, stem in self.stems.items() if stem == name.stem)


def _new_draft(path: Path) -> tuple[Path, BufferedWriter]:
    """Open a new file under a name that nobody has, and that is not the name of an entry."""
    for number in count():
        draft = path.with_name(f"{path.name}.new{number or ''}")
        with contextlib.suppress(FileExistsError):
            return draft, draft.open("xb")
    raise AssertionError


def _read_back(path: Path) -> bytes:
    """The digest of a file as it lies on the medium, past the page cache."""
    found = sha256()
    with path.open("rb") as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        while piece := file.read(_PIECE):
            found.update(piece)
    return found.digest()
