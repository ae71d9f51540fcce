"""Block maps and deltas for published images (docs/blockmap.md).

A map is made from what will be published: the file is decoded again, span by span, and the map says
what came out. So a map can be wrong about an image only if the image itself is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import BinaryIO

import zstandard
from lz4 import block as lz4_block

from repo_tools.errors import ImageError
from updog.blockmap import (
    BLOCK,
    HASH_LENGTH,
    MAX_SPAN_BLOCKS,
    BlockMap,
    Codec,
    Whole,
    block_hash,
    limit_for,
)
from updog.digests import BLAKE3, IMAGE, SHA256
from updog.errors import TargetMismatch
from updog.pipeline.lz4frame import Block, Walker
from updog.stream import Tally

PIECE = 1 << 20
SMALL_SPAN = 4
"""Blocks that are packed together where nothing is known about what clients have: 16 KiB."""
LARGE_SPAN = 32
"""Blocks that are packed together where clients have them already, or lack all of them."""
LEVEL = 19
WORKERS = 2


@dataclass(slots=True)
class _Columns:
    """The columns of a map while it is made."""

    packed: list[int]
    counts: list[int]
    digests: bytearray
    hashes: bytearray

    def add(self, stored: bytes, raw: bytes | memoryview) -> None:
        """Add one span: as it is stored, and as it is decoded."""
        self.packed.append(len(stored))
        self.counts.append(-(-len(raw) // BLOCK))
        self.digests += block_hash(stored)
        for at in range(0, len(raw), BLOCK):
            self.hashes += block_hash(raw[at : at + BLOCK])


def _whole(raw: Tally, packed_length: int, packed_sha256: bytes) -> Whole:
    sha, blake = (bytes.fromhex(raw.hex(one)) for one in (SHA256, BLAKE3))
    return Whole(raw.length, sha, blake, packed_length, packed_sha256)


def _empty() -> _Columns:
    return _Columns([], [], bytearray(), bytearray())


def map_lz4(published: Path) -> BlockMap:
    """Make the map of an image that is published as one LZ4 frame.

    Raises:
        ImageError: its blocks are linked, or do not decode to whole blocks of a disk.
        OSError: the file cannot be read.
    """
    columns, raw_tally, packed_digest = _empty(), Tally(IMAGE), sha256()
    raw_length = 0
    start: int | None = None
    for block, header, raw in _lz4_blocks(published, packed_digest.update):
        if raw_length % BLOCK:
            raise ImageError(f"{published}: an LZ4 block before the last one has an odd length.")
        start = block.offset if start is None else start
        columns.add(header + bytes(block.data), raw)
        raw_tally.add(raw)
        raw_length += len(raw)
    whole = _whole(raw_tally, published.stat().st_size, packed_digest.digest())
    return _finished(columns, whole, Codec.LZ4, start or 0, published)


def _lz4_blocks(
    published: Path, seen: Callable[[bytes], None]
) -> Iterator[tuple[Block, bytes, bytes]]:
    """Each block with its size word and its content."""
    walker = Walker(str(published))
    try:
        for chunk in _chunks(published):
            seen(chunk)
            for block in walker.feed(chunk):
                if walker.header is None or not walker.header.independent:
                    raise ImageError(
                        f"{published} has LZ4 blocks that need each other; no map can be made.",
                        hint="Compress the image again with: lz4 -9 (without -BD)",
                    )
                if walker.header.block_sums:
                    raise ImageError(f"{published} has LZ4 block checksums; compress it without.")
                yield block, _size_word(block), _content(block, walker.header.block_size)
        walker.check_ended()
    except (TargetMismatch, lz4_block.LZ4BlockError) as error:
        raise ImageError(f"{published} is not a sound LZ4 frame: {error}") from error


def _size_word(block: Block) -> bytes:
    return (len(block.data) | (1 << 31 if block.stored else 0)).to_bytes(4, "little")


def _content(block: Block, limit: int) -> bytes:
    if block.stored:
        return bytes(block.data)
    raw: bytes = lz4_block.decompress(block.data, uncompressed_size=limit)
    return raw


def pack_zstd(
    raw: Path, sink: BinaryIO, *, bases: Sequence[Path] = (), level: int = LEVEL
) -> BlockMap:
    """Pack an image as zstd frames, each for itself, which any zstd tool decodes as one file.

    Args:
        raw: the image.
        sink: where the published file goes.
        bases: images of earlier releases. Frames begin and end where a client that has one of them
            begins or ends to lack something, so that it fetches hardly a byte in vain.
        level: of compression.

    Raises:
        ImageError: the image is empty, or too scattered for a map of a permitted size.
        OSError: a file cannot be read or written.
    """
    spans = _span_counts(raw, bases)
    columns, raw_tally, packed_digest = _empty(), Tally(IMAGE), sha256()
    packed_length = 0
    with ThreadPoolExecutor(WORKERS) as pool:
        for content, stored in _packed(pool, _contents(raw, spans), level):
            sink.write(stored)
            columns.add(stored, content)
            raw_tally.add(content)
            packed_digest.update(stored)
            packed_length += len(stored)
    whole = _whole(raw_tally, packed_length, packed_digest.digest())
    return _finished(columns, whole, Codec.ZSTD, 0, raw)


def _packed(
    pool: ThreadPoolExecutor, contents: Iterable[bytes], level: int
) -> Iterator[tuple[bytes, bytes]]:
    """Compress on several threads, some hundred spans at a time, in order."""

    def pack(content: bytes) -> tuple[bytes, bytes]:
        return content, zstandard.ZstdCompressor(level=level).compress(content)

    source = iter(contents)
    while portion := list(islice(source, 512)):
        yield from pool.map(pack, portion)


def _contents(raw: Path, counts: Iterable[int]) -> Iterator[bytes]:
    with raw.open("rb") as file:
        for count in counts:
            yield file.read(count * BLOCK)


def _span_counts(raw: Path, bases: Sequence[Path]) -> Iterator[int]:
    """How many blocks each span gets."""
    if not bases:
        blocks = -(-raw.stat().st_size // BLOCK)
        yield from (min(SMALL_SPAN, blocks - at) for at in range(0, blocks, SMALL_SPAN))
        return
    known = [set(_hashes(base)) for base in bases]
    held, count = None, 0
    for block in _hashes(raw):
        has = tuple(block in one for one in known)
        if count and (has != held or count == LARGE_SPAN):
            yield count
            count = 0
        held, count = has, count + 1
    if count:
        yield count


def _hashes(image: Path) -> Iterator[bytes]:
    """The cut hash of each block."""
    for chunk in _chunks(image):
        for at in range(0, len(chunk), BLOCK):
            yield block_hash(memoryview(chunk)[at : at + BLOCK])


def _chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(PIECE):
            yield chunk


def _finished(columns: _Columns, whole: Whole, codec: Codec, start: int, source: Path) -> BlockMap:
    if not columns.packed:
        raise ImageError(f"The image {source} is empty.")
    if max(columns.counts) > MAX_SPAN_BLOCKS:
        raise ImageError(f"{source} has spans of more than {MAX_SPAN_BLOCKS} blocks.")
    made = BlockMap(
        whole,
        codec,
        start,
        columns.packed,
        columns.counts,
        memoryview(bytes(columns.digests)),
        memoryview(bytes(columns.hashes)),
    )
    if len(made.dump()) > limit_for(whole.raw_length):
        raise ImageError(
            f"{source} is cut into {len(columns.packed)} spans: its map would be too large.",
            hint="Give fewer earlier releases.",
        )
    assert len(made.hashes) == made.blocks * HASH_LENGTH  # noqa: S101 - the columns fit by making
    return made
