"""Every disk that a power cut could leave of one recorded operation, and what became of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import shake_128
from itertools import count
from typing import TypeAlias

from updog.crashtest.cases import Case
from updog.crashtest.doubt import Doubt, Fineness
from updog.crashtest.explore import Bounds, RandomBits, count_all, subsets
from updog.crashtest.moments import moments
from updog.crashtest.oracle import View
from updog.crashtest.overlay import Overlay
from updog.crashtest.scene import Kind, Scene
from updog.crashtest.words import Counterexample, rank, smallest
from updog.crashtest.writelog import write_at


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one disk after the power cut.

    Attributes:
        problem: what went wrong; empty if the machine ended in a clean state.
        states: disks explored for a second power cut in the middle of the recovery.
    """

    problem: str = ""
    states: int = 0


Aftermath: TypeAlias = Callable[[Case, Overlay, View], Outcome]
"""Runs the real recovery on a disk."""


@dataclass(frozen=True, slots=True)
class Thoroughness:
    """How much is tried.

    Attributes:
        fineness: what a torn write is.
        bounds: how many subsets of the writes in doubt.
        seed: of the random choices; the same seed gives the same disks.
        recover_every: besides one disk of each kind, the real recovery runs on every so many-th.
    """

    fineness: Fineness
    bounds: Bounds = field(default_factory=Bounds)
    seed: int = 0
    recover_every: int = 2_000


@dataclass(slots=True)
class Tally:
    """What was tried, and found.

    Attributes:
        states: disks explored, no two the same choice of writes.
        moments: stretches between flushes.
        complete: moments of which every possible disk was explored.
        tables: digests of the different partition tables met.
        leaning: those of them whose primary copy is damaged, so that the kernel depends on the
            bootloader's repair.
        kinds: disks that differ in table or in what the sets hold.
        recoveries: disks on which the real recovery was run.
        cut_again: disks explored for a second power cut, in the middle of such a recovery.
        failures: disks that break a promise.
        smallest: the simplest of those.
    """

    states: int = 0
    moments: int = 0
    complete: int = 0
    tables: set[bytes] = field(default_factory=set)
    leaning: set[bytes] = field(default_factory=set)
    kinds: set[Kind] = field(default_factory=set)
    recoveries: int = 0
    cut_again: int = 0
    failures: int = 0
    smallest: Counterexample | None = None

    def add(self, other: Tally) -> None:
        """Take in what was tried elsewhere."""
        self.states += other.states
        self.moments += other.moments
        self.complete += other.complete
        self.tables |= other.tables
        self.leaning |= other.leaning
        self.kinds |= other.kinds
        self.recoveries += other.recoveries
        self.cut_again += other.cut_again
        self.failures += other.failures
        self.keep(other.smallest)

    def fail(self, found: Counterexample) -> None:
        """Count a failure, and keep its counterexample if it is the simplest so far."""
        self.failures += 1
        self.keep(found)

    def keep(self, found: Counterexample | None) -> None:
        """Keep a counterexample if it is the simplest so far."""
        if found and (self.smallest is None or found.rank < self.smallest.rank):
            self.smallest = found


_NOT_DONE = "the operation has said that it is done, and is not"


def prove(
    case: Case,
    how: Thoroughness,
    aftermath: Aftermath | None = None,
    kinds: set[Kind] | None = None,
    start: int = 0,
) -> Tally:
    """Explore one recorded operation.

    Args:
        case: the operation.
        how: how much is tried.
        aftermath: what is run on one disk of each kind; None: nothing.
        kinds: kinds that it need not be run on again; new ones are added.
        start: moments that end before this place of the log are passed over.
    """
    tally = Tally(kinds=set() if kinds is None else kinds)
    disk = case.before.fork()
    landed: set[int] = set()
    for moment in moments(case.log):
        for index in moment.durable:
            if index not in landed:
                write = write_at(case.log, index)
                disk.write(write.offset, write.data)
        landed.update(moment.durable)
        if moment.position >= start:
            _Exploration(Scene(case, how.fineness, disk, moment), how, tally, aftermath).run()
    return tally


class _Exploration:
    """One moment of one operation, being explored."""

    def __init__(
        self, scene: Scene, how: Thoroughness, tally: Tally, aftermath: Aftermath | None
    ) -> None:
        self._scene = scene
        self._how = how
        self._tally = tally
        self._aftermath = aftermath
        self._worst: int | None = None

    def run(self) -> None:
        doubt, before = self._scene.doubt, self._tally.states
        for mask in subsets(doubt, self._how.bounds, self._random_bits(doubt)):
            self._tally.states += 1
            if self._scene.problem(mask):
                self._keep(mask)
            else:
                self._recover(mask)
        self._tally.moments += self._tally.states > before
        self._tally.complete += (
            self._tally.states > before and count_all(doubt) <= self._how.bounds.complete
        )
        self._conclude()

    def _keep(self, mask: int) -> None:
        self._tally.failures += 1
        doubt = self._scene.doubt
        if self._worst is None or rank(mask, doubt) < rank(self._worst, doubt):
            self._worst = mask

    def _recover(self, mask: int) -> None:
        """Run the real recovery on one disk of each kind, and on some more."""
        kind = self._scene.kind(mask)
        regular = self._tally.states % self._how.recover_every == 0
        if self._aftermath is None or (kind in self._tally.kinds and not regular):
            return
        self._tally.kinds.add(kind)
        self._tally.recoveries += 1
        scene = self._scene
        outcome = self._aftermath(scene.case, scene.left(mask), scene.view(mask))
        self._tally.cut_again += outcome.states
        if outcome.problem:
            self._tally.fail(scene.told(mask, outcome.problem, at_once=False))

    def _conclude(self) -> None:
        scene = self._scene
        for digest, view in scene.views():
            self._tally.tables.add(digest)
            if not view.primary_whole:
                self._tally.leaning.add(digest)
        if self._worst is not None:
            mask = smallest(self._worst, scene.doubt, lambda less: bool(scene.problem(less)))
            self._tally.keep(scene.told(mask, scene.problem(mask), at_once=True))
        if scene.doubt.atoms and not scene.doubt.moment.flushing:
            self._tally.fail(scene.told(0, _NOT_DONE, at_once=False))

    def _random_bits(self, doubt: Doubt) -> RandomBits:
        """Bits that depend on the seed and the moment alone."""
        name = f"{self._how.seed} {self._scene.case.operation} {doubt.moment.position}"
        drawn = count()

        def bits(number: int) -> int:
            octets = shake_128(f"{name} {next(drawn)}".encode()).digest(-(-number // 8))
            return int.from_bytes(octets, "little") & (1 << number) - 1

        return bits
