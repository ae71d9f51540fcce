"""Decoders that fill aligned memory in order: zstd, xz, gzip, raw, and LZ4 with linked blocks.

All pull chunks from an iterator and give bytes in the caller's memory, so that nothing grows with
the image. Memory is bounded whatever the file says: windows and dictionaries above `WINDOW` are
refused, and at most one buffer is decoded at a time.
"""

from __future__ import annotations

import lzma
import zlib
from collections.abc import Callable, Iterator
from typing import IO, Protocol, cast

import zstandard
from lz4 import block as lz4_block

from updog.errors import TargetMismatch
from updog.pipeline.formats import Format
from updog.pipeline.lz4frame import Block, Walker
from updog.pipeline.zstdframe import ZstdWalker

WINDOW = 8 << 20
"""The most memory that a decoder may need to look back: zstd -19 and xz -6 need that much."""
_XZ_MEMORY = WINDOW + (4 << 20)
_GZIP_BITS = 16 + zlib.MAX_WBITS
_LZ4_REACH = 64 << 10


class Decoder(Protocol):
    """Gives the bytes of an image in order."""

    def read_into(self, buffer: memoryview) -> int:
        """Fill memory with the next bytes; fewer than fit only at the end, 0 behind it.

        Raises:
            TargetMismatch: the packed bytes are not sound.
        """


def decoder(kind: Format, chunks: Iterator[bytes], name: str) -> Decoder:
    """Make the decoder for a format.

    Args:
        kind: the format.
        chunks: the packed bytes.
        name: of the target, for messages.
    """
    makers: dict[Format, Callable[[], Iterator[bytes]]] = {
        Format.NONE: lambda: chunks,
        Format.LZ4: lambda: lz4_pieces(chunks, name),
        Format.XZ: lambda: _stream_pieces(chunks, _Xz, name),
        Format.GZIP: lambda: _stream_pieces(chunks, _Gzip, name),
    }
    if kind is Format.ZSTD:
        return ZstdDecoder(chunks, name)
    return PieceDecoder(makers[kind]())


class PieceDecoder:
    """Copies pieces of any size together until the caller's memory is full."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._rest = memoryview(b"")

    def read_into(self, buffer: memoryview) -> int:
        """See `Decoder`."""
        done = 0
        while done < len(buffer):
            if not self._rest:
                piece = next(self._pieces, None)
                if piece is None:
                    break
                self._rest = memoryview(piece)
            count = min(len(self._rest), len(buffer) - done)
            buffer[done : done + count] = self._rest[:count]
            self._rest = self._rest[count:]
            done += count
        return done


class ZstdDecoder:
    """Decodes any number of zstd frames straight into the caller's memory."""

    def __init__(self, chunks: Iterator[bytes], name: str) -> None:
        context = zstandard.ZstdDecompressor(max_window_size=WINDOW)
        # It asks for one method of a file; the annotation of the library wants them all.
        source = cast("IO[bytes]", _ChunkFile(chunks, ZstdWalker(name, WINDOW)))
        self._reader = context.stream_reader(source, read_across_frames=True)
        self._name = name

    def read_into(self, buffer: memoryview) -> int:
        """See `Decoder`."""
        done = 0
        try:
            while done < len(buffer) and (count := self._reader.readinto(buffer[done:])):
                done += count
        except zstandard.ZstdError as error:
            raise TargetMismatch(f"{self._name} has damaged zstd data.") from error
        return done


class _ChunkFile:
    """The one method of a file that zstandard's reader calls."""

    def __init__(self, chunks: Iterator[bytes], walker: ZstdWalker) -> None:
        self._chunks = chunks
        self._walker = walker

    def read(self, _most: int = -1) -> bytes:
        # An empty chunk is nothing yet; for the reader it would be the end.
        chunk = next(filter(None, self._chunks), b"")
        if chunk:
            self._walker.feed(chunk)
        else:
            self._walker.check_ended()
        return chunk


def lz4_pieces(chunks: Iterator[bytes], name: str) -> Iterator[bytes]:
    """Decode one LZ4 frame, linked blocks included, a block at a time.

    Raises:
        TargetMismatch: the frame is not sound.
    """
    walker = Walker(name)
    reach = b""
    for chunk in chunks:
        for block in walker.feed(chunk):
            if walker.header is None or walker.header.independent:
                reach = b""
            raw = bytes(decode_lz4(block, _block_size(walker), name, reach))
            reach = (reach + raw)[-_LZ4_REACH:] if len(raw) < _LZ4_REACH else raw[-_LZ4_REACH:]
            yield raw
    walker.check_ended()


def _block_size(walker: Walker) -> int:
    return walker.header.block_size if walker.header else 0


def decode_lz4(block: Block, limit: int, name: str, reach: bytes = b"") -> bytes | memoryview:
    """Decode one block.

    Args:
        block: as it is stored.
        limit: the most bytes that it may decode to.
        name: of the target, for messages.
        reach: what came before it, where blocks are linked.

    Raises:
        TargetMismatch: it is not sound, or decodes to more.
    """
    if block.stored:
        return block.data
    try:
        raw: bytes = lz4_block.decompress(block.data, uncompressed_size=limit, dict=reach)
    except (lz4_block.LZ4BlockError, ValueError) as error:
        raise TargetMismatch(f"{name} has a damaged LZ4 block.") from error
    return raw


class _Xz:
    def __init__(self) -> None:
        self._decoder = lzma.LZMADecompressor(lzma.FORMAT_XZ, _XZ_MEMORY)

    def feed(self, chunk: bytes, most: int) -> bytes:
        return self._decoder.decompress(chunk, most)

    @property
    def ended(self) -> bool:
        return self._decoder.eof

    @property
    def hungry(self) -> bool:
        return self._decoder.needs_input

    def rest(self) -> bytes:
        return self._decoder.unused_data


class _Gzip:
    def __init__(self) -> None:
        self._decoder = zlib.decompressobj(_GZIP_BITS)

    def feed(self, chunk: bytes, most: int) -> bytes:
        return self._decoder.decompress(chunk or self._decoder.unconsumed_tail, most)

    @property
    def ended(self) -> bool:
        return self._decoder.eof

    @property
    def hungry(self) -> bool:
        return not self._decoder.unconsumed_tail

    def rest(self) -> bytes:
        return self._decoder.unused_data


_PIECE = 256 << 10


def _stream_pieces(
    chunks: Iterator[bytes], make: Callable[[], _Xz | _Gzip], name: str
) -> Iterator[bytes]:
    """Decode one stream or several behind each other."""
    stream = make()
    for chunk in filter(None, chunks):
        # The next stream may begin with a chunk of its own.
        stream = make() if stream.ended else stream
        yield from _fed(stream, chunk, name)
        while stream.ended and (rest := stream.rest()):
            stream = make()
            yield from _fed(stream, rest, name)
    if not stream.ended:
        raise TargetMismatch(f"{name} ends in the middle of its compressed stream.")


def _fed(stream: _Xz | _Gzip, chunk: bytes, name: str) -> Iterator[bytes]:
    try:
        piece = stream.feed(chunk, _PIECE)
        while piece or not (stream.ended or stream.hungry):
            yield piece
            piece = b"" if stream.ended else stream.feed(b"", _PIECE)
    except zlib.error as error:
        raise TargetMismatch(f"{name} has damaged gzip data.") from error
    except lzma.LZMAError as error:
        # The library tells the two apart in its text only.
        raise TargetMismatch(
            f"{name} has damaged xz data, or was packed with a dictionary above {WINDOW >> 20} MiB."
        ) from error
