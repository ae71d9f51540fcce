"""One span of a block map: checked as it was published, then decoded."""

from __future__ import annotations

import zstandard
from lz4 import block as lz4_block

from updog.blockmap import BLOCK, BlockMap, Codec, Span, block_hash
from updog.errors import TargetMismatch
from updog.pipeline.lz4frame import STORED, WORD


class SpanDecoder:
    """Decodes spans for one thread.

    Args:
        blockmap: says how they are stored.
        name: of the target, for messages.
    """

    def __init__(self, blockmap: BlockMap, name: str) -> None:
        self._map = blockmap
        self._name = name
        self._zstd = zstandard.ZstdDecompressor(max_window_size=8 << 20)
        self._short = blockmap.blocks * BLOCK - blockmap.whole.raw_length

    def decode(self, span: Span, packed: bytes | memoryview) -> bytes | memoryview:
        """Give the bytes of the image that a span holds.

        Raises:
            TargetMismatch: it is not the signed span, or does not decode to its blocks.
        """
        # Before decoding: no decoder sees a byte that the publisher did not sign.
        if block_hash(packed) != span.digest:
            raise TargetMismatch(f"{self._name}: bytes at {span.offset} are not the signed ones.")
        length = span.blocks * BLOCK
        if span.first + span.blocks == self._map.blocks:
            length -= self._short
        raw = self._decoded(packed, length)
        if len(raw) != length:
            raise TargetMismatch(
                f"{self._name}: the span at {span.offset} gives {len(raw)} bytes, not {length}."
            )
        return raw

    def _decoded(self, packed: bytes | memoryview, length: int) -> bytes | memoryview:
        try:
            if self._map.codec is Codec.ZSTD:
                return self._frame(packed, length)
            return self._lz4(packed, length) if self._map.codec is Codec.LZ4 else packed
        except (zstandard.ZstdError, lz4_block.LZ4BlockError, ValueError) as error:
            raise TargetMismatch(f"{self._name}: a span cannot be decoded: {error}") from error

    def _frame(self, packed: bytes | memoryview, length: int) -> bytes:
        # The library believes the frame about its size; memory is bounded by what the map says.
        told = zstandard.frame_content_size(packed)
        if told not in (length, -1):
            raise ValueError(f"a frame of {told} bytes where {length} belong")
        return self._zstd.decompress(packed, max_output_size=length)

    @staticmethod
    def _lz4(packed: bytes | memoryview, length: int) -> bytes | memoryview:
        word = int.from_bytes(packed[:WORD], "little")
        end = WORD + (word & ~STORED)
        if end > len(packed):
            raise ValueError("an LZ4 block reaches behind its span")
        data = packed[WORD:end]
        if word & STORED:
            return data
        raw: bytes = lz4_block.decompress(data, uncompressed_size=length)
        return raw
