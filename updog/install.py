"""Putting an update onto the inactive partition set, in the order that keeps a machine bootable.

`stage` is that order. Every other function here is one step of it; none of them decides. Devices
and boot bits are reached only through what the caller hands in: a test can record each write.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain

from partitions.blockio import Access, DeviceOpener, Extent
from partitions.bootcontrol import BootControl
from partitions.bootstatus import SetExtents
from updog.beside import NO_LEDGER, Beside, Ledger
from updog.blockmap import BlockMap
from updog.errors import CutShort, TargetMismatch, UnconfirmedBoot
from updog.moving import UNWATCHED, Watch
from updog.pipeline.delta import Delta
from updog.pipeline.engine import Offer
from updog.pipeline.facts import Signed
from updog.pipeline.formats import Format
from updog.pipeline.ranges import Range
from updog.pipeline.source import RangeSource
from updog.stream import PIECE
from updog.writing import Receipt, write

__all__ = [
    "Image",
    "ImageSet",
    "Receipt",
    "activate",
    "begin",
    "refuse_misfits",
    "refuse_unconfirmed",
    "revert",
    "rollback",
    "stage",
    "write",
]

_PROBE = 16


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
            self.name, self.length, self.hashes, self.raw_length, self.raw_sha256, self.format
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
    offers = begin([image for image, _ in placed])
    refuse_longer(offers, sizes)
    # From here on only the running set can boot: a half-written one must never be a candidate.
    control.clear_inactive(force=force)
    ledger.cleared()
    beside = Beside.of(control.active_set(), ledger)
    # Each image is compared, flushed and read back before the next one begins.
    receipts = tuple(
        write(offer, place, open_device, watch, base)
        for offer, (_, place), base in zip(offers, placed, beside, strict=True)
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
        TargetMismatch: an image is larger than its partition.
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
            raise _misfit(image.name, size)
    return tuple(sizes)


def refuse_longer(offers: Iterable[Offer], sizes: Iterable[int]) -> None:
    """Refuse images that their maps show to be longer than their partitions.

    Raises:
        TargetMismatch: one is.
    """
    for offer, size in zip(offers, sizes, strict=True):
        if offer.blockmap is not None and offer.blockmap.whole.raw_length > size:
            raise _misfit(offer.signed.name, size)


def _misfit(name: str, size: int) -> TargetMismatch:
    return TargetMismatch(
        f"{name} does not fit: its partition has {size} bytes.",
        hint="Nothing was changed. This update needs a disk with larger partitions.",
    )


def begin(images: Sequence[Image]) -> tuple[Offer, ...]:
    """Let every image arrive far enough to know that there is one; keep the first one's transfer.

    The others are begun again when their turn comes: a server would not hold their connections
    open for as long as the images before them take.

    Raises:
        TargetMismatch: an image is empty.
        UpdogError: one cannot be fetched.
    """
    first, *later = (image.offer() for image in images)
    for offer in later:
        _probe(offer)
    # Last, so that nothing makes this transfer wait.
    if offer_in_parts(first):
        _probe(first)
        return (first, *later)
    return (replace(first, receive=_Begun(first)), *later)


def offer_in_parts(offer: Offer) -> bool:
    """Whether the image can be fetched in parts, in any order."""
    return offer.blockmap is not None and offer.source is not None


def _probe(offer: Offer) -> None:
    """See that the repository really has a file, without moving more of it than that takes."""
    if not offer_in_parts(offer) or offer.source is None:
        transfer = _through(offer.receive())
        _first(transfer, offer.signed.name)
        transfer.close()
        return
    start = Range(0, min(_PROBE, offer.signed.packed_length))
    try:
        next(iter(offer.source.fetch((start,))), None)
    except CutShort:
        # The server knows no ranges, or broke off; both times the file is there.
        return


class _Begun:
    """A transfer under way, for whoever asks first; who asks again gets a new one."""

    def __init__(self, offer: Offer) -> None:
        self._again = offer.receive
        transfer = _through(offer.receive())
        head = _first(transfer, offer.signed.name)
        self._first: Iterable[bytes] | None = chain((head,), transfer)

    def __call__(self) -> Iterable[bytes]:
        begun, self._first = self._first, None
        return self._again() if begun is None else begun


def _through(chunks: Iterable[bytes]) -> Generator[bytes, None, None]:
    """The same chunks, in a form that can be closed."""
    yield from chunks


def _first(chunks: Iterator[bytes], name: str) -> bytes:
    head = next(chunks, None)
    if head is None:
        raise TargetMismatch(f"{name} holds no data at all.")
    return head


def activate(control: BootControl) -> None:
    """Let the bootloader choose the staged set; one write of the boot bits."""
    control.activate()


def revert(control: BootControl) -> None:
    """Take an activation back; the staged set stays valid."""
    control.cancel()


def rollback(control: BootControl) -> None:
    """Let the bootloader choose the other set, which has booted before (formats 16, D9)."""
    control.rollback()
