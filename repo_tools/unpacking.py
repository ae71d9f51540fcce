"""Published or given image files as raw ones on disk, for what has to look at any place in them."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import zstandard

from partitions.verity import BLOCK as HASH_BLOCK
from partitions.verity import VerityError, read_root_hash
from repo_tools import imagefile, storage
from repo_tools.errors import ImageError
from repo_tools.imagebuild import BLOCK, Built
from updog.pipeline.formats import LONGEST_MAGIC, Format, detect
from updog.stream import Tally

_WINDOW = 8 << 20
"""The largest zstd window that a client accepts."""


@dataclass(frozen=True, slots=True)
class Raw:
    """A raw image.

    Attributes:
        path: a file that is gone when the work is done.
        length: bytes.
        sha256: hexadecimal.
        root_hash: the dm-verity root hash that it stands for; empty unless it is a hash image.
    """

    path: Path
    length: int
    sha256: str
    root_hash: str


@contextmanager
def unpacked(source: Path, folder: Path, expected: Built | None = None) -> Iterator[Raw]:
    """Decode an image file into a temporary one for the length of the block.

    Args:
        source: raw, LZ4 or zstd, told by its first bytes.
        folder: where there is room for the raw image.
        expected: what was noted about it.

    Raises:
        ImageError: it cannot be read or decoded, or is not what was noted.
        OSError: ``folder`` cannot be written.
    """
    with tempfile.NamedTemporaryFile(dir=folder, prefix=".tmp-") as file:
        raw = Tally()
        with storage.naming(Path(file.name)):
            file.writelines(raw.through(_raw(source)))
            file.flush()
        if expected is not None and raw.hex() != expected.raw_sha256:
            raise ImageError(
                f"{source} was changed after it had been added.",
                hint="Remove the update from the draft and add it again from its images.",
            )
        yield Raw(Path(file.name), raw.length, raw.hex(), _root_hash(Path(file.name)))


def _root_hash(image: Path) -> str:
    with image.open("rb") as file:
        start = file.read(2 * HASH_BLOCK)
    try:
        return read_root_hash(start)
    except VerityError:
        return ""


def _raw(source: Path) -> Iterator[bytes]:
    if not source.is_file():
        raise ImageError(f"The image {source} is not there, or is not a plain file.")
    with source.open("rb") as file:
        found = detect(file.read(LONGEST_MAGIC))
    if found in {Format.LZ4, Format.NONE}:
        return imagefile.raw(source)
    if found is Format.ZSTD:
        return _from_zstd(source)
    raise ImageError(f"The image {source} is packed as {found.value}, which is never published.")


def _from_zstd(source: Path) -> Iterator[bytes]:
    decoder = zstandard.ZstdDecompressor(max_window_size=_WINDOW)
    try:
        with (
            source.open("rb") as file,
            decoder.stream_reader(file, read_across_frames=True) as reader,
        ):
            while chunk := reader.read(BLOCK):
                yield chunk
    except zstandard.ZstdError as error:
        raise ImageError(f"{source} is not a sound zstd file: {error}.") from error
