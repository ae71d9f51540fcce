"""All scenarios on one disk, at each size of sector: the whole proof."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from partitions.errors import PartitionError
from updog.crashtest.cases import Case
from updog.crashtest.doubt import Fineness
from updog.crashtest.explore import Bounds
from updog.crashtest.flags import SECTORS
from updog.crashtest.killed import kill_points, killed
from updog.crashtest.prove import Tally, Thoroughness, prove
from updog.crashtest.recovery import SMALL, Recovery
from updog.crashtest.report import Proof, Row
from updog.crashtest.scenarios import Scenario, Stand, play
from updog.crashtest.scene import Kind
from updog.crashtest.words import Counterexample, without_power_cut
from updog.crashtest.writelog import step_at
from updog.errors import UpdogError


@dataclass(frozen=True, slots=True)
class Trial:
    """What is tried.

    Attributes:
        stand: the disk and the code.
        scenarios: the operations.
        sectors: sizes of a sector; a torn write ends at a multiple of it.
        how: how much of each; its fineness is replaced by each of `sectors`.
        bounds_when_killed: how much where the process was killed first; there are many places for
            that, so each gets less.
        told: is told what comes next.
    """

    stand: Stand
    scenarios: tuple[Scenario, ...]
    sectors: tuple[int, ...] = SECTORS
    how: Thoroughness = field(default_factory=lambda: Thoroughness(Fineness(SECTORS[0])))
    bounds_when_killed: Bounds = field(default_factory=lambda: Bounds(complete=1 << 7, samples=16))
    told: Callable[[str], None] = lambda _line: None

    def run(self) -> Proof:
        """Play and explore everything.

        Raises:
            InternalError: an operation ended without doing what it is for.
            NoInactiveSet: the disk has one set only, so that there is nothing to update.
            PartitionError: the disk is not one of ours, or an operation was refused.
        """
        rows: list[Row] = []
        found: list[tuple[int, Counterexample]] = []
        for scenario in self.scenarios:
            case = play(self.stand, scenario)
            # Of two counterexamples, the one without a killed process is the simpler one.
            for order, explored in enumerate((self._explored(case), self._killed(scenario))):
                for row, counterexample in explored:
                    rows.append(row)
                    found.extend([(order, counterexample)] if counterexample else [])
        simplest = min(found, key=lambda each: (each[0], each[1].rank), default=(0, None))
        return Proof(tuple(rows), simplest[1])

    def _explored(self, case: Case) -> Iterator[tuple[Row, Counterexample | None]]:
        kinds: set[Kind] = set()
        for sector in self.sectors:
            self.told(f"{case.operation}, sectors of {sector} bytes")
            how = self._how(sector)
            tally = prove(case, how, Recovery(how, self.stand.agent), kinds)
            yield _row(case.operation, sector, tally), tally.smallest

    def _killed(self, scenario: Scenario) -> Iterator[tuple[Row, Counterexample | None]]:
        """The same, but the process is killed before the power fails, and the agent runs again."""
        case = play(replace(self.stand, sizes=self.stand.sizes.at_most(SMALL)), scenario)
        title = f"{scenario.title}, killed, run again"
        self.told(title)
        tallies = {sector: Tally() for sector in self.sectors}
        for position in kill_points(case):
            self._kill(case, position, title, tallies)
        for sector, tally in tallies.items():
            yield _row(title, sector, tally), tally.smallest

    def _kill(self, case: Case, position: int, title: str, tallies: Mapping[int, Tally]) -> None:
        try:
            again = killed(case, position, title, self.stand.agent, SMALL)
        except (PartitionError, UpdogError) as error:
            step = step_at(case.log, position)
            for tally in tallies.values():
                tally.fail(without_power_cut(title, step, position, str(error)))
            return
        for sector, tally in tallies.items():
            how = replace(self._how(sector), bounds=self.bounds_when_killed)
            tally.add(prove(again, how, start=position))

    def _how(self, sector: int) -> Thoroughness:
        return replace(self.how, fineness=replace(self.how.fineness, sector=sector))


def _row(operation: str, sector: int, tally: Tally) -> Row:
    return Row(
        operation=operation,
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
