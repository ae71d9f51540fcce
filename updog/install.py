"""Putting an update onto the inactive partition set, in the order that keeps a machine bootable.

`stage` is that order. Every other function here is one step of it; none of them decides. Devices
and boot bits are reached only through what the caller hands in: a test can record each write.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from partitions.blockio import Access, DeviceOpener, Extent
from partitions.bootcontrol import BootControl
from partitions.bootstatus import SetExtents
from updog.arriving import begin, misfit
from updog.beside import NO_LEDGER, Beside, Ledger
from updog.blockmap import BlockMap
from updog.errors import UnconfirmedBoot
from updog.moving import UNWATCHED, Watch
from updog.pipeline.delta import Delta
from updog.pipeline.engine import Offer
from updog.pipeline.facts import Signed
from updog.pipeline.formats import Format
from updog.pipeline.source import RangeSource
from updog.stream import PIECE
from updog.writing import Receipt, write

__all__ = [
    "Image",
    "ImageSet",
    "Receipt",
    "activate",
    "refuse_misfits",
    "refuse_unconfirmed",
    "revert",
    "rollback",
    "stage",
    "write",
]


def nothing() -> None:
    """There is none."""


@dataclass(frozen=True, slots=True)
class Image:
    """One image of an update, as signed, and how to get its bytes.

    Attributes:
        name: the target's name.
        length: bytes of the compressed target.
        hashes: hex digests of the compressed target, by algorithm.
        open: starts the transfer; the chunks are not to be trusted.
        raw_length: bytes after decompression, where the repository signed that too.
        raw_sha256: hex digest after decompression, where the repository signed that too.
        raw_blake3: the same by BLAKE3.
        format: how it is packed, where the repository signed that too.
        source: the target in ranges, where the way to the repository knows ranges.
        blockmap: fetches its map, where there is one.
        delta: finds what leads here from the running set, where the repository has that.
    """

    name: str
    length: int
    hashes: Mapping[str, str]
    open: Callable[[], Iterable[bytes]] = field(repr=False)
    raw_length: int | None = None
    raw_sha256: str | None = None
    raw_blake3: str | None = None
    format: Format | None = None
    source: Callable[[], RangeSource | None] = field(default=nothing, repr=False)
    blockmap: Callable[[], BlockMap | None] = field(default=nothing, repr=False)
    delta: Callable[[], Delta | None] = field(default=nothing, repr=False)

    def offer(self) -> Offer:
        """What there is of it; this fetches its map.

        Raises:
            UpdogError: the map cannot be believed, or the metadata has expired.
        """
        signed = Signed(
            self.name,
            self.length,
            self.hashes,
            self.raw_length,
            self.raw_sha256,
            self.raw_blake3,
            self.format,
        )
        return Offer(signed, self.open, self.source(), self.blockmap(), self.delta())


@dataclass(frozen=True, slots=True)
class ImageSet:
    """The three images of an update, each bound to its role by the signed manifest."""

    boot: Image
    root: Image
    hash: Image

    def placed(self, extents: SetExtents) -> tuple[tuple[Image, Extent], ...]:
        """Each image with its partition, in the order of writing (formats 5.5, step 9)."""
        return (
            (self.root, extents.root),
            (self.boot, extents.boot),
            (self.hash, extents.hash),
        )


def stage(
    images: ImageSet,
    control: BootControl,
    open_device: DeviceOpener,
    *,
    tries: int,
    force: bool = False,
    watch: Watch = UNWATCHED,
    ledger: Ledger = NO_LEDGER,
) -> tuple[Receipt, ...]:
    """Write an update to the inactive set and mark it valid; the bootloader does not choose it yet.

    Raises:
        UpdogError: the boot is not confirmed, or an image is missing, wrong or too large.
        PartitionError: the disk failed or refused.
    """
    placed = images.placed(control.inactive_set())
    # Whatever can fail without a write fails here, while the old set can still be fallen back to.
    refuse_unconfirmed(control, force=force)
    sizes = refuse_misfits(placed, open_device)
    offers = [image.offer() for image, _ in placed]
    refuse_longer(offers, sizes)
    begun = begin(offers, sizes)
    # From here on only the running set can boot: a half-written one must never be a candidate.
    control.clear_inactive(force=force)
    ledger.cleared()
    beside = Beside.of(control.active_set(), ledger)
    # Each image is compared, flushed and read back before the next one begins.
    receipts = tuple(
        write(offer, place, open_device, watch, base)
        for offer, (_, place), base in zip(begun, placed, beside, strict=True)
    )
    # All three are on the medium and proven: only now may the set be a candidate again.
    control.mark_inactive_valid(tries)
    return receipts


def refuse_unconfirmed(control: BootControl, *, force: bool) -> None:
    """Refuse to overwrite the other set while the running one is not proven (formats 5.5, D8).

    Raises:
        UnconfirmedBoot: the running boot is not marked successful, and `force` is not given.
    """
    status = control.status()
    if status.confirmed or force:
        return
    raise UnconfirmedBoot(
        f"Set {status.active} runs and is not marked successful yet; nothing proven would remain.",
        hint="Run 'updog mark-successful' when the system is healthy, or give --force.",
    )


def refuse_misfits(
    placed: Iterable[tuple[Image, Extent]], open_device: DeviceOpener
) -> tuple[int, ...]:
    """Refuse images that cannot fit their partitions, before anything is written.

    Returns:
        Bytes of each partition.

    Raises:
        DataError: an image is larger than its partition.
        PartitionError: a partition is missing, busy, read-only, or cannot be opened.
    """
    sizes = []
    for image, place in placed:
        # For writing, although nothing is written: a busy or read-only partition shows here too.
        with open_device(place, Access.WRITE) as device:
            size = device.size
        sizes.append(size)
        # Where no raw length is signed: LZ4 never shrinks below what it takes to store bytes as
        # they are, so a target this much larger than its place decodes to more than the place.
        least = image.length - image.length // 64 - PIECE
        if (image.raw_length if image.raw_length is not None else least) > size:
            raise misfit(image.name, size)
    return tuple(sizes)


def refuse_longer(offers: Iterable[Offer], sizes: Iterable[int]) -> None:
    """Refuse images that their maps show to be longer than their partitions.

    Raises:
        DataError: one is.
    """
    for offer, size in zip(offers, sizes, strict=True):
        if offer.blockmap is not None and offer.blockmap.whole.raw_length > size:
            raise misfit(offer.signed.name, size)


def activate(control: BootControl) -> None:
    """Let the bootloader choose the staged set; one write of the boot bits."""
    control.activate()


def revert(control: BootControl) -> None:
    """Take an activation back; the staged set stays valid."""
    control.cancel()


def rollback(control: BootControl) -> None:
    """Let the bootloader choose the other set, which has booted before (formats 16, D9)."""
    control.rollback()
