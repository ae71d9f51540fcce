"""Putting an update onto the inactive partition set, in the order that keeps a machine bootable.

`stage` is that order. Every other function here is one step of it; none of them decides. Devices
and boot bits are reached only through what the caller hands in: a test can record each write.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import TypeAlias

from partitions.blockio import Access, BlockIO, DeviceOpener, Extent
from partitions.bootcontrol import BootControl
from partitions.bootstatus import SetExtents
from partitions.errors import DeviceError
from updog.errors import TargetMismatch, UnconfirmedBoot
from updog.stream import PIECE, Tally, algorithms_in, cap, decompress, moved

Progress: TypeAlias = Callable[[str, int, int], None]
"""Told which target moves, how many of its compressed bytes are done, and how many there are."""

ZEROS = bytes(PIECE)


def silent(_name: str, _done: int, _total: int) -> None:
    """A `Progress` that nobody watches."""


def untold() -> None:
    """Nobody wants to know that the inactive set is cleared."""


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
    """

    name: str
    length: int
    hashes: Mapping[str, str]
    open: Callable[[], Iterable[bytes]] = field(repr=False)
    raw_length: int | None = None
    raw_sha256: str | None = None


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


@dataclass(frozen=True, slots=True)
class Receipt:
    """Proof of one written image.

    Attributes:
        target: name of the target.
        device: partition it was written to.
        bytes: decompressed length.
        written: SHA-256 of what was decompressed and written.
        read_back: SHA-256 of what the medium gave back.
    """

    target: str
    device: str
    bytes: int
    written: str
    read_back: str


def stage(
    images: ImageSet,
    control: BootControl,
    open_device: DeviceOpener,
    *,
    tries: int,
    force: bool = False,
    progress: Progress = silent,
    cleared: Callable[[], None] = untold,
) -> tuple[Receipt, ...]:
    """Write an update to the inactive set and mark it valid; the bootloader does not choose it yet.

    Raises:
        UpdogError: the boot is not confirmed, or an image is missing, wrong or too large.
        PartitionError: the disk failed or refused.
    """
    placed = images.placed(control.inactive_set())
    # Whatever can fail without a write fails here, while the old set can still be fallen back to.
    refuse_unconfirmed(control, force=force)
    refuse_misfits(placed, open_device)
    placed = begin(placed)
    # From here on only the running set can boot: a half-written one must never be a candidate.
    control.clear_inactive(force=force)
    cleared()
    # Each image is compared, flushed and read back before the next one begins.
    receipts = tuple(write(image, place, open_device, progress) for image, place in placed)
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


def refuse_misfits(placed: Iterable[tuple[Image, Extent]], open_device: DeviceOpener) -> None:
    """Refuse images that cannot fit their partitions, before anything is written.

    Raises:
        TargetMismatch: an image is larger than its partition.
        PartitionError: a partition is missing, busy, read-only, or cannot be opened.
    """
    for image, place in placed:
        # For writing, although nothing is written: a busy or read-only partition shows here too.
        with open_device(place, Access.WRITE) as device:
            size = device.size
        # Where no raw length is signed: LZ4 never shrinks below what it takes to store bytes as
        # they are, so a target this much larger than its place decodes to more than the place.
        least = image.length - image.length // 64 - PIECE
        if (image.raw_length if image.raw_length is not None else least) > size:
            raise TargetMismatch(
                f"{image.name} does not fit: {place} has {size} bytes.",
                hint="Nothing was changed. This update needs a disk with larger partitions.",
            )


def begin(placed: Sequence[tuple[Image, Extent]]) -> tuple[tuple[Image, Extent], ...]:
    """Let every image arrive far enough to know that there is one; keep the first one's transfer.

    The others are begun again when their turn comes: a server would not hold their connections
    open for as long as the images before them take.

    Raises:
        TargetMismatch: an image is empty.
        UpdogError: one cannot be fetched.
    """
    (first, place), *later = placed
    for image, _ in later:
        others = _through(image.open())
        _first(others, image)
        others.close()
    # Last, so that nothing makes this transfer wait.
    transfer = _through(first.open())
    head = _first(transfer, first)
    return ((replace(first, open=lambda: chain((head,), transfer)), place), *later)


