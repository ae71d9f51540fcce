"""LZ4 frames, cut into their blocks without decoding them. PURE.

Written against the frame format's description, for files whose SHA-256 is signed: the checksums of
the frame itself are skipped, because whoever could make the signed digest fit made them fit too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from updog.errors import TargetMismatch

MAGIC = b"\x04\x22\x4d\x18"
STORED = 1 << 31
WORD = 4
_VERSION_MASK, _VERSION = 0xC0, 0x40
_INDEPENDENT, _BLOCK_SUMS, _CONTENT_SIZE, _CONTENT_SUM, _DICTIONARY = 0x20, 0x10, 0x08, 0x04, 0x01
_FLAGS_RESERVED, _SIZE_RESERVED = 0x02, 0x8F
_BLOCK_SIZES = {4: 64 << 10, 5: 256 << 10, 6: 1 << 20, 7: 4 << 20}
# Magic, flags and block size; the header can be longer, but this much says how long.
_FIXED = 6
LARGEST_BLOCK = max(_BLOCK_SIZES.values())
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
        raw_length: bytes that it decodes to, where it says so.
    """

    length: int
    block_size: int
    independent: bool
    block_sums: bool
    content_sum: bool
    raw_length: int | None


@dataclass(frozen=True, slots=True)
class Block:
    """One block as it is stored.

    Attributes:
        data: the stored bytes.
        stored: they are the content itself, not compressed.
        offset: of its size word in the frame.
        length: bytes in the frame: size word, data and checksum.
    """

    data: memoryview
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
    sized = bool(flags & _CONTENT_SIZE)
    length = _FIXED + (8 if sized else 0) + 1
    if len(start) < length:
        return None
    return FrameHeader(
        length,
        block_size,
        independent=bool(flags & _INDEPENDENT),
        block_sums=bool(flags & _BLOCK_SUMS),
        content_sum=bool(flags & _CONTENT_SUM),
        raw_length=int.from_bytes(start[_FIXED : _FIXED + 8], "little") if sized else None,
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


def fresh(length: int) -> memoryview:
    """New memory for a block, for callers that do not use theirs again."""
    return memoryview(bytearray(length))


class Walker:
    """Cuts exactly one frame, arriving in chunks, into its blocks.

    Each block is put together in memory that the caller provides, so that each byte is copied once
    and memory is used again. Truncation and bytes after the frame are refused.

    Args:
        name: of the target, for messages.
        memory: gives memory for a block of that many bytes, or more.
    """

    def __init__(self, name: str, memory: Callable[[int], memoryview] = fresh) -> None:
        self.header: FrameHeader | None = None
        self._name = name
        self._memory = memory
        self._small = bytearray()
        """A header, size word or checksum that has not come completely."""
        self._block: memoryview | None = None
        self._filled = 0
        self._word = 0
        self._skip = 0
        """Bytes of a checksum to pass over."""
        self._offset = 0
        self._ended = False

    def feed(self, chunk: bytes | memoryview) -> Iterator[Block]:
        """Take the next bytes and give every block that is complete now.

        Raises:
            TargetMismatch: the frame is not sound, or something follows it.
        """
        view = memoryview(chunk)
        while view:
            if self._skip:
                view = self._pass_over(view)
            elif self._ended:
                raise TargetMismatch(f"{self._name} has bytes after its LZ4 frame.")
            elif self.header is None:
                view = self._read_header(view)
            elif self._block is None:
                view = self._read_word(view, self.header)
            else:
                view = self._fill(view, self._block)
                if self._filled == len(self._block):
                    yield self._finished(self._block, self.header)

    def check_ended(self) -> None:
        """Refuse a frame that is not complete.

        Raises:
            TargetMismatch: its end is missing.
        """
        if self._skip or not self._ended:
            raise TargetMismatch(f"{self._name} ends in the middle of its LZ4 frame.")

    def _pass_over(self, view: memoryview) -> memoryview:
        count = min(self._skip, len(view))
        self._skip -= count
        return view[count:]

    def _read_header(self, view: memoryview) -> memoryview:
        before = len(self._small)
        self._small += view[: LONGEST_HEADER - before]
        self.header = parse_header(self._small, self._name)
        if self.header is None:
            return view[len(self._small) - before :]
        self._offset = self.header.length
        self._small.clear()
        return view[self.header.length - before :]

    def _read_word(self, view: memoryview, header: FrameHeader) -> memoryview:
        count = min(WORD - len(self._small), len(view))
        self._small += view[:count]
        if len(self._small) == WORD:
            self._word = int.from_bytes(self._small, "little")
            self._small.clear()
            self._begin(header)
        return view[count:]

    def _begin(self, header: FrameHeader) -> None:
        if not self._word:
            self._ended = True
            self._skip = WORD if header.content_sum else 0
            return
        size, _ = split_word(self._word, header, self._name)
        if not size:
            raise TargetMismatch(f"{self._name} has an empty LZ4 block.")
        self._block, self._filled = self._memory(size)[:size], 0

    def _fill(self, view: memoryview, block: memoryview) -> memoryview:
        count = min(len(block) - self._filled, len(view))
        block[self._filled : self._filled + count] = view[:count]
        self._filled += count
        return view[count:]

    def _finished(self, data: memoryview, header: FrameHeader) -> Block:
        self._block = None
        self._skip = WORD if header.block_sums else 0
        length = WORD + len(data) + self._skip
        self._offset += length
        return Block(data, bool(self._word & STORED), self._offset - length, length)
