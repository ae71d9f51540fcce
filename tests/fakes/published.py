"""An image as a publisher has it: packed, with its map, and a source that needs no network."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from lz4 import frame

from repo_tools.blockmaps import map_lz4, pack_zstd
from repo_tools.deltas import write_delta
from tests.fakes.images import signed
from updog.blockmap import BlockMap, parse
from updog.pipeline.facts import Signed
from updog.pipeline.multipart import Piece
from updog.pipeline.ranges import Range


@dataclass
class MemorySource:
    """A `RangeSource` that keeps a log."""

    content: bytes
    fetched: int = 0
    requests: int = 0
    whole_only: bool = False

    def fetch(self, wanted: Sequence[Range]) -> Iterator[Piece]:
        self.requests += 1
        for item in wanted:
            self.fetched += item.length
            for at in range(item.offset, item.end, 30_001):
                yield Piece(at, self.content[at : min(at + 30_001, item.end)])


@dataclass
class Published:
    """One image on the publishing side."""

    raw: bytes
    packed: bytes
    blockmap: BlockMap
    signed: Signed = field(init=False)

    def __post_init__(self) -> None:
        self.signed = signed(self.raw, self.packed)
        # As a client gets it: written and read again.
        self.blockmap = parse(self.blockmap.dump(), "map")

    @property
    def source(self) -> MemorySource:
        return MemorySource(self.packed)


def as_zstd(folder: Path, raw: bytes, bases: Sequence[bytes] = ()) -> Published:
    """Publish as zstd frames."""
    path = _file(folder, "new.img", raw)
    before = [_file(folder, f"base-{number}.img", base) for number, base in enumerate(bases)]
    sink = io.BytesIO()
    blockmap = pack_zstd(path, sink, bases=before, level=1)
    return Published(raw, sink.getvalue(), blockmap)


def as_lz4(folder: Path, raw: bytes, block_size: int = frame.BLOCKSIZE_MAX64KB) -> Published:
    """Publish as one LZ4 frame with independent blocks."""
    packed = bytes(frame.compress(raw, block_size=block_size, block_linked=False))
    return Published(raw, packed, map_lz4(_file(folder, "new.img.lz4", packed)))


def as_delta(folder: Path, raw: bytes, base: bytes, level: int = 1) -> bytes:
    """Publish what leads from one image to another."""
    sink = io.BytesIO()
    write_delta(_file(folder, "new", raw), _file(folder, "old", base), sink, level=level)
    return sink.getvalue()


def _file(folder: Path, name: str, content: bytes) -> Path:
    path = folder / name
    path.write_bytes(content)
    return path
