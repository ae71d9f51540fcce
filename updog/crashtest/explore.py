"""Which of the writes in doubt reached the medium: every case, or a fixed choice of cases. PURE.

A moment with few sectors in doubt is explored completely. Where images are in doubt, there are more
subsets than could ever be tried; then these families are, each subset once:

* every prefix and every suffix of the sectors: writes in order or in reverse, torn anywhere;
* everything but one sector, and one sector only;
* everything but two sectors, and two only, while there are few sectors;
* subsets of whole writes: all of them while there are few, else each one missing or alone;
* each of those together with every subset of the sectors of the partition table;
* a fixed number of random subsets.

Subsets that hold everything the coming flush makes durable are left to the moment after it, where
they are explored without being counted twice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from itertools import chain, combinations, pairwise
from math import prod
from typing import TypeAlias

from updog.crashtest.doubt import Cell, Doubt
from updog.crashtest.moments import mask_of

RandomBits: TypeAlias = Callable[[int], int]
"""So many random bits as a number, such as ``random.Random(seed).getrandbits``."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """How far a moment is explored.

    Attributes:
        complete: with at most this many subsets, all are tried.
        pairs: with at most this many sectors, each pair is left out, and taken alone.
        writes: with at most this many writes, all subsets of whole writes are tried.
        samples: random subsets tried where not all are.
    """

    complete: int = 1 << 12
    pairs: int = 96
    writes: int = 8
    samples: int = 256


def count_all(doubt: Doubt) -> int:
    """How many different disks a power cut at this moment could leave."""
    return _combinations(doubt.cells)


def subsets(doubt: Doubt, bounds: Bounds, random_bits: RandomBits) -> Iterator[int]:
    """Yield masks of the atoms that reached the medium; each different disk at most once.

    At the last moment of a log, which no flush ends, nothing is left to a later one.
    """
    later = doubt.flushing if doubt.moment.flushing else None
    if later == 0:
        return
    for mask in _distinct(doubt, _candidates(doubt, bounds, random_bits)):
        if later is None or mask & later != later:
            yield mask


def _candidates(doubt: Doubt, bounds: Bounds, random_bits: RandomBits) -> Iterator[int]:
    if count_all(doubt) <= bounds.complete:
        return _complete(doubt)
    bits = len(doubt.atoms)
    whole = tuple(_whole_writes(doubt.by_write, bounds))
    return chain(
        _runs(bits),
        _few(bits, 1),
        _few(bits, 2) if bits <= bounds.pairs else (),
        whole,
        _crossed(doubt, bounds, whole),
        (random_bits(bits) for _ in range(bounds.samples)),
    )


def _complete(doubt: Doubt) -> Iterator[int]:
    """Every combination of what each sector may hold."""
    return iter(_products(doubt.cells))


def _combinations(cells: Iterable[Cell]) -> int:
    return prod(len(cell.bits) + 1 for cell in cells)


def _products(cells: Iterable[Cell]) -> list[int]:
    masks = [0]
    for cell in cells:
        if cell.bits:
            masks = [mask | held for mask in masks for held in cell.versions()]
    return masks


def _runs(bits: int) -> Iterator[int]:
    """All prefixes and all suffixes."""
    everything = (1 << bits) - 1
    for length in range(bits + 1):
        prefix = (1 << length) - 1
        yield prefix
        yield everything ^ prefix


def _few(bits: int, count: int) -> Iterator[int]:
    """Only ``count`` atoms, and everything but them."""
    everything = (1 << bits) - 1
    for chosen in combinations(range(bits), count):
        mask = mask_of(chosen)
        yield everything ^ mask
        yield mask


def _whole_writes(writes: Sequence[int], bounds: Bounds) -> Iterator[int]:
    """Writes that are on the medium completely or not at all."""
    if len(writes) <= bounds.writes:
        yield from _unions(writes)
        return
    everything = _union(writes)
    for number, write in enumerate(writes):
        yield from (write, everything ^ write, _union(writes[:number]), _union(writes[number:]))


def _crossed(doubt: Doubt, bounds: Bounds, whole: Iterable[int]) -> Iterator[int]:
    """Every state of the partition table together with many of the images."""
    critical = [cell for cell in doubt.cells if mask_of(cell.bits) & doubt.critical]
    if not critical or _combinations(critical) > bounds.complete:
        return
    tables = _products(critical)
    images = doubt.everything & ~doubt.critical
    for data in dict.fromkeys(mask & images for mask in (0, images, *whole)):
        for table in tables:
            yield data | table


def _unions(masks: Sequence[int]) -> Iterator[int]:
    unions = [0]
    for mask in masks:
        unions += [union | mask for union in unions]
    return iter(unions)


def _union(masks: Iterable[int]) -> int:
    union = 0
    for mask in masks:
        union |= mask
    return union


def _distinct(doubt: Doubt, masks: Iterable[int]) -> Iterator[int]:
    """Drop masks that stand for a disk which has been yielded already."""
    octets = len(doubt.atoms) // 8 + 1
    older = _steps_back(doubt.histories)
    seen: set[bytes] = set()
    for mask in masks:
        settled = _in_order(mask, older)
        key = blake2b(settled.to_bytes(octets, "little"), digest_size=10).digest()
        if key not in seen:
            seen.add(key)
            yield settled


def _steps_back(histories: Iterable[tuple[int, ...]]) -> tuple[tuple[int, int], ...]:
    """From writes of sectors to the ones before them: a mask and how far those lie below it.

    Later writes come first. An image that is written over another gives one step, however many
    sectors it has.
    """
    steps: dict[tuple[int, int], list[int]] = {}
    for bits in histories:
        for number, (earlier, later) in enumerate(pairwise(bits)):
            steps.setdefault((number, later - earlier), []).append(later)
    newest_first = sorted(steps.items(), reverse=True)
    return tuple((mask_of(bits), distance) for (_, distance), bits in newest_first)


def _in_order(mask: int, older: Iterable[tuple[int, int]]) -> int:
    """A sector that holds a later write holds the earlier ones as well."""
    for later, distance in older:
        mask |= (mask & later) >> distance
    return mask
