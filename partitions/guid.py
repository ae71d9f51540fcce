"""GUIDs as GPT stores them, and the partition types of our disks by name.

The first three fields of a GUID lie on disk in little-endian order, the last two as they are
printed; people call that mixed-endian.
"""

from __future__ import annotations

import struct
from enum import Enum
from typing import NamedTuple, Self

GUID_BYTES = 16

_FIELDS = struct.Struct(">IHH8s")
_FIELDS_ON_DISK = struct.Struct("<IHH8s")
_GROUPS = (8, 4, 4, 4, 12)
_HEX = frozenset("0123456789abcdef")


class _Bytes(NamedTuple):
    bytes_le: bytes


class Guid(_Bytes):
    """One GUID.

    Attributes:
        bytes_le: the 16 bytes as they lie on disk.
    """

    __slots__ = ()

    def __new__(cls, bytes_le: bytes) -> Self:
        """Check the length."""
        if len(bytes_le) != GUID_BYTES:
            raise ValueError(f"a GUID has {GUID_BYTES} bytes, not {len(bytes_le)}")
        return super().__new__(cls, bytes_le)

    @classmethod
    def from_bytes(cls, on_disk: bytes) -> Self:
        """Take the 16 bytes as they lie on disk.

        Raises:
            ValueError: not 16 bytes.
        """
        return cls(bytes(on_disk))

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Read the usual form of five groups of hexadecimal digits, in either case.

        Raises:
            ValueError: not that form. Braces, missing dashes and spaces are not taken.
        """
        groups = text.lower().split("-")
        lengths = tuple(len(group) for group in groups)
        if lengths != _GROUPS or not _HEX.issuperset("".join(groups)):
            raise ValueError(f"{text!r} is not a GUID (8-4-4-4-12 hexadecimal digits)")
        fields = _FIELDS.unpack(bytes.fromhex("".join(groups)))
        return cls(_FIELDS_ON_DISK.pack(*fields))

    def __str__(self) -> str:
        digits = _FIELDS.pack(*_FIELDS_ON_DISK.unpack(self.bytes_le)).hex()
        return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


NIL = Guid(bytes(GUID_BYTES))
"""The type of an unused table entry."""


class PartitionType(Enum):
    """The partition types of formats 9.1; the value is the type GUID."""

    BOOT = Guid.from_text("6b636168-7420-6568-2070-6c616e657421")
    ROOT = Guid.from_text("5526016a-1a97-4ea4-b39a-b7c8c6ca4502")
    HASH = Guid.from_text("598f10af-c955-4456-6a99-7720068a6cea")
    RESERVED = Guid.from_text("0c5d99a5-d331-4147-baef-08e2b855bdc9")
    PRIVATE = Guid.from_text("440408bb-eb0b-4328-a6e5-a29038fad706")
    DATA = Guid.from_text("626f7474-6c65-6474-6861-726d61726b73")
    EFI_SYSTEM = Guid.from_text("c12a7328-f81f-11d2-ba4b-00a0c93ec93b")
    EFI_BACKUP = Guid.from_text("b39ce39c-0a00-b4ab-2d11-f18f8237a21c")
    BIOS_BOOT = Guid.from_text("21686148-6449-6e6f-744e-656564454649")

    @property
    def guid(self) -> Guid:
        """The type GUID."""
        return self.value


def type_name(guid: Guid) -> str | None:
    """Return our name of a partition type, or None for a type that is not ours."""
    try:
        return PartitionType(guid).name
    except ValueError:
        return None
