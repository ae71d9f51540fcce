"""The known-base delta: what is missing relative to one named image, and where the rest is. PURE.

docs/blockmap.md is the format: a header, then one zstd stream of records in the image's order.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from struct import Struct

from updog.blockmap import BLOCK, MAX_RAW, blocks_in
from updog.errors import TargetMismatch

MAGIC = b"updogdlt"
VERSION = 1
WINDOW_LOG = 23
"""A window of 8 MiB: what zstd -19 uses, and all the memory that a client spends on it."""

# magic, version, reserved, raw length, raw SHA-256, base length, base SHA-256
_HEADER = Struct("<8sH6sQ32sQ32s")
_RECORD = Struct("<BII")
HEADER_LENGTH = _HEADER.size
RECORD_LENGTH = _RECORD.size


class Kind(IntEnum):
    """Where the blocks of a record come from."""

    COPY = 0
    ZERO = 1
    NEW = 2
    """They follow the record."""


@dataclass(frozen=True, slots=True)
class Record:
    """Consecutive blocks of the image.

    Attributes:
        kind: where they come from.
        count: how many; the image's last one may be short.
        source: first block in the base, for `Kind.COPY`; otherwise 0.
    """

    kind: Kind
    count: int
    source: int = 0

    def dump(self) -> bytes:
        """The bytes of the record."""
        return _RECORD.pack(self.kind, self.count, self.source)


@dataclass(frozen=True, slots=True)
class DeltaHeader:
    """What a delta says about the two images.

    Attributes:
        raw_length: bytes of the image that comes out.
        raw_sha256: its digest.
        base_length: bytes of the image that must be there.
        base_sha256: its digest, for people: the client proves the result, not the base.
    """

    raw_length: int
    raw_sha256: bytes
    base_length: int
    base_sha256: bytes

    def dump(self) -> bytes:
        """The bytes of the header."""
        facts = (self.raw_length, self.raw_sha256, self.base_length, self.base_sha256)
        return _HEADER.pack(MAGIC, VERSION, bytes(6), *facts)


def target_name(image: str, base_root_hash: str) -> str:
    """The name of the target that makes `image` from the base with that dm-verity root hash."""
    return f"{image}.from-{base_root_hash}.delta"


def parse_header(start: bytes, name: str) -> DeltaHeader:
    """Read the header strictly.

    Args:
        start: exactly `HEADER_LENGTH` bytes.
        name: of the target, for messages.

    Raises:
        TargetMismatch: it is no delta, of another version, or impossible.
    """
    if len(start) != HEADER_LENGTH or not start.startswith(MAGIC):
        raise TargetMismatch(f"{name} is not a delta.")
    _, version, reserved, *facts = _HEADER.unpack(start)
    if version != VERSION or reserved != bytes(6):
        raise TargetMismatch(f"{name} is a delta of version {version}, which cannot be read.")
    header = DeltaHeader(*facts)
    if not (0 < header.raw_length <= MAX_RAW and 0 < header.base_length <= MAX_RAW):
        raise TargetMismatch(f"{name} describes an image of an impossible length.")
    return header


def parse_record(data: bytes, done: int, header: DeltaHeader, name: str) -> Record:
    """Read one record strictly.

    Args:
        data: exactly `RECORD_LENGTH` bytes.
        done: blocks of the image before it.
        header: of the delta.
        name: of the target, for messages.

    Raises:
        TargetMismatch: it is unknown, or reaches behind one of the images.
    """
    number, count, source = _RECORD.unpack(data)
    if number not in set(Kind):
        raise TargetMismatch(f"{name} has a record of an unknown kind, {number}.")
    kind = Kind(number)
    if not 0 < count <= blocks_in(header.raw_length) - done:
        raise TargetMismatch(f"{name} has a record of {count} blocks where fewer are left.")
    if kind is Kind.COPY and (source + count) * BLOCK > header.base_length:
        raise TargetMismatch(f"{name} copies from behind the end of its base.")
    if kind is not Kind.COPY and source:
        raise TargetMismatch(f"{name} has a record with a source that it does not need.")
    return Record(kind, count, source)
