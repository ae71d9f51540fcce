"""LZ4 frames, cut into their blocks without decoding them. PURE.

Written against the frame format's description, for files whose SHA-256 is signed: the checksums of
the frame itself are skipped, because whoever could make the signed digest fit made them fit too.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from updog.errors import TargetMismatch
from updog.pipeline.chunks import Chunks

MAGIC = b"\x04\x22\x4d\x18"
STORED = 1 << 31
WORD = 4
_VERSION_MASK, _VERSION = 0xC0, 0x40
_INDEPENDENT, _BLOCK_SUMS, _CONTENT_SIZE, _CONTENT_SUM, _DICTIONARY = 0x20, 0x10, 0x08, 0x04, 0x01
_FLAGS_RESERVED, _SIZE_RESERVED = 0x02, 0x8F
_BLOCK_SIZES = {4: 64 << 10, 5: 256 << 10, 6: 1 << 20, 7: 4 << 20}
# Magic, flags and block size; the header can be longer, but this much says how long.
_FIXED = 6
LONGEST_HEADER = _FIXED + 8 + 1


@dataclass(frozen=True, slots=True)
class FrameHeader:
    """What a frame says about itself.

    Attributes:
        length: bytes of the header.
        block_size: the most bytes that one block decodes to.
        independent: a block can be decoded without the blocks before it.
        block_sums: each block is followed by a checksum of 4 bytes.
        content_sum: the frame ends with a checksum of 4 bytes.
    """

    length: int
    block_size: int
    independent: bool
    block_sums: bool
    content_sum: bool


@dataclass(frozen=True, slots=True)
class Block:
    """One block as it is stored.

    Attributes:
        data: the stored bytes.
        stored: they are the content itself, not compressed.
        offset: of its size word in the frame.
        length: bytes in the frame: size word, data and checksum.
    """

    data: bytes | memoryview
    stored: bool
    offset: int
    length: int


def parse_header(start: bytes | bytearray, name: str) -> FrameHeader | None:
    """Read the header of a frame; None if `start` does not hold all of it yet.

    Raises:
        TargetMismatch: it is not a frame, or one that needs a dictionary.
    """
    if not MAGIC.startswith(bytes(start[:WORD])):
        raise TargetMismatch(f"{name} is not an LZ4 frame.")
    if len(start) < _FIXED:
        return None
    flags, size = start[4], start[5]
    known = flags & _VERSION_MASK == _VERSION and not flags & _FLAGS_RESERVED
    block_size = _BLOCK_SIZES.get(size >> 4)
    if not known or block_size is None or size & _SIZE_RESERVED:
        raise TargetMismatch(f"{name} begins with an LZ4 frame header that makes no sense.")
    if flags & _DICTIONARY:
        raise TargetMismatch(f"{name} needs an LZ4 dictionary, which images never have.")
    length = _FIXED + (8 if flags & _CONTENT_SIZE else 0) + 1
    if len(start) < length:
        return None
    return FrameHeader(
        length,
        block_size,
        independent=bool(flags & _INDEPENDENT),
        block_sums=bool(flags & _BLOCK_SUMS),
        content_sum=bool(flags & _CONTENT_SUM),
    )


def split_word(word: int, header: FrameHeader, name: str) -> tuple[int, bool]:
    """Take a size word apart: the bytes that follow it, and whether they are stored as they are.

    Raises:
        TargetMismatch: the block would be larger than the frame allows.
    """
    size = word & ~STORED
    if size > header.block_size:
        raise TargetMismatch(
            f"{name} has an LZ4 block of {size} bytes: more than its frame allows."
        )
    return size, bool(word & STORED)


class Walker:
    """Cuts exactly one frame, arriving in chunks, into its blocks.

    It holds at most one block. Truncation and bytes after the frame are refused.

    Args:
        name: of the target, for messages.
    """

    def __init__(self, name: str) -> None:
        self.header: FrameHeader | None = None
        self._name = name
        self._held = Chunks()
        self._offset = 0
        self._trailer = -1
        """Bytes still to come after the end mark; -1 before it."""

    def feed(self, chunk: bytes | memoryview) -> Iterator[Block]:
        """Take the next bytes and give every block that is complete now.

        Raises:
            TargetMismatch: the frame is not sound, or something follows it.
        """
        self._held.push(chunk)
        if self.header is None:
            self.header = parse_header(self._held.peek(LONGEST_HEADER), self._name)
            if self.header is None:
                return
            self._take(self.header.length)
        while self._trailer < 0 and (size := self._complete(self.header)) is not None:
            if size:
                yield self._block(size, self.header)
            else:
                self._take(WORD)
                self._trailer = WORD if self.header.content_sum else 0
        self._finish()

    def check_ended(self) -> None:
        """Refuse a frame that is not complete.

        Raises:
            TargetMismatch: its end is missing.
        """
        if self._trailer:
            raise TargetMismatch(f"{self._name} ends in the middle of its LZ4 frame.")

    def _complete(self, header: FrameHeader) -> int | None:
        """The bytes after the next size word, if all of them are there; 0 is the end mark."""
        if self._held.available < WORD:
            return None
        word = int.from_bytes(self._held.peek(WORD), "little")
        size, _ = split_word(word, header, self._name)
        if word and not size:
            raise TargetMismatch(f"{self._name} has an empty LZ4 block.")
        size += WORD if size and header.block_sums else 0
        return size if self._held.available >= WORD + size else None

    def _block(self, size: int, header: FrameHeader) -> Block:
        offset = self._offset
        word = int.from_bytes(self._take(WORD), "little")
        data = self._take(size)
        if header.block_sums:
            data = data[:-WORD]
        return Block(data, bool(word & STORED), offset, WORD + size)

    def _take(self, count: int) -> bytes | memoryview:
        self._offset += count
        return self._held.take(count)

    def _finish(self) -> None:
        if self._trailer < 0:
            return
        taken = min(self._trailer, self._held.available)
        self._trailer -= taken
        self._take(taken)
        if self._held.available:
            raise TargetMismatch(f"{self._name} has bytes after its LZ4 frame.")
