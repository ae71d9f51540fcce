"""Known-base deltas (docs/blockmap.md): everything that one earlier image does not have.

What the base has and the image no longer needs is what was replaced: the old versions of the new
files. Each segment of new content is packed with the blocks of that kind before it that stood
nearest to where the new ones stand now.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import groupby, islice
from pathlib import Path
from typing import BinaryIO

import zstandard

from updog.blockmap import BLOCK, ZERO_HASH, block_hash
from updog.deltaformat import (
    MAX_RECORDS,
    NEW_BLOCKS,
    PREFIX_BLOCKS,
    DeltaHeader,
    Kind,
    Record,
    dump_records,
    dump_segment,
)

LEVEL = 19
WORKERS = 2
WINDOW_LOG = 23
"""8 MiB: more than prefix and content of a segment together."""
_PIECE = 1 << 20
_PLAN_ROOM = MAX_RECORDS - PREFIX_BLOCKS


@dataclass(slots=True)
class _Segment:
    """Records that are packed together.

    Attributes:
        records: in the order of the image.
        content: blocks that the base does not have.
        near: where in the base the neighbours of those blocks stand.
    """

    records: list[Record] = field(default_factory=list)
    content: list[bytes] = field(default_factory=list)
    near: list[int] = field(default_factory=list)

    def add(self, record: Record) -> None:
        last = self.records[-1] if self.records else None
        if last is not None and _continues(last, record):
            self.records[-1] = Record(last.kind, last.count + 1, last.source)
        else:
            self.records.append(record)

    @property
    def is_full(self) -> bool:
        return len(self.content) == NEW_BLOCKS or len(self.records) == _PLAN_ROOM


def write_delta(image: Path, base: Path, sink: BinaryIO, *, level: int = LEVEL) -> None:
    """Write the delta that makes ``image`` from ``base``.

    Args:
        image: the new raw image.
        base: the old raw image, as it stands on the clients' partitions.
        sink: where the delta goes.
        level: of compression.

    Raises:
        OSError: a file cannot be read or written.
    """
    header = DeltaHeader(image.stat().st_size, _digest(image), base.stat().st_size, _digest(base))
    sink.write(header.dump())
    replaced = _replaced(image, base)

    def pack(segment: _Segment) -> bytes:
        return _packed(segment, base, replaced, level)

    segments = _segments(image, _places(base))
    with ThreadPoolExecutor(WORKERS) as pool:
        while portion := list(islice(segments, 4 * WORKERS)):
            sink.writelines(pool.map(pack, portion))


def _segments(image: Path, places: dict[bytes, int]) -> Iterator[_Segment]:
    segment, near = _Segment(), 0
    for block in _blocks(image):
        record = _record(block, places)
        segment.add(record)
        if record.kind is Kind.COPY:
            near = record.source
        elif record.kind is Kind.NEW:
            segment.content.append(block)
            segment.near.append(near)
        if segment.is_full:
            yield segment
            segment = _Segment()
    if segment.records:
        yield segment


def _record(block: bytes, places: dict[bytes, int]) -> Record:
    if len(block) < BLOCK:
        return Record(Kind.NEW, 1)
    key = block_hash(block)
    if key == ZERO_HASH:
        return Record(Kind.ZERO, 1)
    if key not in places:
        return Record(Kind.NEW, 1)
    return Record(Kind.COPY, 1, places[key])


def _continues(last: Record, record: Record) -> bool:
    if last.kind is not record.kind:
        return False
    return last.kind is not Kind.COPY or record.source == last.source + last.count


def _packed(segment: _Segment, base: Path, replaced: Sequence[int], level: int) -> bytes:
    plain = zstandard.ZstdCompressor(level=level)
    if not segment.content:
        return dump_segment(plain.compress(dump_records(segment.records)), b"")
    prefix = _prefix(segment.near, replaced)
    plan = [*_runs(prefix), *segment.records]
    content = _against(_read_all(base, prefix), level).compress(b"".join(segment.content))
    return dump_segment(plain.compress(dump_records(plan)), content)


def _against(prefix: bytes, level: int) -> zstandard.ZstdCompressor:
    parameters = zstandard.ZstdCompressionParameters.from_level(
        level, window_log=WINDOW_LOG, enable_ldm=True
    )
    if not prefix:
        return zstandard.ZstdCompressor(compression_params=parameters)
    reference = zstandard.ZstdCompressionDict(prefix, dict_type=zstandard.DICT_TYPE_RAWCONTENT)
    return zstandard.ZstdCompressor(compression_params=parameters, dict_data=reference)


def _prefix(near: Sequence[int], replaced: Sequence[int]) -> Sequence[int]:
    """Replaced blocks of the base around where the new ones belong, ascending."""
    low, high = bisect_left(replaced, min(near)), bisect_left(replaced, max(near))
    margin = max(0, PREFIX_BLOCKS - (high - low)) // 2
    first = max(0, low - margin)
    return replaced[first : first + PREFIX_BLOCKS]


def _runs(blocks: Sequence[int]) -> Iterator[Record]:
    for _, group in groupby(enumerate(blocks), lambda pair: pair[1] - pair[0]):
        run = [block for _, block in group]
        yield Record(Kind.PREFIX, len(run), run[0])


def _read_all(base: Path, blocks: Iterable[int]) -> bytes:
    with base.open("rb") as file:

        def read(block: int) -> bytes:
            file.seek(block * BLOCK)
            return file.read(BLOCK)

        return b"".join(map(read, blocks))


def _replaced(image: Path, base: Path) -> list[int]:
    """The whole blocks of the base that the image does not have."""
    kept = {block_hash(block) for block in _blocks(image)}
    return [
        at
        for at, block in enumerate(_blocks(base))
        if len(block) == BLOCK and block_hash(block) not in kept
    ]


def _places(base: Path) -> dict[bytes, int]:
    """Where the base has each block. A last, short one is of no use to a copy."""
    return {block_hash(block): at for at, block in enumerate(_blocks(base)) if len(block) == BLOCK}


def _blocks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(_PIECE):
            for at in range(0, len(chunk), BLOCK):
                yield chunk[at : at + BLOCK]


def _digest(path: Path) -> bytes:
    digest = sha256()
    with path.open("rb") as file:
        while chunk := file.read(_PIECE):
            digest.update(chunk)
    return digest.digest()
