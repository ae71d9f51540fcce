"""A cpio archive in the "newc" format, as the kernel unpacks it into its first file system. PURE.

The bytes depend on nothing but the entries: no times, no owners, no inode numbers of a builder's
disk. The same entries give the same archive.
"""

from __future__ import annotations

import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

_MAGIC = b"070701"
_TRAILER = "TRAILER!!!"
_ALIGN = 4
_BLOCK = 512


@dataclass(frozen=True, slots=True)
class Entry:
    """One member of an archive.

    Attributes:
        path: where it goes, without a slash in front.
        mode: kind and permissions, as in ``st_mode``.
        content: bytes of a file, or where a link leads to.
        device: major and minor number of a device node.
    """

    path: str
    mode: int
    content: bytes = b""
    device: tuple[int, int] = (0, 0)

    def __post_init__(self) -> None:
        parts = PurePosixPath(self.path).parts
        if not parts or parts[0] == "/" or ".." in parts or str(PurePosixPath(*parts)) != self.path:
            raise ValueError(f"{self.path!r} is no path inside an archive")


def folder(path: str) -> Entry:
    """A folder that everybody may enter."""
    return Entry(path, stat.S_IFDIR | 0o755)


def file(path: str, content: bytes, *, executable: bool = False) -> Entry:
    """A file that everybody may read."""
    return Entry(path, stat.S_IFREG | (0o755 if executable else 0o644), content)


def character_device(path: str, major: int, minor: int) -> Entry:
    """A character device that root may use."""
    return Entry(path, stat.S_IFCHR | 0o600, device=(major, minor))


def with_folders(entries: Iterable[Entry]) -> list[Entry]:
    """Return the entries in the order of their paths, with every folder that they lie in."""
    by_path = {entry.path: entry for entry in entries}
    for path in list(by_path):
        for above in PurePosixPath(path).parents[:-1]:
            by_path.setdefault(str(above), folder(str(above)))
    return [by_path[path] for path in sorted(by_path)]


def archive(entries: Iterable[Entry]) -> bytes:
    """Return the archive of these entries, in this order; a folder comes before what is in it."""
    return b"".join(_pieces(entries))


def _pieces(entries: Iterable[Entry]) -> Iterator[bytes]:
    size = 0
    for number, entry in enumerate((*entries, Entry(_TRAILER, 0)), start=1):
        links = 0 if entry.path == _TRAILER else 1
        for piece in (_head(entry, number, links), _padded(entry.content)):
            size += len(piece)
            yield piece
    yield bytes(-size % _BLOCK)


def _head(entry: Entry, number: int, links: int) -> bytes:
    name = entry.path.encode() + b"\0"
    major, minor = entry.device
    fields = (
        number if links else 0,
        entry.mode,
        0,  # owner
        0,  # group
        links,
        0,  # time of change
        len(entry.content),
        0,  # the device that it lies on
        0,
        major,
        minor,
        len(name),
        0,  # checksum, which this format does not use
    )
    return _padded(_MAGIC + b"".join(b"%08x" % field for field in fields) + name)


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % _ALIGN)
