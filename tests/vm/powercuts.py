"""From the log of a drive to the disks that a power cut could have left.

Between two flushes nothing is promised: each sector that was written since holds what it held
before, or any one of the versions written since, whatever the others hold. This is a second,
separate implementation of the rules in docs/crash-safety.md; it works on what a real kernel sent to
a drive, where `updog.crashtest` works on what the agent asked for.

A forced write (FUA) counts as an ordinary one: that gives every disk a drive could leave, and more.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from math import log2
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from tests.vm.drive import Event, Flushed, Written

SECTOR = 512
Sectors: TypeAlias = NDArray[np.int64]
Bytes: TypeAlias = NDArray[np.uint8]
State: TypeAlias = NDArray[np.int32]
"""For each sector in doubt, how many of its writes have reached the medium."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """What is in doubt between two flushes.

    Attributes:
        position: how many events of the log had happened when it ended.
        last: whether the log ends with it.
        disk: the disk before it, one row a sector; the same array for all stretches.
        settled: sectors that became durable since the stretch before.
        sectors: the sectors in doubt, ascending, no two the same.
        counts: how often each of them was written.
        cell: for each sector written, in the order of issue: its place in `sectors`.
        version: how many writes that sector had then seen.
        data: what was written to it, one row each.
        ends: where each write request ends in `cell`.
    """

    position: int
    last: bool
    disk: Bytes
    settled: Sectors
    sectors: Sectors
    counts: State
    cell: Sectors
    version: State
    data: Bytes
    ends: Sectors

    def state(self, landed: NDArray[np.bool_]) -> State:
        """The disk on which these sector writes have landed."""
        state = np.zeros(len(self.sectors), np.int32)
        np.maximum.at(state, self.cell[landed], self.version[landed])
        return state

    def contents(self, state: State, wanted: Sectors) -> Bytes:
        """What sectors of the disk, named in ascending order, hold in a state; one row each."""
        found: Bytes = np.array(self.disk[wanted])
        chosen = self.version == state[self.cell]
        sectors, data = self.sectors[self.cell[chosen]], self.data[chosen]
        place = np.searchsorted(wanted, sectors)
        place[place == len(wanted)] = 0
        inside = wanted[place] == sectors
        found[place[inside]] = data[inside]
        return found


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much of a stretch is tried.

    Attributes:
        complete: with at most so many combinations, all of them.
        cuts: else so many prefixes of the writes, and suffixes, torn at sectors.
        alone: so many single sectors and requests that landed alone, and that are missing alone.
        samples: so many random subsets, half of the sectors, few, or most of them.
    """

    complete: int = 4096
    cuts: int = 128
    alone: int = 64
    samples: int = 128


def stretches(log: Sequence[Event], disk: Bytes) -> Iterator[Stretch]:
    """Cut a log at its flushes.

    Args:
        log: of the drive.
        disk: its contents before, one row a sector. It is brought forward: when a stretch is given
            out, it holds all that was durable at its beginning.
    """
    pending: list[Written] = []
    settled: Sectors = np.zeros(0, np.int64)
    for position, event in enumerate(log):
        if isinstance(event, Written):
            pending.append(event)
        elif isinstance(event, Flushed) and pending:
            stretch = _stretch(position, pending, disk, settled)
            yield stretch
            disk[stretch.sectors] = stretch.contents(stretch.counts, stretch.sectors)
            settled, pending = stretch.sectors, []
    yield _stretch(len(log), pending, disk, settled, last=True)


def states(stretch: Stretch, bounds: Bounds, chance: np.random.Generator) -> Iterator[State]:
    """The states of a stretch that are tried, each once.

    The state in which everything has landed is left to the stretch that follows.
    """
    seen: set[bytes] = set()
    for state in _candidates(stretch, bounds, chance):
        key = state.tobytes()
        whole = bool((state == stretch.counts).all())
        if key not in seen and (stretch.last or not whole):
            seen.add(key)
            yield state


def _candidates(stretch: Stretch, bounds: Bounds, chance: np.random.Generator) -> Iterator[State]:
    if float(np.log2(stretch.counts + 1).sum()) <= log2(bounds.complete):
        for versions in product(*(range(count + 1) for count in stretch.counts)):
            yield np.array(versions, np.int32)
        return
    for landed in _landed(stretch, bounds, chance):
        yield stretch.state(landed)


def _landed(
    stretch: Stretch, bounds: Bounds, chance: np.random.Generator
) -> Iterator[NDArray[np.bool_]]:
    total = len(stretch.cell)
    order = np.arange(total)
    requests = np.concatenate([[0], stretch.ends])
    for cut in (*_some(requests, bounds.cuts), *_some(np.arange(total + 1), bounds.cuts, chance)):
        yield order < cut
        yield order >= cut
    for first, end in _some(np.column_stack([requests[:-1], stretch.ends]), bounds.alone):
        yield (order >= first) & (order < end)
        yield (order < first) | (order >= end)
    for sector in _some(order, bounds.alone, chance):
        yield order == sector
        yield order != sector
    for number in range(bounds.samples):
        yield chance.random(total) < (0.5, 0.02, 0.98)[number % 3]


def _some(
    them: NDArray[np.int64], most: int, chance: np.random.Generator | None = None
) -> NDArray[np.int64]:
    """At most so many rows: drawn, or evenly spread from the first to the last."""
    if len(them) <= most:
        return them
    if chance is not None:
        return chance.choice(them, most, replace=False)
    return them[np.linspace(0, len(them) - 1, most).astype(np.int64)]


def _stretch(
    position: int, pending: list[Written], disk: Bytes, settled: Sectors, *, last: bool = False
) -> Stretch:
    written = [_sectors_of(each) for each in pending]
    order = np.concatenate([np.zeros(0, np.int64), *written])
    data = np.frombuffer(b"".join(each.data for each in pending), np.uint8).reshape(-1, SECTOR)
    sectors, cell, counts = np.unique(order, return_inverse=True, return_counts=True)
    return Stretch(
        position=position,
        last=last,
        disk=disk,
        settled=settled,
        sectors=sectors,
        counts=counts.astype(np.int32),
        cell=cell,
        version=_versions(cell, counts),
        data=data,
        ends=np.cumsum([len(each) for each in written], dtype=np.int64),
    )


def _sectors_of(written: Written) -> Sectors:
    first, torn = divmod(written.offset, SECTOR)
    assert not torn, f"a write at byte {written.offset}: not a whole number of sectors"
    return np.arange(first, first + len(written.data) // SECTOR)


def _versions(cell: Sectors, counts: NDArray[np.int64]) -> State:
    """Number the writes of each sector from 1, in the order of issue."""
    grouped = np.argsort(cell, kind="stable")
    starts = np.repeat(np.cumsum(counts) - counts, counts)
    version = np.empty(len(cell), np.int32)
    version[grouped] = np.arange(len(cell)) - starts + 1
    return version