def _through(chunks: Iterable[bytes]) -> Generator[bytes, None, None]:
    """The same chunks, in a form that can be closed."""
    yield from chunks


def _first(chunks: Iterator[bytes], image: Image) -> bytes:
    head = next(chunks, None)
    if head is None:
        raise TargetMismatch(f"{image.name} holds no data at all.")
    return head


def write(image: Image, place: Extent, open_device: DeviceOpener, progress: Progress) -> Receipt:
    """Write one image to its partition and prove that it is there (formats 8, D6).

    Raises:
        TargetMismatch: length, hash or LZ4 frame are not what was signed.
        DeviceError: the partition failed, or gave back other bytes than were written.
    """
    with open_device(place, Access.WRITE) as device:
        written = _transfer(image, device, progress)
        _clear_tail(device, written.length)
        # Before reading back: what is still in the cache would prove nothing about the medium.
        device.flush()
        read_back = _read_back(device, written.length)
    if read_back.hex() != written.hex():
        raise DeviceError(
            f"{place} gave back other bytes than were written for {image.name}:"
            " the medium is failing, and the set stays unbootable."
        )
    return Receipt(image.name, str(place), written.length, written.hex(), read_back.hex())


def _transfer(image: Image, device: BlockIO, progress: Progress) -> Tally:
    """Stream an image onto its partition; return the tally of what was written, compared."""
    arrived = Tally(algorithms_in(image.hashes, image.name))
    written = Tally()
    chunks = arrived.through(cap(image.open(), image.length, image.name))
    chunks = moved(chunks, lambda done: progress(image.name, done, image.length))
    for piece in written.through(decompress(chunks, device.size, image.name)):
        device.pwrite(written.length - len(piece), piece)
    arrived.check(image.name, image.length, image.hashes)
    _check_raw(image, written)
    return written


def _check_raw(image: Image, written: Tally) -> None:
    """Compare the decompressed bytes with what was signed about them, if anything was."""
    if not written.length:
        raise TargetMismatch(f"{image.name} holds no data at all.")
    if image.raw_length is not None and written.length != image.raw_length:
        raise TargetMismatch(
            f"{image.name} decodes to {written.length} bytes, but {image.raw_length} were signed."
        )
    if image.raw_sha256 is not None and written.hex() != image.raw_sha256:
        raise TargetMismatch(f"{image.name}: the sha256 after decoding is not the signed one.")


def _clear_tail(device: BlockIO, start: int) -> None:
    """Zero what a longer, older image left behind; what is zero already is not written again."""
    for offset, length in _pieces(start, device.size):
        if device.pread(offset, length) != ZEROS[:length]:
            device.pwrite(offset, ZEROS[:length])


def _read_back(device: BlockIO, length: int) -> Tally:
    """Digest the first `length` bytes as the medium has them, past the page cache."""
    tally = Tally()
    for offset, size in _pieces(0, length):
        tally.add(device.reread(offset, size))
    return tally


def _pieces(start: int, end: int) -> Iterator[tuple[int, int]]:
    """Cut ``start..end`` at multiples of `PIECE`, into offsets and lengths."""
    while start < end:
        length = min(PIECE - start % PIECE, end - start)
        yield start, length
        start += length


def activate(control: BootControl) -> None:
    """Let the bootloader choose the staged set; one write of the boot bits."""
    control.activate()


def revert(control: BootControl) -> None:
    """Take an activation back; the staged set stays valid."""
    control.cancel()


def rollback(control: BootControl) -> None:
    """Let the bootloader choose the other set, which has booted before (formats 16, D9)."""
    control.rollback()
