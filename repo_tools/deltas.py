"""Known-base deltas (docs/blockmap.md): everything that one earlier image does not have."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO

import zstandard

from updog.blockmap import BLOCK, ZERO_HASH, block_hash
from updog.deltaformat import WINDOW_LOG, DeltaHeader, Kind, Record

LEVEL = 19
RUN = 1 << 16
"""Blocks of one record at most."""
_PIECE = 1 << 20


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
    parameters = zstandard.ZstdCompressionParameters.from_level(
        level, window_log=WINDOW_LOG, enable_ldm=True
    )
    context = zstandard.ZstdCompressor(compression_params=parameters)
    with context.stream_writer(sink, closefd=False) as stream, image.open("rb") as file:
        for record in _records(image, base):
            stream.write(record.dump())
            content = file.read(record.count * BLOCK)
            if record.kind is Kind.NEW:
                stream.write(content)


def _records(image: Path, base: Path) -> Iterator[Record]:
    places = _places(base)
    held: Record | None = None
    for block in _blocks(image):
        record = _record(block, places)
        if held is None:
            held = record
        elif _continues(held, record):
            held = Record(held.kind, held.count + 1, held.source)
        else:
            yield held
            held = record
    if held is not None:
        yield held


def _record(block: bytes, places: dict[bytes, int]) -> Record:
    key = block_hash(block)
    if len(block) < BLOCK:
        return Record(Kind.NEW, 1)
    if key == ZERO_HASH:
        return Record(Kind.ZERO, 1)
    if key not in places:
        return Record(Kind.NEW, 1)
    return Record(Kind.COPY, 1, places[key])


def _continues(held: Record, record: Record) -> bool:
    if held.kind is not record.kind or held.count >= RUN:
        return False
    return held.kind is not Kind.COPY or record.source == held.source + held.count


def _places(base: Path) -> dict[bytes, int]:
    """Where the base has each block. The last, short one is of no use to a copy."""
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
