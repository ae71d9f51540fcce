"""How an image is packed, told by its first bytes. PURE.

Names are not asked: a file renamed by mistake would otherwise be written to a disk undecoded.
"""

from __future__ import annotations

from enum import Enum

import zstandard

from updog.errors import TargetMismatch
from updog.pipeline.lz4frame import parse_header


class Format(Enum):
    """A way of packing that the pipeline can undo."""

    LZ4 = "lz4"
    ZSTD = "zstd"
    XZ = "xz"
    GZIP = "gzip"
    NONE = "none"


LONGEST_MAGIC = 6
_MAGICS = (
    (b"\x04\x22\x4d\x18", Format.LZ4),
    (b"\x28\xb5\x2f\xfd", Format.ZSTD),
    (b"\xfd7zXZ\x00", Format.XZ),
    (b"\x1f\x8b\x08", Format.GZIP),
)


def detect(start: bytes) -> Format:
    """The format of a file that begins like this; `LONGEST_MAGIC` bytes are enough."""
    for magic, found in _MAGICS:
        if start.startswith(magic):
            return found
    return Format.NONE


def agreed(start: bytes, signed: Format | None, name: str) -> Format:
    """The format that the first bytes show and the signed custom data, if any, say.

    Args:
        start: the first bytes of the file.
        signed: what the repository says; None where it says nothing.
        name: of the target, for messages.

    Raises:
        TargetMismatch: they differ. A raw image that happens to begin like a packed one needs to
            be signed as what it is.
    """
    found = detect(start)
    if signed is None or signed is found:
        return found
    if signed is Format.NONE:
        return signed
    raise TargetMismatch(f"{name} is signed as {signed.value} but begins like {found.value}.")


def least_raw(start: bytes, packed_length: int) -> int:
    """Bytes that a file decodes to at least, as far as its first ones say; 0 where they do not.

    They are not to be believed, only to be refused by: a header that makes no sense says nothing
    here, and whoever decodes says what is wrong with it.

    Args:
        start: the first bytes of the file.
        packed_length: bytes of the whole file.
    """
    found = detect(start)
    if found is Format.NONE:
        return packed_length
    try:
        if found is Format.LZ4:
            header = parse_header(start, "")
            return (header and header.raw_length) or 0
        # The first of several frames tells of itself alone; that is the least.
        return max(0, zstandard.frame_content_size(start)) if found is Format.ZSTD else 0
    except (TargetMismatch, zstandard.ZstdError):
        return 0
