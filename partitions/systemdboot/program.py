"""How long an EFI program is that lies at the beginning of a partition. PURE.

A boot image for systemd-boot is a unified kernel image: one EFI program with kernel, initramfs and
command line. Firmware checks a signature over the whole file, so what follows the program on its
partition must not come along.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import TypeAlias

from partitions.errors import EX_DATAERR, PartitionError

Reader: TypeAlias = Callable[[int, int], bytes]
"""Offset and length to bytes."""

LONGEST = 1 << 30
HEAD = 4096
"""Bytes from the beginning that hold all headers."""

_PE_AT = 0x3C
_SECTION = 40
_SYMBOL = 18
_OPTIONAL_AT = 24
_DIRECTORIES_AT = {0x10B: 96, 0x20B: 112}
_CERTIFICATES = 4


class NoProgram(PartitionError):
    """The boot image is not an EFI program."""

    exit_code = EX_DATAERR


def program_length(read: Reader, most: int) -> int:
    """Return the bytes of the program: its sections, its symbols, and the signatures behind them.

    Args:
        read: the image, from its beginning.
        most: bytes that there are at most.

    Raises:
        NoProgram: it is none, or it is longer than `most`.
        DeviceError: it cannot be read.
    """
    try:
        length = max(_ends(read, most))
    except (struct.error, ValueError, KeyError) as error:
        raise NoProgram(f"the boot image is not an EFI program: {error}") from error
    if not 0 < length <= min(most, LONGEST):
        raise NoProgram(f"the boot image claims {length} bytes as an EFI program, of {most}")
    return length


def _ends(read: Reader, most: int) -> list[int]:
    head = read(0, min(HEAD, most))
    if head[:2] != b"MZ":
        raise ValueError("it does not begin with 'MZ'")
    (at,) = struct.unpack_from("<I", head, _PE_AT)
    mark, sections, symbols, count, optional = struct.unpack_from("<4s2xH4xIIH", head, at)
    if mark != b"PE\0\0":
        raise ValueError("its header has no 'PE' mark")
    first = at + _OPTIONAL_AT + optional
    ends = [_section_end(head, first + _SECTION * number) for number in range(sections)]
    ends.append(_certificates_end(head, at + _OPTIONAL_AT))
    return [*ends, _names_end(read, symbols + count * _SYMBOL, most) if symbols else 0]


def _section_end(head: bytes, at: int) -> int:
    size, offset = struct.unpack_from("<II", head, at + 16)
    return int(size + offset)


def _certificates_end(head: bytes, optional: int) -> int:
    (magic,) = struct.unpack_from("<H", head, optional)
    directories = optional + _DIRECTORIES_AT[magic]
    (count,) = struct.unpack_from("<I", head, directories - 4)
    if count <= _CERTIFICATES:
        return 0
    offset, size = struct.unpack_from("<II", head, directories + 8 * _CERTIFICATES)
    return int(offset + size)


def _names_end(read: Reader, at: int, most: int) -> int:
    """The end of the symbols' names, whose length stands before them."""
    if at + 4 > most:
        raise ValueError("its symbols lie behind its end")
    return at + int.from_bytes(read(at, 4), "little")
