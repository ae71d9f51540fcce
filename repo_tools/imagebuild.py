"""Image files to what is published: exactly one LZ4 frame each, with its length and hashes.

A raw image is compressed nearly as upstream does it (formats 11.2): level 9, independent blocks of
256 KiB, a checksum over the content, no content size; FLG 0x64, BD 0x50. A file
that ends in ``.lz4`` is taken as it is, after the client's own decoder has read it to its end.
Either way the bytes flow through once, in memory of a few blocks.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from lz4 import frame

from repo_tools.errors import ImageError
from updog.digests import BLAKE3, IMAGE, SHA256
from updog.errors import TargetMismatch
from updog.pipeline.formats import Format
from updog.stream import Tally, decompress

SUFFIX = ".lz4"
BLOCK = 4 << 20
LEVEL = 9
_MAGIC = b"\x04\x22\x4d\x18"
# The client limits the decoder by the size of its partition, which is not known here.
_NO_LIMIT = 1 << 62


@dataclass(frozen=True, slots=True)
class Built:
    """What became of one file.

    Attributes:
        length: bytes of the compressed file.
        sha256: of the compressed file, hexadecimal.
        raw_length: bytes of the image itself.
        raw_sha256: of the image itself, hexadecimal.
        raw_blake3: the same by BLAKE3.
        format: of the compressed file, as `Format` has it.
    """

    length: int
    sha256: str
    raw_length: int
    raw_sha256: str
    raw_blake3: str
    format: str = Format.LZ4.value


def target_name(source: Path) -> str:
    """The name under which a file is published: its own, with ``.lz4`` added where missing."""
    return source.name if source.suffix == SUFFIX else source.name + SUFFIX


def build(source: Path, sink: BinaryIO) -> Built:
    """Write what is to be published for ``source`` into ``sink``.

    Raises:
        ImageError: missing, not a plain file, empty, or (``.lz4``) not exactly one sound frame.
        OSError: ``sink`` cannot be written.
    """
    if not source.is_file():
        raise ImageError(f"The image {source} is not there, or is not a plain file.")
    chunks = _read(source)
    built = _adopt(chunks, sink, source) if source.suffix == SUFFIX else _compress(chunks, sink)
    if built.raw_length == 0:
        raise ImageError(f"The image {source} is empty.")
    return built


def _read(source: Path) -> Iterator[bytes]:
    """The bytes of a file in blocks; the first one says whether it is what its name says."""
    try:
        with source.open("rb") as file:
            block = file.read(BLOCK)
            _check_name(source, block)
            while block:
                yield block
                block = file.read(BLOCK)
    except OSError as error:
        raise ImageError(f"The image {source} cannot be read: {error.strerror}.") from error


def _check_name(source: Path, start: bytes) -> None:
    framed = start.startswith(_MAGIC)
    if framed and source.suffix != SUFFIX:
        raise ImageError(
            f"{source} is an LZ4 file although its name does not end in {SUFFIX}.",
            hint=f"Rename it to {source.name}{SUFFIX}, or give the raw image.",
        )
    if not framed and source.suffix == SUFFIX:
        raise ImageError(
            f"{source} is not in LZ4's frame format although its name ends in {SUFFIX}.",
            hint="Give the raw image, or compress it with: lz4 -9",
        )


def _compress(chunks: Iterable[bytes], sink: BinaryIO) -> Built:
    raw, packed = Tally(IMAGE), Tally()
    sink.writelines(packed.through(_frame(raw.through(chunks))))
    return _built(packed, raw)


def _frame(chunks: Iterable[bytes]) -> Iterator[bytes]:
    encoder = frame.LZ4FrameCompressor(
        # Small enough that a client which lacks a little fetches little, and that a run which is
        # cut short loses little; large enough to be decoded at full speed.
        block_size=frame.BLOCKSIZE_MAX256KB,
        block_linked=False,
        compression_level=LEVEL,
        content_checksum=True,
    )
    yield encoder.begin()
    for chunk in chunks:
        yield encoder.compress(chunk)
    yield encoder.flush()


def _adopt(chunks: Iterable[bytes], sink: BinaryIO, source: Path) -> Built:
    raw, packed = Tally(IMAGE), Tally()
    try:
        for piece in decompress(_copied(packed.through(chunks), sink), _NO_LIMIT, str(source)):
            raw.add(piece)
    except TargetMismatch as error:
        raise ImageError(str(error), hint="Compress the image again with: lz4 -9") from error
    return _built(packed, raw)


def _copied(chunks: Iterable[bytes], sink: BinaryIO) -> Iterator[bytes]:
    for chunk in chunks:
        sink.write(chunk)
        yield chunk


def _built(packed: Tally, raw: Tally) -> Built:
    return Built(packed.length, packed.hex(), raw.length, raw.hex(SHA256), raw.hex(BLAKE3))
