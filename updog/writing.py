"""One image onto its partition, by the cheapest way, proven by what the medium gives back.

`updog.pipeline` does the work; here stands what surrounds it: which partitions are opened and held,
which way is taken, what is told to whoever watches, and what a longer, older image left behind.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import takewhile

from partitions.blockio import Access, BlockIO, DeviceOpener, Extent
from updog.beside import Beside, opened_beside
from updog.blockmap import BlockMap
from updog.digests import Digest
from updog.moving import Moving, Phase, Progress, Watch
from updog.pipeline import engine
from updog.pipeline.adaptive import Base
from updog.pipeline.buffers import PIECE, aligned, round_up
from updog.pipeline.columns import Slices
from updog.pipeline.direct import Medium, open_medium
from updog.pipeline.engine import Offer
from updog.pipeline.facts import Done, Moved, Report, Way
from updog.pipeline.plan import USUAL_RATES, Estimate, Rates, Sizes, estimates
from updog.pipeline.scan import scan_all
from updog.pipeline.survey import survey

log = logging.getLogger(__name__)


MEGABYTE = 1_000_000
_UNMOVED = Moved()


@dataclass(frozen=True, slots=True)
class Receipt:
    """Proof of one written image.

    Attributes:
        target: name of the target.
        device: partition it was written to.
        bytes: decompressed length.
        written: the digest that the image must have.
        read_back: the digest of what the medium gave back.
        way: how it got there.
        moved: bytes, by where they came from.
        hashes: 8 bytes for each block of the image, where a map told them.
    """

    target: str
    device: str
    bytes: int
    written: Digest
    read_back: Digest
    way: Way = Way.FULL
    moved: Moved = _UNMOVED
    hashes: Slices | None = None


def write(
    offer: Offer,
    place: Extent,
    open_device: DeviceOpener,
    watch: Watch,
    beside: Beside | None = None,
) -> Receipt:
    """Write one image to its partition and prove that it is there (formats 8, D6).

    Raises:
        TargetMismatch: length, hash or frame are not what was signed.
        DeviceError: the partition failed, or gave back other bytes than were written.
        Cancelled: by whoever watches.
        UpdogError: a transfer failed.
    """
    teller = _Teller(offer, watch.progress)
    with (
        open_device(place, Access.WRITE) as device,
        open_medium(device, place, Access.WRITE) as medium,
        opened_beside(beside if has_parts(offer) else None, device, open_device) as opened,
    ):
        teller.say(Phase.SURVEY)
        base, ways = _ways(offer, medium, opened)
        teller.takes(ways)
        done = engine.install(
            offer,
            medium,
            base,
            ways,
            report=teller.moved,
            changed=teller.changed,
            cancel=watch.cancel,
        )
        clear_tail(device, medium, done.raw_length)
        # What was cleared has to be on the disk before the set may be marked valid.
        device.flush()
    teller.say(Phase.DONE)
    return _receipt(done, place, offer.blockmap)


def has_parts(offer: Offer) -> bool:
    """Whether anything but the whole file is offered."""
    return offer.blockmap is not None or offer.delta is not None


def moved_line(receipts: Iterable[Receipt]) -> str:
    """What an update moved, for people; in MB of a million bytes."""
    moved = [receipt.moved for receipt in receipts]
    fetched, written = sum(one.received for one in moved), sum(one.written for one in moved)
    reused = sum(one.kept + one.copied for one in moved)
    return (
        f"{fetched / MEGABYTE:.1f} MB fetched, {reused / MEGABYTE:.1f} MB reused,"
        f" {written / MEGABYTE:.1f} MB written"
    )


def weigh(
    offer: Offer, inactive: Medium | None, base: Base | None, rates: Rates = USUAL_RATES
) -> tuple[Base | None, tuple[Estimate, ...]]:
    """Every way to an image with its price, cheapest first; and the base, looked at if need be.

    Raises:
        DeviceError: a device failed.
    """
    signed, blockmap = offer.signed, offer.blockmap
    found = None
    if blockmap is not None and offer.source is not None:
        if base is not None and base.hashes is None:
            base = replace(base, hashes=scan_all(base.medium, base.medium.size))
        found = survey(blockmap, inactive, base.hashes if base is not None else None)
    usable = offer.delta if base is not None else None
    sizes = Sizes(
        packed=signed.packed_length,
        raw=blockmap.whole.raw_length if blockmap else signed.raw_length or signed.packed_length,
        blockmap=blockmap.size if blockmap is not None else None,
        delta=usable.signed.packed_length if usable is not None else None,
    )
    return base, estimates(sizes, found, rates)


def _ways(offer: Offer, medium: Medium, base: Base | None) -> tuple[Base | None, tuple[Way, ...]]:
    """The ways to try, in order."""
    if offer.delta is not None and base is not None:
        base, priced = weigh(offer, medium, base)
        return base, tuple(one.way for one in priced)
    # Without a delta there is nothing to weigh: the map is here already, and by it never more is
    # fetched than the whole file has.
    by_map = offer.blockmap is not None and offer.source is not None
    return base, (Way.ADAPTIVE,) if by_map else ()


def clear_tail(device: BlockIO, medium: Medium, start: int) -> None:
    """Zero what a longer, older image left behind; what is zero already is not written again.

    Args:
        device: the partition; for the rest of the block that the image ends in, whose beginning is
            proven and must not be written again.
        medium: the same, for everything behind that block.
        start: the image's length.

    Raises:
        DeviceError: the device failed.
    """
    buffer, zeros = aligned(PIECE), aligned(PIECE)
    whole = min(round_up(start), medium.size)
    if device.pread(start, whole - start) != zeros[: whole - start]:
        device.pwrite(start, zeros[: whole - start])
    for offset in range(whole, medium.size, PIECE):
        length = min(PIECE, medium.size - offset)
        if medium.read(offset, length, buffer) != zeros[:length]:
            medium.write(offset, zeros[:length])


class _Teller:
    """Turns what the pipeline counts into what people are told."""

    def __init__(self, offer: Offer, progress: Progress) -> None:
        self._name = offer.signed.name
        self._progress = progress
        self._moved = Moved()
        self._ways: tuple[Way, ...] = ()
        length = offer.blockmap.whole.raw_length if offer.blockmap else offer.signed.raw_length
        self._raw = length
        self._packed = offer.signed.packed_length

    @property
    def moved(self) -> Report:
        """What the pipeline reports to."""
        return self._report

    def takes(self, ways: tuple[Way, ...]) -> None:
        """Learn which ways will be tried, in order; the whole file is the last one."""
        self._ways = (*takewhile(lambda way: way is not Way.FULL, ways), Way.FULL)
        log.debug("%s: the way is %r.", self._name, str(self._ways[0]))

    def changed(self, way: Way, why: str) -> None:
        """Tell that one did not lead to the image."""
        log.warning("%s: the way %r did not lead there: %s", self._name, str(way), why)
        self._ways = self._ways[self._ways.index(way) + 1 :]

    def say(self, phase: Phase) -> None:
        """Tell how far the image is."""
        at = self._moved
        total = self._packed if self._raw is None else self._raw
        done = at.received if self._raw is None else at.kept + at.written
        if phase is Phase.DONE:
            done = total
        self._progress(
            Moving(
                self._name,
                phase,
                min(done, total),
                total,
                at.received,
                at.written,
                at.kept,
                at.copied,
                str(self._ways[0]) if self._ways else "",
            )
        )

    def _report(self, moved: Moved) -> None:
        self._moved = moved
        total = self._packed if self._raw is None else self._raw
        done = moved.received if self._raw is None else moved.kept + moved.written
        self.say(Phase.TRANSFER if done < total else Phase.VERIFY)


def _receipt(done: Done, place: Extent, blockmap: BlockMap | None) -> Receipt:
    moved, hashes = done.moved, None
    if blockmap is not None:
        # The map came over the network as well.
        moved, hashes = replace(moved, received=moved.received + blockmap.size), blockmap.hashes
    return Receipt(
        done.name,
        str(place),
        done.raw_length,
        done.expected,
        done.read_back,
        done.way,
        moved,
        hashes,
    )
