"""The known-base delta: what is missing relative to one named image, and where the rest is. PURE.

docs/blockmap.md is the format: a header, then segments, each a plan and the new content that it
speaks of. A segment is packed against blocks of the base that look like it, so an upgraded file
costs about as much as its changes do; segments are small, so memory is bounded on both sides.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum
from struct import Struct

from updog.blockmap import BLOCK, MAX_RAW, blocks_in
from updog.errors import TargetMismatch

MAGIC = b"updogdlt"
VERSION = 1
NEW_BLOCKS = 256
"""The most blocks of new content in one segment: 1 MiB."""
PREFIX_BLOCKS = 1024
"""The most blocks of the base that a segment is packed against: 4 MiB."""
MAX_RECORDS = 1 << 15
MAX_PACKED = NEW_BLOCKS * BLOCK + (64 << 10)

# magic, version, reserved, raw length, raw SHA-256, base length, base SHA-256
_HEADER = Struct("<8sH6xQ32sQ32s")
_SEGMENT = Struct("<II")
_RECORD = Struct("<BII")
HEADER_LENGTH = _HEADER.size
SEGMENT_LENGTH = _SEGMENT.size
MAX_PLAN = MAX_RECORDS * _RECORD.size


class Kind(IntEnum):
    """What a record says."""

    COPY = 0
    """Blocks of the image stand in the base."""
    ZERO = 1
    """Blocks of the image are zero."""
    NEW = 2
    """Blocks of the image are the next ones of the segment's content."""
    PREFIX = 3
    """Blocks of the base precede the content while it is packed and unpacked."""


@dataclass(frozen=True, slots=True)
class Record:
    """Consecutive blocks.

    Attributes:
        kind: what about them.
        count: how many; the image's last one may be short.
        source: first block in the base, for `Kind.COPY` and `Kind.PREFIX`; otherwise 0.
    """

    kind: Kind
    count: int
    source: int = 0


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
        return _HEADER.pack(MAGIC, VERSION, *facts)


def target_name(image: str, base_root_hash: str) -> str:
    """The name of the target that makes `image` from the base with that dm-verity root hash."""
    return f"{image}.from-{base_root_hash}.delta"


def dump_segment(plan: bytes, content: bytes) -> bytes:
    """The bytes of a segment, from its two zstd frames; no content is no frame."""
    return _SEGMENT.pack(len(plan), len(content)) + plan + content


def dump_records(records: Sequence[Record]) -> bytes:
    """The bytes of a plan before it is packed."""
    return b"".join(_RECORD.pack(one.kind, one.count, one.source) for one in records)


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
    _, version, *facts = _HEADER.unpack(start)
    if version != VERSION or start[10:16] != bytes(6):
        raise TargetMismatch(f"{name} is a delta of version {version}, which cannot be read.")
    header = DeltaHeader(*facts)
    if not (0 < header.raw_length <= MAX_RAW and 0 < header.base_length <= MAX_RAW):
        raise TargetMismatch(f"{name} describes an image of an impossible length.")
    return header


def parse_segment(start: bytes, name: str) -> tuple[int, int]:
    """Read the head of a segment: the packed lengths of its plan and of its content.

    Raises:
        TargetMismatch: one of them is impossible.
    """
    plan, content = _SEGMENT.unpack(start)
    if not 0 < plan <= MAX_PLAN or content > MAX_PACKED:
        raise TargetMismatch(f"{name} has a segment of an impossible length.")
    return int(plan), int(content)


def parse_records(plan: bytes, done: int, header: DeltaHeader, name: str) -> tuple[Record, ...]:
    """Read a plan strictly.

    Args:
        plan: as it was before it was packed.
        done: blocks of the image before this segment.
        header: of the delta.
        name: of the target, for messages.

    Raises:
        TargetMismatch: it is unknown, too large, or reaches behind one of the images.
    """
    if not plan or len(plan) % _RECORD.size or len(plan) > MAX_PLAN:
        raise TargetMismatch(f"{name} has a plan of {len(plan)} bytes, which cannot be.")
    records = tuple(_checked(_RECORD.iter_unpack(plan), header, name))
    if built(records) > blocks_in(header.raw_length) - done or not built(records):
        raise TargetMismatch(f"{name} has a plan for more blocks than are left, or for none.")
    if _count(records, Kind.NEW) > NEW_BLOCKS or _count(records, Kind.PREFIX) > PREFIX_BLOCKS:
        raise TargetMismatch(f"{name} has a segment that is too large to be unpacked.")
    return records


def built(records: Sequence[Record]) -> int:
    """How many blocks of the image a plan makes."""
    return sum(one.count for one in records if one.kind is not Kind.PREFIX)


def _count(records: Sequence[Record], kind: Kind) -> int:
    return sum(one.count for one in records if one.kind is kind)


def _checked(found: Iterator[tuple[int, ...]], header: DeltaHeader, name: str) -> Iterator[Record]:
    for number, count, source in found:
        if number not in set(Kind) or not count:
            raise TargetMismatch(f"{name} has a record that makes no sense: kind {number}.")
        kind = Kind(number)
        in_base = kind in {Kind.COPY, Kind.PREFIX}
        if in_base and (source + count) * BLOCK > header.base_length:
            raise TargetMismatch(f"{name} reaches behind the end of its base.")
        if source and not in_base:
            raise TargetMismatch(f"{name} has a record with a source that it does not need.")
        yield Record(kind, count, source)
