"""What this machine has of an image: found out first, so that the network can start with the rest.

The plan is as long as the active partition is scattered, so it is kept in files, not in memory. It
is carried out in the order of the image, so that whoever reads the image back can follow.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from heapq import merge

from updog.blockmap import BlockMap
from updog.pipeline.columns import WINDOW, Slices
from updog.pipeline.counters import Counters
from updog.pipeline.direct import Medium
from updog.pipeline.frontier import Frontier
from updog.pipeline.local import Copier, write_zeros, zero_runs
from updog.pipeline.lookup import Run, copy_runs
from updog.pipeline.scan import scan_all
from updog.pipeline.scratch import Scratch
from updog.pipeline.stages import Crew

_FIELDS = 3
_WORD = "Q"
_BYTES = _FIELDS * array(_WORD).itemsize


@dataclass(frozen=True, slots=True)
class Base:
    """The active partition, as a place where blocks may be.

    Attributes:
        medium: where to read.
        hashes: of its blocks, kept when it was installed (`updog.kept`); None to scan it.
    """

    medium: Medium
    hashes: Slices | None = None


class Plan:
    """Zeros, and runs to copy from the active partition.

    Args:
        blockmap: of the wanted image.
        frontier: what is right already.
        counters: told what was written.
        base: the active partition; None where it must not be used.

    Attributes:
        expected: right, or counted on to become right by this plan; the network has the rest.

    Raises:
        DeviceError: the active partition failed.
        StorageError: there is no room for the plan.
    """

    def __init__(
        self, blockmap: BlockMap, frontier: Frontier, counters: Counters, base: Base | None
    ) -> None:
        self.expected = frontier.copy()
        self._map = blockmap
        self._counters = counters
        self._base = base
        self._rows: list[_Row] = []
        for first, count in zero_runs(blockmap, frontier):
            self.expected.mark(first, count)
        if base is not None and self.expected.missing() >= 0:
            try:
                self._look_up(base)
            except BaseException:
                self.close()
                raise

    def carry_out(self, medium: Medium, frontier: Frontier) -> None:
        """Write what was found; a block that has changed since then stays missing.

        Raises:
            DeviceError: a device failed.
        """
        with Crew(frontier, cancel=self._counters.cancel) as crew:
            crew.start(lambda: write_zeros(medium, self._map, frontier, self._counters), "zeros")
            if self._base is not None and self._rows:
                copier = Copier(self._base.medium, medium, self._map, frontier, self._counters)
                copier.copy(merge(*self._rows, key=lambda run: run.target))

    def close(self) -> None:
        """Let go of the plan."""
        for row in self._rows:
            row.close()

    def _look_up(self, base: Base) -> None:
        hashes = base.hashes
        if hashes is None:
            hashes = scan_all(base.medium, base.medium.size, self._counters.cancel)
        for run in copy_runs(self._map, self.expected, hashes):
            self.expected.mark(run.target, run.count)
            # Long stretches come first, then short pieces; each of them in the order of the image.
            if not self._rows or run.target < self._rows[-1].end:
                self._rows.append(_Row())
            self._rows[-1].add(run)


class _Row:
    """Runs in the order of the image.

    Attributes:
        end: the block behind the last one.
    """

    def __init__(self) -> None:
        self.end = 0
        self._kept = Scratch()
        self._held = array(_WORD)

    def add(self, run: Run) -> None:
        self.end = run.target + run.count
        self._held.extend((run.target, run.source, run.count))
        if len(self._held) * self._held.itemsize >= WINDOW:
            self._kept.append(self._held.tobytes())
            self._held = array(_WORD)

    def __iter__(self) -> Iterator[Run]:
        step = WINDOW // _BYTES * _BYTES
        for at in range(0, len(self._kept), step):
            yield from _runs(self._kept[at : at + step].cast("Q"))
        yield from _runs(self._held)

    def close(self) -> None:
        self._kept.close()


def _runs(numbers: Sequence[int]) -> Iterator[Run]:
    for place in range(0, len(numbers), _FIELDS):
        yield Run(*numbers[place : place + _FIELDS])
