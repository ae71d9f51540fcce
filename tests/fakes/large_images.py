"""Images of gigabytes, as files: made and packed piece by piece."""

from __future__ import annotations

import hashlib
from pathlib import Path
from random import Random

from lz4 import frame

from repo_tools.blockmaps import map_lz4, pack_zstd
from updog.blockmap import BlockMap

MIB = 1 << 20
STEP = 64 * MIB


def make_sparse(path: Path, length: int) -> None:
    """An image with noise at the start of every 64 MiB and at its end, around every odd length."""
    noise = Random(length).randbytes(MIB)
    with path.open("wb") as file:
        file.truncate(length)
        for at in (*range(0, length, STEP), length - len(noise)):
            file.seek(at)
            file.write(noise[: length - at])


def as_zstd(raw: Path, packed: Path) -> BlockMap:
    """Pack in frames of 16 KiB."""
    with packed.open("wb") as sink:
        return pack_zstd(raw, sink, level=1)


def as_lz4(raw: Path, packed: Path) -> BlockMap:
    """Pack in blocks of 256 KiB, as publishers do, but for the level: a client sees none of it."""
    how = frame.LZ4FrameCompressor(
        block_size=frame.BLOCKSIZE_MAX256KB, block_linked=False, content_checksum=True
    )
    with raw.open("rb") as file, packed.open("wb") as sink:
        sink.write(how.begin())
        while piece := file.read(MIB):
            sink.write(how.compress(piece))
        sink.write(how.flush())
    return map_lz4(packed)


def digest(path: Path, first: int = 0, stop: int | None = None) -> str:
    """SHA-256 of a part of a file, hex."""
    found = hashlib.sha256()
    with path.open("rb") as file:
        file.seek(first)
        left = path.stat().st_size - first if stop is None else stop - first
        while left and (piece := file.read(min(MIB, left))):
            found.update(piece)
            left -= len(piece)
    return found.hexdigest()
