"""How the images of a release are packed: one LZ4 frame for every client, or zstd for ours.

LZ4 is what upstream's client reads. zstd is smaller, and its frames are cut for sparse downloads,
but only a client with the pipeline can decode it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from repo_tools import blockmaps, imagebuild
from repo_tools.errors import ImageError
from repo_tools.imagebuild import Built
from updog.blockmap import BlockMap
from updog.errors import UsageError
from updog.pipeline.formats import Format, detect
from updog.stream import Tally

FORMATS = {Format.LZ4: imagebuild.SUFFIX, Format.ZSTD: ".zst"}
"""What can be published, and how its names end."""


@dataclass(frozen=True, slots=True)
class Packing:
    """How to pack raw images.

    Attributes:
        format: one of `FORMATS`.
        bases: for each image, earlier raw images that clients have; zstd frames are cut so that
            these clients fetch hardly a byte in vain.
    """

    format: Format = Format.LZ4
    bases: Mapping[Path, Sequence[Path]] = field(default_factory=dict)


LZ4 = Packing()


def target_name(source: Path, wanted: Format) -> str:
    """The name under which an image is published.

    Raises:
        UsageError: it is packed already, and not in that way.
    """
    if wanted is Format.LZ4:
        return imagebuild.target_name(source)
    if source.suffix in FORMATS.values():
        raise UsageError(
            f"{source} is packed already; {wanted.value} images are made from raw ones.",
            hint=f"Give the raw image, or leave --format {wanted.value} out.",
        )
    return source.name + FORMATS[wanted]


def pack(source: Path, sink: BinaryIO, packing: Packing) -> tuple[Built, BlockMap | None]:
    """Write what is to be published for an image, and its map where that is a by-product.

    Raises:
        ImageError: the image is missing, empty or packed already, or not what its name says.
        OSError: a file cannot be read or written.
    """
    if packing.format is Format.LZ4:
        return imagebuild.build(source, sink), None
    if not source.is_file():
        raise ImageError(f"The image {source} is not there, or is not a plain file.")
    raw = _looked_at(source)
    made = _pack_zstd(source, sink, packing.bases.get(source, ()))
    whole = made.whole
    if whole.raw_sha256.hex() != raw.hex():
        raise ImageError(f"The image {source} was changed while it was packed.")
    built = Built(
        whole.packed_length,
        whole.packed_sha256.hex(),
        whole.raw_length,
        raw.hex(),
        whole.raw_blake3.hex(),
        Format.ZSTD.value,
    )
    return built, made


def _looked_at(source: Path) -> Tally:
    raw = Tally()
    with source.open("rb") as file:
        while chunk := file.read(imagebuild.BLOCK):
            if not raw.length and detect(chunk) is not Format.NONE:
                raise ImageError(
                    f"{source} is packed already: {detect(chunk).value}.",
                    hint="Give the raw image.",
                )
            raw.add(chunk)
    return raw


def _pack_zstd(source: Path, sink: BinaryIO, bases: Sequence[Path]) -> BlockMap:
    try:
        return blockmaps.pack_zstd(source, sink, bases=bases)
    except ImageError:
        if not bases:
            raise
    # What is new is too scattered for frames that follow it: frames of one length always fit.
    sink.seek(0)
    sink.truncate()
    return blockmaps.pack_zstd(source, sink)
