"""The files that a command names as logs: which there are, how they are packed, who wrote them."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import BinaryIO, cast

import zstandard

from repo_tools.fleet.logformats import Layout, LogFormat, recognise
from updog.errors import DataError, UsageError

SAMPLE = 64 * 1024
"""How many bytes of a file are looked at to tell its format."""


class Packing(StrEnum):
    """How a file is compressed; the value is DuckDB's name for it."""

    PLAIN = "none"
    GZIP = "gzip"
    ZSTD = "zstd"


_MAGIC = {b"\x1f\x8b": Packing.GZIP, b"\x28\xb5\x2f\xfd": Packing.ZSTD}


@dataclass(frozen=True, slots=True)
class LogFile:
    """One file of lines.

    Attributes:
        path: where it is.
        packing: how it is compressed.
        layout: how its lines are read.
    """

    path: Path
    packing: Packing
    layout: Layout


def expand(paths: Iterable[Path]) -> Iterator[Path]:
    """Every file that is meant: a folder stands for the files directly in it, by name.

    Raises:
        UsageError: there is nothing of that name, or a folder is empty.
    """
    for path in paths:
        if not path.is_dir():
            if not path.is_file():
                raise UsageError(f"There is no log {path}.", hint="Name files, or folders of them.")
            yield path
            continue
        within = sorted(each for each in path.iterdir() if each.is_file())
        if not within:
            raise UsageError(f"The folder {path} has no files.", hint="Name one with logs.")
        yield from within


def look(path: Path, said: LogFormat | None = None) -> LogFile | None:
    """What a file is; None if it is empty.

    Raises:
        DataError: it is damaged, or not a log of a kind that is known.
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        packing = _packing(file)
        sample = _sample(path, file, packing)
    if not sample.strip():
        return None
    layout = recognise(sample.decode("utf-8", errors="replace").splitlines(), said)
    if layout is None:
        raise DataError(
            f"{path} is no access log of a kind that is known here.",
            hint="Known are nginx and Apache (combined), CloudFront (with its #Fields) and S3.",
        )
    return LogFile(path, packing, layout)


def check_whole(log: LogFile) -> None:
    """Read a compressed file to its end.

    Raises:
        DataError: it is cut or damaged.
    """
    with log.path.open("rb") as file:
        if log.packing is Packing.ZSTD:
            _check_frames(log.path, file)
            return
        plain = _opened(file, log.packing)
        while _read(log.path, plain):
            pass


def _check_frames(path: Path, file: BinaryIO) -> None:
    """Decode every frame; readers of streams take the end of a file for the end of a frame."""
    frame = None
    while block := file.read(SAMPLE):
        while block:
            frame = frame or zstandard.ZstdDecompressor().decompressobj()
            try:
                frame.decompress(block)
            except zstandard.ZstdError as error:
                raise _damaged(path, error) from error
            block = frame.unused_data if frame.eof else b""
            frame = None if frame.eof else frame
    if frame is not None:
        raise _damaged(path, "its last frame has no end")


def _packing(file: BinaryIO) -> Packing:
    head = file.read(4)
    file.seek(0)
    return next((found for magic, found in _MAGIC.items() if head.startswith(magic)), Packing.PLAIN)


def _opened(file: BinaryIO, packing: Packing) -> BinaryIO:
    if packing is Packing.GZIP:
        return cast("BinaryIO", gzip.GzipFile(fileobj=file))
    if packing is Packing.ZSTD:
        unpack = zstandard.ZstdDecompressor().stream_reader(
            file, read_across_frames=True, closefd=False
        )
        return cast("BinaryIO", unpack)
    return file


def _sample(path: Path, file: BinaryIO, packing: Packing) -> bytes:
    return _read(path, _opened(file, packing))


def _read(path: Path, plain: BinaryIO) -> bytes:
    try:
        return plain.read(SAMPLE)
    except (EOFError, gzip.BadGzipFile, zlib.error, zstandard.ZstdError) as error:
        raise _damaged(path, error) from error


def _damaged(path: Path, why: object) -> DataError:
    return DataError(
        f"{path} is cut or damaged: {why}.",
        hint="Leave it out; what a server still writes can be read once it has been rotated.",
    )
