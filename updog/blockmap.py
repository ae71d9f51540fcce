"""The block map of an image: what each 4 KiB of it must be, and where it lies packed. PURE.

docs/blockmap.md is the format. A map is signed like any target, so it says what its publisher
meant; it is still read as if it lied, because a publisher's mistake must cost neither memory nor
time: every count is compared with the length of the file before anything is made from it.

Block hashes are cut to 8 bytes. They decide only from where a block is taken; whether the whole
image is right is decided by its full digest alone, which every way of installing ends with.
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from enum import IntEnum
from itertools import accumulate
from struct import Struct

from blake3 import blake3

from updog.digests import BLAKE3, Digest
from updog.errors import TargetMismatch
from updog.pipeline.columns import Numbers, Packed, Slices, part, values

SUFFIX = ".blockmap"
MAGIC = b"updogmap"
VERSION = 2
BLOCK_SHIFT = 12
BLOCK = 1 << BLOCK_SHIFT
HASH_LENGTH = 8
MAX_SPAN_BLOCKS = 1024
MAX_SPAN_PACKED = MAX_SPAN_BLOCKS * BLOCK + (64 << 10)
MAX_RAW = 16 << 30
MAX_PACKED = MAX_RAW + (MAX_RAW >> 6)

# magic, version, block shift, hash length, codec, reserved, raw length, packed length,
# raw SHA-256, raw BLAKE3, packed SHA-256, first span's offset, number of spans, reserved
_HEADER = Struct("<8sHBBBxxxQQ32s32s32sQII")
_SPAN_BYTES = 4 + 2 + HASH_LENGTH


class Codec(IntEnum):
    """How a span is stored in the published file."""

    NONE = 0
    LZ4 = 1
    """One block of an LZ4 frame whose blocks are independent, with its size word."""
    ZSTD = 2
    """One whole zstd frame."""


@dataclass(frozen=True, slots=True)
class Span:
    """Blocks that are stored, and can be decoded, together.

    Attributes:
        number: index of the span, from 0.
        first: index of its first block.
        blocks: how many blocks it holds.
        offset: first byte in the published file.
        length: bytes in the published file.
        digest: BLAKE3 of those bytes, cut to 8.
    """

    number: int
    first: int
    blocks: int
    offset: int
    length: int
    digest: bytes


@dataclass(frozen=True, slots=True)
class Place:
    """Where a span begins: enough to go through the spans from there on.

    Attributes:
        number: index of the span.
        first: index of its first block.
        offset: its first byte in the published file.
    """

    number: int
    first: int
    offset: int


@dataclass(frozen=True, slots=True)
class Whole:
    """The facts of the two whole files.

    Attributes:
        raw_length: bytes of the image.
        raw_sha256: digest of the image.
        raw_blake3: another of it, which is what is made when it is read back.
        packed_length: bytes of the published file.
        packed_sha256: digest of the published file.
    """

    raw_length: int
    raw_sha256: bytes
    raw_blake3: bytes
    packed_length: int
    packed_sha256: bytes


@dataclass(frozen=True, slots=True)
class BlockMap:
    """A parsed map; made by `parse` or by a publisher.

    Attributes:
        whole: lengths and digests.
        codec: how the spans are stored.
        start: offset of the first span in the published file.
        packed: bytes of each span in the published file.
        counts: blocks of each span.
        digests: 8 bytes for each span.
        hashes: 8 bytes for each block.
    """

    whole: Whole
    codec: Codec
    start: int
    packed: Numbers = field(repr=False)
    counts: Numbers = field(repr=False)
    digests: Slices = field(repr=False)
    hashes: Slices = field(repr=False)

    @property
    def raw_digest(self) -> Digest:
        """What the image must have when it is read back."""
        return Digest(BLAKE3, self.whole.raw_blake3.hex())

    @property
    def blocks(self) -> int:
        """How many blocks the image has; the last one may be short."""
        return blocks_in(self.whole.raw_length)

    @property
    def size(self) -> int:
        """Bytes of the file of this map."""
        return _HEADER.size + len(self.packed) * _SPAN_BYTES + self.blocks * HASH_LENGTH

    def hash_of(self, block: int) -> bytes:
        """The cut hash of one block."""
        return bytes(self.hashes[block * HASH_LENGTH : (block + 1) * HASH_LENGTH])

    def spans(self) -> Iterator[Span]:
        """Every span, in the order of the image, which is that of the file too."""
        return self.spans_from(Place(0, 0, self.start), len(self.packed), lambda _first, _count: 1)

    def spans_from(
        self, place: Place, stop: int, wanted: Callable[[int, int], object]
    ) -> Iterator[Span]:
        """Some spans, in their order.

        Args:
            place: where to begin.
            stop: index of the span to end before.
            wanted: told first block and count of each, says whether to give it out.
        """
        digests = values(self.digests, HASH_LENGTH, place.number)
        for (at, count, length), digest in zip(self.places_from(place), digests, strict=False):
            if at.number >= stop:
                return
            if wanted(at.first, count):
                yield Span(at.number, at.first, count, at.offset, length, digest)

    def places_from(self, place: Place) -> Iterator[tuple[Place, int, int]]:
        """Where each span begins, how many blocks it holds and how many bytes it takes."""
        number, first, offset = place.number, place.first, place.offset
        for count, length in zip(self.counts[number:], self.packed[number:], strict=True):
            yield Place(number, first, offset), count, length
            number, first, offset = number + 1, first + count, offset + length

    def dump(self) -> bytes:
        """The file of this map."""
        header = _HEADER.pack(
            MAGIC,
            VERSION,
            BLOCK_SHIFT,
            HASH_LENGTH,
            self.codec,
            self.whole.raw_length,
            self.whole.packed_length,
            self.whole.raw_sha256,
            self.whole.raw_blake3,
            self.whole.packed_sha256,
            self.start,
            len(self.packed),
            0,
        )
        columns = (
            _column("I", self.packed),
            _column("H", self.counts),
            self.digests[:],
            self.hashes[:],
        )
        return header + b"".join(columns)


def blocks_in(length: int) -> int:
    """How many blocks an image of that many bytes has."""
    return (length + BLOCK - 1) >> BLOCK_SHIFT


def block_hash(content: bytes | memoryview) -> bytes:
    """The cut hash of one block, or of one span as it is stored."""
    return blake3(content).digest(HASH_LENGTH)


ZERO_HASH = block_hash(bytes(BLOCK))
ZERO_WORD = int.from_bytes(ZERO_HASH, sys.byteorder)
"""The cut hash of a zero block among those that are read as numbers."""


def limit_for(raw_length: int) -> int:
    """The most bytes that a map of an image of that length may have: 0.3 % and a header."""
    return _HEADER.size + 64 + raw_length * 3 // 1000


def parse(file: bytes | Slices, name: str) -> BlockMap:
    """Read a map strictly.

    Args:
        file: already compared with what was signed, and kept where it cannot change. The map reads
            its columns from there when they are needed.
        name: of the target, for messages.

    Raises:
        TargetMismatch: it is no map, of another version, or contradicts itself.
    """
    content = memoryview(file).toreadonly() if isinstance(file, bytes) else file
    start = bytes(content[: _HEADER.size])
    if len(start) < _HEADER.size or not start.startswith(MAGIC):
        raise TargetMismatch(f"{name} is not a block map.")
    fields = _HEADER.unpack(start)
    _check_kind(fields[1:4], name)
    whole = Whole(fields[5], fields[7], fields[8], fields[6], fields[9])
    _check_sizes(whole, fields[11], len(content), name)
    if start[13:16] != bytes(3) or fields[12]:
        raise TargetMismatch(f"{name}: a reserved field of the block map is not zero.")
    found = _columns(content, whole, _codec(fields[4], name), (fields[10], fields[11]))
    _check_spans(found, name)
    return found


def _check_kind(kind: tuple[int, ...], name: str) -> None:
    if kind != (VERSION, BLOCK_SHIFT, HASH_LENGTH):
        raise TargetMismatch(
            f"{name} is a block map of a kind that this version cannot read: {kind}.",
            hint="The image can still be fetched whole.",
        )


def _codec(number: int, name: str) -> Codec:
    try:
        return Codec(number)
    except ValueError:
        raise TargetMismatch(f"{name} names an unknown codec, {number}.") from None


def _check_sizes(whole: Whole, spans: int, length: int, name: str) -> None:
    """Compare every count with the length of the file, before anything is made from it."""
    if not (0 < whole.raw_length <= MAX_RAW and 0 < whole.packed_length <= MAX_PACKED):
        raise TargetMismatch(f"{name} describes an image of an impossible length.")
    expected = _HEADER.size + spans * _SPAN_BYTES + blocks_in(whole.raw_length) * HASH_LENGTH
    if length != expected:
        raise TargetMismatch(
            f"{name} has {length} bytes, but {expected} are needed for {spans} spans."
        )


def _columns(content: Slices, whole: Whole, codec: Codec, spans: tuple[int, int]) -> BlockMap:
    start, count = spans
    ends = tuple(accumulate((_HEADER.size, count * 4, count * 2, count * HASH_LENGTH)))
    return BlockMap(
        whole,
        codec,
        start,
        Packed("I", part(content, ends[0], ends[1])),
        Packed("H", part(content, ends[1], ends[2])),
        part(content, ends[2], ends[3]),
        part(content, ends[3], len(content)),
    )


def _check_spans(found: BlockMap, name: str) -> None:
    """Every span has a possible size, and together they make the image and lie in the file."""
    if not len(found.packed):
        raise TargetMismatch(f"{name} has no spans.")
    if not (min(found.counts) and max(found.counts) <= MAX_SPAN_BLOCKS):
        raise TargetMismatch(f"{name} has a span of no block or of more than {MAX_SPAN_BLOCKS}.")
    if not (min(found.packed) and max(found.packed) <= MAX_SPAN_PACKED):
        raise TargetMismatch(f"{name} has a span of no byte or of more than {MAX_SPAN_PACKED}.")
    if sum(found.counts) != found.blocks:
        raise TargetMismatch(f"{name}: its spans do not make up the image.")
    if found.start + sum(found.packed) > found.whole.packed_length:
        raise TargetMismatch(f"{name}: its spans reach behind the end of the published file.")
    if found.codec is Codec.NONE and not _stored(found):
        raise TargetMismatch(f"{name}: a span that is not compressed has another length there.")


def _stored(found: BlockMap) -> bool:
    """Whether each span takes as many bytes in the file as in the image."""
    short = found.blocks * BLOCK - found.whole.raw_length
    last = len(found.packed) - 1
    return all(
        length == count * BLOCK - (short if at == last else 0)
        for at, (count, length) in enumerate(zip(found.counts, found.packed, strict=True))
    )


def _column(kind: str, numbers: Iterable[int]) -> bytes:
    column = array(kind, numbers)
    if sys.byteorder == "big":
        column.byteswap()
    return column.tobytes()
