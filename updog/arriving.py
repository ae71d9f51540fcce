"""Whether the images of an update begin to arrive, seen before anything on the disk is touched."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import chain

from updog.errors import CutShort, DataError, TargetMismatch
from updog.pipeline.engine import Offer
from updog.pipeline.formats import Format, least_raw
from updog.pipeline.ranges import Range

_PROBE = 16


def misfit(name: str, size: int) -> DataError:
    """The error for an image that was signed as larger than its partition.

    No `TargetMismatch`: no server is to blame, and none would send it smaller.
    """
    return DataError(
        f"{name} does not fit: its partition has {size} bytes.",
        hint="Nothing was changed. This update needs a disk with larger partitions.",
    )


def begin(offers: Sequence[Offer], sizes: Sequence[int]) -> tuple[Offer, ...]:
    """Let every image arrive far enough to know that there is one; keep the first one's transfer.

    The others are begun again when their turn comes: a server would not hold their connections
    open for as long as the images before them take.

    Args:
        offers: what there is of each image.
        sizes: bytes of the partition of each.

    Raises:
        TargetMismatch: an image is empty, or says at its beginning that it does not fit.
        UpdogError: one cannot be fetched.
    """
    first, *later = offers
    for offer, size in zip(later, sizes[1:], strict=True):
        _probe(offer, size)
    # Last, so that nothing makes this transfer wait.
    if _in_parts(first):
        _probe(first, sizes[0])
        return (first, *later)
    return (replace(first, receive=_Begun(first, sizes[0])), *later)


def _in_parts(offer: Offer) -> bool:
    """Whether the image can be fetched in parts, in any order."""
    return offer.blockmap is not None and offer.source is not None


def _probe(offer: Offer, size: int) -> None:
    """See that the repository really has a file, without moving more of it than that takes."""
    if not _in_parts(offer) or offer.source is None:
        transfer = _through(offer.receive())
        _first(transfer, offer, size)
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

    def __init__(self, offer: Offer, size: int) -> None:
        self._again = offer.receive
        transfer = _through(offer.receive())
        head = _first(transfer, offer, size)
        self._first: Iterable[bytes] | None = chain((head,), transfer)

    def __call__(self) -> Iterable[bytes]:
        begun, self._first = self._first, None
        return self._again() if begun is None else begun


def _through(chunks: Iterable[bytes]) -> Generator[bytes, None, None]:
    """The same chunks, in a form that can be closed."""
    yield from chunks


def _first(chunks: Iterator[bytes], offer: Offer, size: int) -> bytes:
    head = next(chunks, None)
    if head is None:
        raise TargetMismatch(f"{offer.signed.name} holds no data at all.")
    # Where the length is signed it was compared already, and no header is believed against it.
    packed = offer.signed.packed_length
    least = packed if offer.signed.format is Format.NONE else least_raw(head, packed)
    if offer.signed.raw_length is None and least > size:
        told = misfit(offer.signed.name, size)
        # Nobody signed these bytes: those of another server may be others.
        raise TargetMismatch(str(told), hint=told.hint)
    return head
