"""What an image is, told from its first bytes. PURE.

Offsets and magic numbers are those of the formats themselves: ext2/3/4 and erofs keep a superblock
1024 bytes behind the start, squashfs, FAT and dm-verity begin with theirs. Each of them but verity
also says how long it is, so that an image that was cut short shows.
"""

from __future__ import annotations

from enum import StrEnum, unique

HEAD = 4096
"""Bytes from the start of an image that are enough to tell what it is."""

_SUPERBLOCK = 1024
_EXT_MAGIC_AT = _SUPERBLOCK + 56
_EXT_64BIT = 0x80
_EROFS_BITS = range(9, 17)
_FAT_SECTORS = {512, 1024, 2048, 4096}
_MOST_LOG = 6


@unique
class Kind(StrEnum):
    """The kinds of image that a release is made of."""

    EXT4 = "ext4"
    EROFS = "erofs"
    SQUASHFS = "squashfs"
    VFAT = "vfat"
    VERITY = "dm-verity tree"
    UNKNOWN = "unknown"


FILE_SYSTEMS = frozenset({Kind.EXT4, Kind.EROFS, Kind.SQUASHFS, Kind.VFAT})


def recognise(head: bytes) -> Kind:
    """Tell what an image is from its first `HEAD` bytes, or all it has."""
    if head.startswith(b"verity\0\0"):
        return Kind.VERITY
    if head.startswith(b"hsqs"):
        return Kind.SQUASHFS
    if head[_SUPERBLOCK : _SUPERBLOCK + 4] == b"\xe2\xe1\xf5\xe0":
        return Kind.EROFS
    if head[_EXT_MAGIC_AT : _EXT_MAGIC_AT + 2] == b"\x53\xef":
        return Kind.EXT4
    if head[510:512] == b"\x55\xaa" and b"FAT" in (head[54:57], head[82:85]):
        return Kind.VFAT
    return Kind.UNKNOWN


def told_length(head: bytes) -> int | None:
    """The bytes that a file system says it has; None where it does not say, or nonsense."""
    reader = {
        Kind.EXT4: _ext_length,
        Kind.EROFS: _erofs_length,
        Kind.SQUASHFS: _squashfs_length,
        Kind.VFAT: _fat_length,
    }.get(recognise(head))
    return None if reader is None else reader(head)


def _ext_length(head: bytes) -> int | None:
    log = _number(head, _SUPERBLOCK + 24, 4)
    blocks = _number(head, _SUPERBLOCK + 4, 4)
    if _number(head, _SUPERBLOCK + 96, 4) & _EXT_64BIT:
        blocks += _number(head, _SUPERBLOCK + 0x150, 4) << 32
    return blocks << (10 + log) if log <= _MOST_LOG else None


def _erofs_length(head: bytes) -> int | None:
    bits = head[_SUPERBLOCK + 12] if len(head) > _SUPERBLOCK + 12 else 0
    return _number(head, _SUPERBLOCK + 36, 4) << bits if bits in _EROFS_BITS else None


def _squashfs_length(head: bytes) -> int | None:
    return _number(head, 40, 8) or None


def _fat_length(head: bytes) -> int | None:
    sector = _number(head, 11, 2)
    sectors = _number(head, 19, 2) or _number(head, 32, 4)
    return sector * sectors if sector in _FAT_SECTORS and sectors else None


def _number(head: bytes, at: int, length: int) -> int:
    return int.from_bytes(head[at : at + length], "little")
