"""The ways to an image as a ladder: what fails by no one's fault is tried again on the next rung.

A delta can meet another base than it was made for, and a map can, by a collision of cut hashes,
lead to another image. Both show at the end, when the whole image is read back; then the next way is
taken. The last one, the whole file, depends on nothing that is here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

from updog.blockmap import BlockMap
from updog.errors import TargetMismatch, UnreachableError
from updog.pipeline import adaptive, delta, full
from updog.pipeline.adaptive import Base, MisledError
from updog.pipeline.cancel import Cancel
from updog.pipeline.delta import Delta
from updog.pipeline.direct import Medium
from updog.pipeline.facts import Done, Report, Signed, Way, silent
from updog.pipeline.source import RangeSource

_Watch: TypeAlias = tuple[Report, Cancel | None]


@dataclass(frozen=True, slots=True)
class Offer:
    """What a repository has for one image.

    Attributes:
        signed: the signed facts.
        receive: starts a transfer of the whole published file.
        source: the published file in ranges; None where the transport knows none.
        blockmap: its map; None where there is none.
        delta: the delta from the running image; None where there is none.
    """

    signed: Signed
    receive: Callable[[], Iterable[bytes]]
    source: RangeSource | None = None
    blockmap: BlockMap | None = None
    delta: Delta | None = None


def install(
    offer: Offer,
    medium: Medium,
    base: Base | None,
    ways: Iterable[Way],
    *,
    report: Report = silent,
    changed: Callable[[Way, str], object] = lambda _way, _why: None,
    cancel: Cancel | None = None,
) -> Done:
    """Make the medium hold an image, by the first way that leads there.

    Args:
        offer: what there is.
        medium: where to write.
        base: the active partition; None where it must not be used.
        ways: in the order to try; the whole file is tried last, whether named or not.
        report: told what has moved.
        changed: told of a way that did not lead to the image, and why.
        cancel: ends the work when it is given. A transfer that waits for its server ends at once
            if it has a ``stop`` method; otherwise with its time limit.

    Raises:
        Cancelled: by `cancel`.
        TargetMismatch: what was fetched is not what was signed.
        UpdogError: a transfer failed.
        DeviceError: a device failed.
    """
    if cancel is not None:
        cancel.check()
    for way, attempt in _attempts(offer, medium, base, tuple(ways), (report, cancel)):
        try:
            return attempt()
        except MisledError as error:
            changed(way, str(error))
        except (TargetMismatch, UnreachableError) as error:
            # A delta that is damaged or gone is no reason to go without the image itself.
            if way is not Way.DELTA:
                raise
            changed(way, str(error))
    return full.install(offer.signed, offer.receive, medium, report=report, cancel=cancel)


def _attempts(
    offer: Offer, medium: Medium, base: Base | None, ways: tuple[Way, ...], watch: _Watch
) -> Iterator[tuple[Way, Callable[[], Done]]]:
    for way in ways:
        if way is Way.FULL:
            return
        if way is Way.DELTA:
            yield way, _by_delta(offer, medium, base, watch)
        if way is Way.ADAPTIVE:
            yield way, _by_map(offer, medium, base, watch)


def _by_delta(offer: Offer, medium: Medium, base: Base | None, watch: _Watch) -> Callable[[], Done]:
    found = offer.delta
    if found is None or base is None:
        raise TargetMismatch(f"{offer.signed.name} has no delta that could be used here.")
    report, cancel = watch
    return lambda: delta.install(
        offer.signed, found, base.medium, medium, report=report, cancel=cancel
    )


def _by_map(offer: Offer, medium: Medium, base: Base | None, watch: _Watch) -> Callable[[], Done]:
    blockmap, source = offer.blockmap, offer.source
    if blockmap is None or source is None:
        raise TargetMismatch(f"{offer.signed.name} has no block map that could be used here.")
    report, cancel = watch
    return lambda: adaptive.install(
        offer.signed, blockmap, source, medium, base=base, report=report, cancel=cancel
    )
