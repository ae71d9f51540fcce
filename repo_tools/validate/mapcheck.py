"""A block map beside the image that it describes, while both flow by. PURE."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain

from updog.blockmap import BLOCK, BlockMap, block_hash
from updog.digests import IMAGE
from updog.stream import Tally


class MapCheck:
    """Compares every span and every block with what the map says (docs/blockmap.md)."""

    def __init__(self, found: BlockMap) -> None:
        self._map = found
        self._spans = ((span.length, span.digest) for span in found.spans())
        self._waiting = bytearray()
        self._skip = found.start
        self._packed = Tally()
        self._raw = bytearray()
        self._next_block = 0
        self._wrong_spans = 0
        self._wrong_blocks = 0
        self._span = next(self._spans, None)

    def packed(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        """Pass the published bytes on, comparing spans as they are completed."""
        for chunk in chunks:
            self._packed.add(chunk)
            skipped = min(self._skip, len(chunk))
            self._skip -= skipped
            self._waiting += chunk[skipped:]
            self._cut()
            yield chunk

    def raw(self, piece: bytes) -> None:
        """Take the next raw bytes, and compare their blocks."""
        self._raw += piece
        whole = len(self._raw) // BLOCK * BLOCK
        for at in range(0, whole, BLOCK):
            self._block(self._raw[at : at + BLOCK])
        del self._raw[:whole]

    def faults(self, raw: Tally) -> Iterator[str]:
        """What the map got wrong, when everything has gone by."""
        if self._raw:
            self._block(self._raw)
        whole = self._map.whole
        digests = (whole.raw_sha256.hex(), whole.raw_blake3.hex())
        if (whole.raw_length, *digests) != (raw.length, *map(raw.hex, IMAGE)):
            yield "it is the map of another image"
        if (whole.packed_length, whole.packed_sha256.hex()) != (
            self._packed.length,
            self._packed.hex(),
        ):
            yield "it is the map of another published file"
        left = sum(1 for _ in chain(self._spans)) + (self._span is not None)
        if self._wrong_spans or left:
            yield f"{self._wrong_spans + left} of its spans are not in the published file"
        if self._wrong_blocks:
            yield f"{self._wrong_blocks} of its blocks are not those of the image"

    def _cut(self) -> None:
        while self._span is not None and len(self._waiting) >= self._span[0]:
            length, digest = self._span
            self._wrong_spans += block_hash(bytes(self._waiting[:length])) != digest
            del self._waiting[:length]
            self._span = next(self._spans, None)
        if self._span is None:
            self._waiting.clear()

    def _block(self, content: bytes | bytearray) -> None:
        there = self._next_block < self._map.blocks
        if not there or block_hash(bytes(content)) != self._map.hash_of(self._next_block):
            self._wrong_blocks += 1
        self._next_block += 1
