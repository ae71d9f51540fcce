"""A disk image that already runs a release: upstream's partition plan, set A written and confirmed.

For trying things out, for virtual machines, and for the first flash of a device. Needs the extra
``images`` (pyparted), because geometry and alignment are libparted's business.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from partitions import image, plan
from partitions.blockio import Access, BlockIO, Extent
from partitions.bootcontrol import GptBootControl
from partitions.device import open_device
from partitions.layout import Slot
from partitions.sysfs import from_image

MIB = 1 << 20
PIECE = MIB


@dataclass(frozen=True, slots=True)
class FirstImages:
    """The raw images of the release that the disk starts with."""

    boot: Path
    root: Path
    hash: Path


def create(path: Path, images: FirstImages) -> None:
    """Make a sparse disk image with both sets, the first one written, bootable and confirmed.

    Partitions get a quarter more than the images need, rounded up to MiB, so that later releases
    have room to grow.

    Args:
        path: the disk image; it must not exist.
        images: what set A holds.

    Raises:
        PartitionError: the file exists, or cannot be written.
        OSError: an image cannot be read.
    """
    sizes = plan.plan_for(
        root_mib=_room(images.root), hash_mib=_room(images.hash), boot_mib=_room(images.boot)
    )
    image.create_image(path, sizes)
    active = GptBootControl(from_image(path, Slot.A)).active_set()
    for source, place in (
        (images.root, active.root),
        (images.boot, active.boot),
        (images.hash, active.hash),
    ):
        _write(source, place)


def _room(source: Path) -> int:
    return -(-source.stat().st_size * 5 // (4 * MIB)) + 1


def _write(source: Path, place: Extent) -> None:
    with source.open("rb") as file, open_device(place, Access.WRITE) as target:
        offset = 0
        while piece := file.read(PIECE):
            _write_piece(target, offset, piece)
            offset += len(piece)
        target.flush()


def _write_piece(target: BlockIO, offset: int, piece: bytes) -> None:
    # A hole in the sparse file reads as zeros already.
    if piece.count(0) != len(piece):
        target.pwrite(offset, piece)
