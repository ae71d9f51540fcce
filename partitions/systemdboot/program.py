"""How long an EFI program is that lies at the beginning of a partition. PURE.

A boot image for systemd-boot is a unified kernel image: one EFI program with kernel, initramfs and
command line. Firmware checks a signature over the whole file, so what follows the program on its
partition must not come along.
"""

from __future__ import annotations

import struct

from partitions.errors import EX_DATAERR, PartitionError

LONGEST = 1 << 30
HEAD = 4096
"""Bytes from the beginning that hold all headers."""

_PE_AT = 0x3C
_SECTION = 40
_OPTIONAL_AT = 24
_DIRECTORIES_AT = {0x10B: 96, 0x20B: 112}
_CERTIFICATES = 4


class NoProgram(PartitionError):
    """The boot image is not an EFI program."""

    exit_code = EX_DATAERR


def program_length(head: bytes, most: int) -> int:
    """Return the bytes of the program: its last section, or the signatures behind that.

    Args:
        head: the first `HEAD` bytes.
        most: bytes that there are at most.

    Raises:
        NoProgram: it is none, or it is longer than `most`.
    """
    try:
        length = max(_ends(head))
    except (struct.error, ValueError, KeyError) as error:
        raise NoProgram(f"the boot image is not an EFI program: {error}") from error
    if not 0 < length <= min(most, LONGEST):
        raise NoProgram(f"the boot image claims {length} bytes as an EFI program, of {most}")
    return length


def _ends(head: bytes) -> list[int]:
    if head[:2] != b"MZ":
        raise ValueError("it does not begin with 'MZ'")
    (at,) = struct.unpack_from("<I", head, _PE_AT)
    mark, sections, optional = struct.unpack_from("<4s2xH12xH", head, at)
    if mark != b"PE\0\0":
        raise ValueError("its header has no 'PE' mark")
    first = at + _OPTIONAL_AT + optional
    ends = [_section_end(head, first + _SECTION * number) for number in range(sections)]
    return [*ends, _certificates_end(head, at + _OPTIONAL_AT)]


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
