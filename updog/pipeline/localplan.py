"""What this machine has of an image: found out first, so that the network can start with the rest.

The plan is as long as the active partition is scattered, so it is kept in a file, not in memory.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from dataclasses import dataclass

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
        hashes: of its blocks, from the map kept when it was installed (`scratch.kept_hashes`);
            None to scan it.
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
        self._runs = Scratch()
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
            if self._base is not None and len(self._runs):
                copier = Copier(self._base.medium, medium, self._map, frontier, self._counters)
                copier.copy(self._found())

    def close(self) -> None:
        """Let go of the plan."""
        self._runs.close()

    def _look_up(self, base: Base) -> None:
        hashes = base.hashes
        if hashes is None:
            hashes = scan_all(base.medium, base.medium.size, self._counters.cancel)
        held = array(_WORD)
        for run in copy_runs(self._map, self.expected, hashes):
            self.expected.mark(run.target, run.count)
            held.extend((run.target, run.source, run.count))
            if len(held) * held.itemsize >= WINDOW:
                self._runs.append(held.tobytes())
                held = array(_WORD)
        self._runs.append(held.tobytes())

    def _found(self) -> Iterator[Run]:
        step = WINDOW // _BYTES * _BYTES
        for at in range(0, len(self._runs), step):
            numbers = self._runs[at : at + step].cast("Q")
            for place in range(0, len(numbers), _FIELDS):
                yield Run(*numbers[place : place + _FIELDS])
