"""Image files as they are given to the publisher: raw, or one LZ4 frame."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import file_digest
from pathlib import Path

from repo_tools.errors import ImageError
from repo_tools.imagebuild import BLOCK, SUFFIX, Built
from updog.errors import TargetMismatch
from updog.pipeline.lz4frame import MAGIC
from updog.stream import decompress

_NO_LIMIT = 1 << 62


def raw(source: Path) -> Iterator[bytes]:
    """The raw bytes of an image file, decoded where it is compressed.

    Raises:
        ImageError: not a plain file, unreadable, or an LZ4 frame that is cut, damaged or followed
            by anything else.
    """
    chunks = _chunks(source)
    first = next(chunks, b"")
    if not first.startswith(MAGIC):
        yield first
        yield from chunks
        return
    try:
        yield from decompress(_again(first, chunks), _NO_LIMIT, str(source))
    except TargetMismatch as error:
        raise ImageError(str(error), hint="Compress the image again with: lz4 -9") from error


def became(source: Path, built: Built) -> bool:
    """Tell whether building ``source`` would give what was built before; cheap where it would not.

    Of raw files that is a question of the image; a file that is compressed already is published as
    it is, so it must be the same file.
    """
    packed = source.suffix == SUFFIX
    length = built.length if packed else built.raw_length
    if not source.is_file() or source.stat().st_size != length:
        return False
    with source.open("rb") as file:
        digest = file_digest(file, "sha256").hexdigest()
    return digest == (built.sha256 if packed else built.raw_sha256)


def _chunks(source: Path) -> Iterator[bytes]:
    if not source.is_file():
        raise ImageError(f"The image {source} is not there, or is not a plain file.")
    try:
        with source.open("rb") as file:
            while chunk := file.read(BLOCK):
                yield chunk
    except OSError as error:
        raise ImageError(f"The image {source} cannot be read: {error.strerror}.") from error


def _again(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield from rest
