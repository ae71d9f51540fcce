"""One moment of one operation: the disk a subset of the writes would leave, judged."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias

from updog.crashtest.cases import Case
from updog.crashtest.contents import Contents, set_likeness
from updog.crashtest.doubt import Fineness, find_doubt
from updog.crashtest.moments import Moment
from updog.crashtest.oracle import Holdings, View, copies_on, judge, view_of
from updog.crashtest.overlay import Overlay
from updog.crashtest.recorder import quiet_disk
from updog.crashtest.words import Counterexample, places, rank, step_of

Kind: TypeAlias = tuple[bytes, tuple[Contents, ...]]
"""What matters about a disk: both copies of its table, and what its sets hold."""


class Scene:
    """Answers for every mask of one moment; remembers what it has worked out.

    Args:
        case: the operation.
        fineness: what a torn write is.
        disk: the disk with all durable writes on it; it must not change while the scene lives.
        moment: the stretch of the log.
    """

    def __init__(self, case: Case, fineness: Fineness, disk: Overlay, moment: Moment) -> None:
        self.case = case
        self.doubt = find_doubt(case.log, moment, fineness, disk.read, case.compared)
        self._sector = fineness.sector
        self._disk = disk
        self._likeness = tuple(
            set_likeness(case.log, self.doubt, each.spans, disk.read, case.compared)
            for each in case.sets
        )
        self._views: dict[int, tuple[bytes, View]] = {}
        self._verdicts: dict[tuple[int, tuple[Contents, ...]], str] = {}

    def problem(self, mask: int) -> str:
        """The promise that the disk breaks; empty if none."""
        contents = self._contents(mask)
        key = (mask & self.doubt.critical, contents)
        if key not in self._verdicts:
            self._verdicts[key] = judge(self.view(mask), self._held(contents), self.case.steps)
        return self._verdicts[key]

    def view(self, mask: int) -> View:
        """What the bootloader finds."""
        return self._seen(mask)[1]

    def views(self) -> Iterator[tuple[bytes, View]]:
        """All that was seen, with the digests of the tables."""
        return iter(self._views.values())

    def kind(self, mask: int) -> Kind:
        """What matters about the disk."""
        return self._seen(mask)[0], self._contents(mask)

    def left(self, mask: int) -> Overlay:
        """The disk itself."""
        return self._disk.fork().apply(self.doubt.chosen(mask), self.case.log)

    def told(self, mask: int, problem: str, *, at_once: bool) -> Counterexample:
        """The disk in words.

        Args:
            mask: the disk.
            problem: the promise that it breaks.
            at_once: whether it shows on the disk itself, and not only in what is done next.
        """
        return Counterexample(
            self.case.operation,
            step_of(self.doubt, self.case.log),
            self._sector,
            len(self.doubt.atoms),
            places(mask, self.doubt, self.case.places),
            problem,
            (int(not at_once), *rank(mask, self.doubt)),
        )

    def _seen(self, mask: int) -> tuple[bytes, View]:
        # Images do not matter here, so that the disk need not be built with them.
        critical = mask & self.doubt.critical
        if critical not in self._views:
            disk = quiet_disk(self.case.path, self.left(critical))
            copies = copies_on(disk, self.case.tables)
            self._views[critical] = copies.digest, view_of(copies)
        return self._views[critical]

    def _contents(self, mask: int) -> tuple[Contents, ...]:
        return tuple(each.contents(mask) for each in self._likeness)

    def _held(self, contents: tuple[Contents, ...]) -> Holdings:
        return {
            each.slot: (held, each.is_whole(held))
            for each, held in zip(self.case.sets, contents, strict=True)
        }
