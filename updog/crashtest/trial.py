"""All scenarios on one disk, at each size of sector: the whole proof."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

from updog.crashtest.cases import Case
from updog.crashtest.doubt import Fineness
from updog.crashtest.flags import SECTORS
from updog.crashtest.prove import Tally, Thoroughness, prove
from updog.crashtest.recovery import Recovery
from updog.crashtest.report import Proof, Row
from updog.crashtest.scenarios import Scenario, Stand, play
from updog.crashtest.scene import Kind
from updog.crashtest.words import Counterexample


@dataclass(frozen=True, slots=True)
class Trial:
    """What is tried.

    Attributes:
        stand: the disk and the code.
        scenarios: the operations.
        sectors: sizes of a sector; a torn write ends at a multiple of it.
        how: how much of each; its fineness is replaced by each of `sectors`.
        told: is told what comes next.
    """

    stand: Stand
    scenarios: tuple[Scenario, ...]
    sectors: tuple[int, ...] = SECTORS
    how: Thoroughness = field(default_factory=lambda: Thoroughness(Fineness(SECTORS[0])))
    told: Callable[[str], None] = lambda _line: None

    def run(self) -> Proof:
        """Play and explore everything.

        Raises:
            InternalError: an operation ended without doing what it is for.
            NoInactiveSet: the disk has one set only, so that there is nothing to update.
            PartitionError: the disk is not one of ours, or an operation was refused.
        """
        rows: list[Row] = []
        found: list[Counterexample] = []
        for scenario in self.scenarios:
            for row, counterexample in self._explored(play(self.stand, scenario)):
                rows.append(row)
                found.extend([counterexample] if counterexample else [])
        return Proof(tuple(rows), min(found, key=lambda each: each.rank, default=None))

    def _explored(self, case: Case) -> Iterator[tuple[Row, Counterexample | None]]:
        kinds: set[Kind] = set()
        for sector in self.sectors:
            self.told(f"{case.operation}, sectors of {sector} bytes")
            how = replace(self.how, fineness=replace(self.how.fineness, sector=sector))
            tally = prove(case, how, Recovery(how), kinds)
            yield _row(case, sector, tally), tally.smallest


def _row(case: Case, sector: int, tally: Tally) -> Row:
    return Row(
        operation=case.operation,
        sector=sector,
        moments=tally.moments,
        complete=tally.complete,
        states=tally.states,
        tables=len(tally.tables),
        leaning=len(tally.leaning),
        recoveries=tally.recoveries,
        cut_again=tally.cut_again,
        failures=tally.failures,
    )
