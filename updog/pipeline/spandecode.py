"""One span of a block map: checked as it was published, then decoded."""

from __future__ import annotations

import zstandard

from updog.blockmap import BLOCK, BlockMap, Codec, Span, block_hash
from updog.errors import TargetMismatch
from updog.pipeline.buffers import aligned
from updog.pipeline.decoders import WINDOW
from updog.pipeline.lz4frame import STORED, WORD
from updog.pipeline.lz4native import decode_into


class SpanDecoder:
    """Decodes spans for one thread, into memory that it keeps.

    Args:
        blockmap: says how they are stored.
        name: of the target, for messages.
    """

    def __init__(self, blockmap: BlockMap, name: str) -> None:
        self._map = blockmap
        self._name = name
        self._zstd = zstandard.ZstdDecompressor(max_window_size=WINDOW)
        self._short = blockmap.blocks * BLOCK - blockmap.whole.raw_length
        self._room = aligned(max(blockmap.counts) * BLOCK)

    def decode(self, span: Span, packed: memoryview) -> memoryview:
        """Give the bytes of the image that a span holds, valid until the next call.

        Raises:
            TargetMismatch: it is not the signed span, or does not decode to its blocks.
        """
        # Before decoding: no decoder sees a byte that the publisher did not sign.
        if block_hash(packed) != span.digest:
            raise TargetMismatch(f"{self._name}: bytes at {span.offset} are not the signed ones.")
        length = span.blocks * BLOCK
        if span.first + span.blocks == self._map.blocks:
            length -= self._short
        try:
            found = self._decoded(packed, self._room[:length])
        except (zstandard.ZstdError, ValueError) as error:
            raise TargetMismatch(
                f"{self._name}: the span at {span.offset} is the signed one, but does not decode.",
                hint="The publisher has to make the block map again.",
            ) from error
        if found != length:
            raise TargetMismatch(
                f"{self._name}: the span at {span.offset} gives {found} bytes, not {length}."
            )
        return self._room[:length]

    def _decoded(self, packed: memoryview, room: memoryview) -> int:
        if self._map.codec is Codec.LZ4:
            return self._lz4(packed, room)
        content = self._frame(packed, len(room)) if self._map.codec is Codec.ZSTD else packed
        count = min(len(content), len(room))
        room[:count] = content[:count]
        return len(content)

    def _frame(self, packed: memoryview, length: int) -> bytes:
        # The library believes the frame about its size; memory is bounded by what the map says.
        told = zstandard.frame_content_size(packed)
        if told != length:
            raise ValueError(f"a frame of {told} bytes where {length} belong")
        return self._zstd.decompress(packed)

    @staticmethod
    def _lz4(packed: memoryview, room: memoryview) -> int:
        word = int.from_bytes(packed[:WORD], "little")
        data = packed[WORD : WORD + (word & ~STORED)]
        if len(data) != word & ~STORED:
            raise ValueError("an LZ4 block reaches behind its span")
        if not word & STORED:
            return decode_into(data, room)
        count = min(len(data), len(room))
        room[:count] = data[:count]
        return len(data)
