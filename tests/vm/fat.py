"""Reading files out of a FAT file system, as firmware does: 12, 16 or 32 bits, long names.

Made for disks on which the power was cut: whatever is damaged is passed over, not repaired.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

Reader: TypeAlias = Callable[[int, int], bytes]
"""Offset and length to bytes."""

Extent: TypeAlias = tuple[int, int]
"""Offset and length of a run of bytes."""

_RECORD = 32
_LONG, _FOLDER, _LABEL = 0x0F, 0x10, 0x08
_MOST = 1 << 16


@dataclass(frozen=True, slots=True)
class Node:
    """A file or folder."""

    name: str
    folder: bool
    first: int
    size: int


class Fat:
    """A file system.

    Args:
        read: its bytes.
    """

    def __init__(self, read: Reader) -> None:
        self._read = read
        boot = read(0, 512)
        sector, per_cluster, reserved, copies, root, small = struct.unpack_from("<HBHBHH", boot, 11)
        (fat16,) = struct.unpack_from("<H", boot, 22)
        large, fat32 = struct.unpack_from("<II", boot, 32)
        total, length = small or large, fat16 or fat32
        self._cluster = per_cluster * sector
        self._root_at = (reserved + copies * length) * sector
        self._root_size = root * _RECORD
        self._data = self._root_at + self._root_size
        clusters = (total * sector - self._data) // self._cluster
        self._bits = 12 if clusters < 4085 else 16 if clusters < 65525 else 32
        (self._root_cluster,) = struct.unpack_from("<I", boot, 44)
        self._table = read(reserved * sector, length * sector)

    def files(self, path: str) -> dict[str, bytes]:
        """The files in a folder, by name; none if there is no such folder."""
        folder = self._find(path)
        if folder is None:
            return {}
        return {each.name: self._content(each) for each in self._list(folder) if not each.folder}

    def extents(self, path: str) -> dict[str, tuple[Extent, ...]]:
        """Where the files in a folder lie, by name."""
        folder = self._find(path)
        inside = [] if folder is None else self._list(folder)
        return {each.name: tuple(self._runs(each)) for each in inside if not each.folder}

    def _runs(self, node: Node) -> Iterator[Extent]:
        left = node.size
        for at, length in self._chain(node.first if node.size else 0):
            if left <= 0:
                return
            yield at, min(length, left)
            left -= length

    def _find(self, path: str) -> Node | None:
        node: Node | None = Node("", folder=True, first=0, size=0)
        for part in filter(None, path.split("/")):
            inside = self._list(node) if node is not None else ()
            node = next((each for each in inside if each.name.lower() == part.lower()), None)
        return node if node is not None and node.folder else None

    def _list(self, folder: Node) -> Iterator[Node]:
        parts: dict[int, str] = {}
        for record in self._records(folder):
            if record[0] == 0:
                return
            if record[11] == _LONG and record[0] != 0xE5:
                text = (record[1:11] + record[14:26] + record[28:32]).decode("utf-16-le", "replace")
                parts[record[0] & 0x3F] = text.split("\0")[0] + f"\0{record[13]}"
                continue
            if record[0] != 0xE5 and not record[11] & _LABEL and record[0] != ord("."):
                yield _node(record, parts)
            parts = {}

    def _records(self, folder: Node) -> Iterator[bytes]:
        data = b"".join(self._folder_data(folder))
        return (data[at : at + _RECORD] for at in range(0, len(data), _RECORD))

    def _folder_data(self, folder: Node) -> Iterator[bytes]:
        if folder.first == 0 and self._bits != 32:
            yield self._read(self._root_at, self._root_size)
        else:
            chain = self._chain(folder.first or self._root_cluster)
            yield from (self._read(at, length) for at, length in chain)

    def _content(self, node: Node) -> bytes:
        return b"".join(self._read(at, length) for at, length in self._runs(node))

    def _chain(self, cluster: int) -> Iterator[Extent]:
        end = {12: 0xFF8, 16: 0xFFF8, 32: 0x0FFFFFF8}[self._bits]
        for _ in range(_MOST):
            if not 2 <= cluster < end:
                return
            yield self._data + (cluster - 2) * self._cluster, self._cluster
            cluster = self._next(cluster)

    def _next(self, cluster: int) -> int:
        if self._bits == 32:
            return self._number(cluster * 4, 4) & 0x0FFFFFFF
        if self._bits == 16:
            return self._number(cluster * 2, 2)
        pair = self._number(cluster * 3 // 2, 2)
        return pair >> 4 if cluster & 1 else pair & 0xFFF

    def _number(self, at: int, length: int) -> int:
        return int.from_bytes(self._table[at : at + length], "little")


def _node(record: bytes, parts: dict[int, str]) -> Node:
    high, low, size = struct.unpack_from("<H4xHI", record, 20)
    base = record[:8].decode("ascii", "replace").rstrip().lower()
    ending = record[8:11].decode("ascii", "replace").rstrip().lower()
    short = f"{base}.{ending}" if ending else base
    wanted = _checksum(record[:11])
    pieces = [parts[number].rpartition("\0") for number in sorted(parts)]
    whole = pieces and sorted(parts) == list(range(1, len(parts) + 1))
    long = "".join(text for text, _, _ in pieces)
    fits = whole and all(int(number) == wanted for _, _, number in pieces)
    name = long if fits else short
    return Node(name, bool(record[11] & _FOLDER), high << 16 | low, size)


def _checksum(short: bytes) -> int:
    total = 0
    for byte in short:
        total = ((total & 1) << 7 | total >> 1) + byte & 0xFF
    return total
