"""A disk image that already runs a release: set A written and confirmed, set B empty.

For trying things out, for virtual machines, and for the first flash of a device. Needs the extra
``images`` (pyparted), because geometry and alignment are libparted's business.

The order is that of an update. Set A cannot boot until all three of its images are on the disk;
its boot bits are the last write. A disk image that was interrupted, and left behind by a kill that
nothing can catch, is therefore one that no bootloader would take.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from partitions import image, plan
from partitions.blockio import Access, BlockIO, DeviceOpener, Extent
from partitions.bootcontrol import GptBootControl
from partitions.device import open_device
from partitions.disk import read_table, write_table
from partitions.guid import PartitionType
from partitions.layout import Slot, with_active
from partitions.plan import PlannedPartition
from partitions.sysfs import from_image
from repo_tools.errors import ImageError
from updog.durable import sync_folder

MIB = 1 << 20
PIECE = MIB

_COMPRESSED = {
    b"\x04\x22\x4d\x18": "LZ4",
    b"\x02\x21\x4c\x18": "LZ4",
    b"\x28\xb5\x2f\xfd": "Zstandard",
    b"\x1f\x8b": "gzip",
    b"\xfd7zXZ\x00": "xz",
}


@dataclass(frozen=True, slots=True)
class FirstImages:
    """The raw images of the release that the disk starts with."""

    boot: Path
    root: Path
    hash: Path

    def __iter__(self) -> Iterator[tuple[PartitionType, Path]]:
        """Each with the type of its partition, in the order in which they are written."""
        yield PartitionType.ROOT, self.root
        yield PartitionType.BOOT, self.boot
        yield PartitionType.HASH, self.hash


def create(
    path: Path,
    images: FirstImages,
    *,
    os_image_gib: int | None = None,
    opener: DeviceOpener = open_device,
) -> None:
    """Make a sparse disk image with both sets, the first one written, bootable and confirmed.

    Without ``os_image_gib`` the disk has upstream's 13 partitions in upstream's order, but not
    their sizes (``partitions.plan.plan_for``): boot, root and hash get a quarter more than the
    images need, rounded up to MiB, so that later releases have room to grow, and everything else
    gets 1 MiB. With it the disk is exactly upstream's (``partitions.plan.plan``).

    Args:
        path: the disk image; it must not exist.
        images: what set A holds.
        os_image_gib: size of upstream's disk without data in GiB, 2 or 4 as a rule.
        opener: opens the disk image.

    Raises:
        ImageError: an image is missing, no plain file, empty, compressed, or larger than its
            partition; no file was made.
        PartitionError: the file exists, or cannot be written; no new file is left behind.
        OSError: an image cannot be read; no new file is left behind.
        ValueError: ``os_image_gib`` is below 1.
    """
    planned = _planned(images, os_image_gib)
    image.create_image(path, [replace(each, attributes=0) for each in planned])
    try:
        _fill(path, images, opener)
        sync_folder(path.parent)
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def rehearsal(
    path: Path, images: FirstImages, *, os_image_gib: int | None = None
) -> tuple[str, ...]:
    """What `create` would do, a line each, once it is known that nothing speaks against it.

    Raises:
        ImageError: as `create`.
        PartitionError: the file exists, its folder does not, or pyparted is not installed.
    """
    planned = _planned(images, os_image_gib)
    image.check_creatable(path)
    size = plan.disk_size(planned) // MIB
    written = (
        f"Would write {source} ({source.stat().st_size} bytes) to {_place(kind, planned)}"
        for kind, source in images
    )
    return (f"Would make {path} ({size} MiB, sparse, {len(planned)} partitions)", *written)


def _place(kind: PartitionType, planned: Sequence[PlannedPartition]) -> str:
    """The partition of set A of a kind: the first one."""
    found = next(each for each in planned if each.kind is kind)
    return f"partition {found.number} {found.label} ({found.size_mib} MiB)"


def _planned(images: FirstImages, os_image_gib: int | None) -> Sequence[PlannedPartition]:
    for _, source in images:
        _check(source)
    planned = _fitting(images) if os_image_gib is None else plan.plan(os_image_gib)
    _check_room(images, planned)
    return planned


def _check(source: Path) -> None:
    if not source.is_file():
        raise ImageError(f"The image {source} is not there, or is not a plain file.")
    with source.open("rb") as file:
        start = file.read(max(map(len, _COMPRESSED)))
    if not start:
        raise ImageError(f"The image {source} is empty.")
    for magic, name in _COMPRESSED.items():
        if start.startswith(magic):
            raise ImageError(
                f"The image {source} is compressed ({name}); a partition needs the raw image.",
                hint="Decompress it first, then give the raw file.",
            )


def _fitting(images: FirstImages) -> Sequence[PlannedPartition]:
    return plan.plan_for(
        root_mib=_room(images.root), hash_mib=_room(images.hash), boot_mib=_room(images.boot)
    )


def _room(source: Path) -> int:
    return -(-source.stat().st_size * 5 // (4 * MIB)) + 1


def _check_room(images: FirstImages, planned: Sequence[PlannedPartition]) -> None:
    for kind, source in images:
        there = next(each.size_mib for each in planned if each.kind is kind)
        if source.stat().st_size > there * MIB:
            raise ImageError(
                f"The image {source} has {source.stat().st_size} bytes, its partition {there} MiB.",
                hint="Make a larger disk with --os-image-gib.",
            )


def _fill(path: Path, images: FirstImages, opener: DeviceOpener) -> None:
    place = GptBootControl(from_image(path, Slot.A), opener).active_set()
    places = {
        PartitionType.ROOT: place.root,
        PartitionType.BOOT: place.boot,
        PartitionType.HASH: place.hash,
    }
    for kind, source in images:
        _write(source, places[kind], opener)
    _prove(path, opener)


def _write(source: Path, place: Extent, opener: DeviceOpener) -> None:
    with source.open("rb") as file, opener(place, Access.WRITE) as target:
        offset = 0
        while piece := file.read(PIECE):
            _write_piece(target, offset, piece)
            offset += len(piece)
        target.flush()


def _write_piece(target: BlockIO, offset: int, piece: bytes) -> None:
    # A hole in the sparse file reads as zeros already.
    if piece.count(0) != len(piece):
        target.pwrite(offset, piece)


def _prove(path: Path, opener: DeviceOpener) -> None:
    """Make set A bootable and confirmed, now that everything it needs is durable."""
    with opener(Extent(path), Access.WRITE_SHARED) as disk:
        table = read_table(disk).table
        boot = with_active(table, Slot.A).active_set.boot
        write_table(disk, table.with_entry_attributes(boot, plan.PROVEN))
