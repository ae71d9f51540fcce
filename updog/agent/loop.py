"""The loop of the agent: look, decide, do, wait. Time, waiting and the world come from outside."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Protocol, TypeAlias

from partitions.errors import PartitionError
from updog.agent import memory
from updog.agent.decide import Action, Known, Rules, Step, backoff, decide
from updog.agent.life import Life
from updog.clock import Clock
from updog.errors import BudgetSpent, StorageError, UpdogError
from updog.notify import Notifier
from updog.select import Chosen, Declined
from updog.update import Installed
from updog.verbs import in_our_words

log = logging.getLogger(__name__)

LONGEST_SLEEP = timedelta(minutes=15)
"""After so long it looks again anyway: clocks are set, and configurations change."""
SHORTEST_SLEEP = timedelta(seconds=1)
MOST_STEPS = 8
"""So many may follow each other: check, install, check, restart, and room for news."""

Sleep: TypeAlias = Callable[[float], bool]
"""Waits so many seconds; True if the agent is to end instead."""


@dataclass(frozen=True, slots=True)
class View:
    """What the machine looks like now.

    Attributes:
        staged: the version that stands whole on the other set; empty for none.
        confirmed: whether the running boot is.
        halted: why the agent must not restart the machine; empty where it may.
        inhibitors: who keeps it from restarting.
    """

    staged: str = ""
    confirmed: bool = True
    halted: str = ""
    inhibitors: tuple[str, ...] = ()


class World(Protocol):
    """What the agent acts on. Each method may raise an UpdogError or a PartitionError."""

    def rules(self) -> Rules:
        """What the operator decided, as it stands now."""

    def look(self) -> View:
        """See how the machine is; note an update that did not come up."""

    def check(self) -> Chosen | Declined:
        """Ask the repository."""

    def install(self, budget: int | None) -> Installed | Declined:
        """Write the update that is for this host to the other set.

        Args:
            budget: most bytes to fetch, or None for no limit.
        """

    def reboot(self) -> None:
        """Choose the staged set, and restart the machine."""

    def daily_bytes(self) -> int:
        """Most bytes to fetch in a day; 0 for no limit."""

    def fetched(self) -> int:
        """Bytes that the last `install` fetched, whether or not it came to its end."""


class Agent:
    """A machine that keeps itself up to date.

    Args:
        world: what it acts on.
        clock: tells the time.
        sleep: waits.
        path: where its memory is kept.
        started: when it began to run; None for a single step.
        longest: the longest sleep.
        life: told that it lives and what it does; None for nobody.
    """

    def __init__(
        self,
        world: World,
        clock: Clock,
        sleep: Sleep,
        path: Path,
        *,
        started: datetime | None = None,
        longest: timedelta = LONGEST_SLEEP,
        life: Life | None = None,
    ) -> None:
        self.world = world
        self.clock = clock
        self.sleep = sleep
        self.path = path
        self.life = life or Life(Notifier(), clock)
        self.longest = self.life.longest(longest)
        self.memory = memory.recall(path)
        self._started = started
        self._said = ""
        self._rules = Rules()

    def run(self) -> None:
        """Go on until the sleep says to end."""
        self.life.begins()
        while True:
            step = self.once()
            until = step.until or self.clock.now() + self.longest
            span = max(SHORTEST_SLEEP, min(self.longest, until - self.clock.now()))
            if self.sleep(span.total_seconds()):
                return

    def once(self) -> Step:
        """Do everything that is due, and return what it waits for then."""
        step = self.step()
        for _ in range(MOST_STEPS):
            if step.action is Action.WAIT:
                break
            step = self.step()
        return step

    def step(self) -> Step:
        """Look, decide and do one thing."""
        now = self.clock.now()
        self.life.beat()
        try:
            self._rules = rules = self.world.rules()
            step = decide(rules, self.known(rules, now), now)
            self._say(step)
            self._do(step, rules, now)
        except (UpdogError, PartitionError) as error:
            step = self._failed(error)
        memory.keep(self.path, self.memory)
        return step

    def known(self, rules: Rules, now: datetime) -> Known:
        """Everything that a decision goes by."""
        view, kept, limit = self.world.look(), self.memory, self.world.daily_bytes()
        today = _day(rules, now)
        return Known(
            started=self._started,
            checked=kept.checked,
            chosen=kept.chosen,
            ready_at=kept.ready_at,
            failures=kept.failures,
            failed=kept.failed,
            staged=view.staged,
            confirmed=view.confirmed,
            spent=bool(limit) and kept.day == today and kept.spent >= limit,
            inhibitors=view.inhibitors,
            halted=view.halted,
            restarting=kept.restarting,
        )

    def _do(self, step: Step, rules: Rules, now: datetime) -> None:
        match step.action:
            case Action.CHECK:
                self._check()
            case Action.INSTALL:
                self._install(rules, now)
            case Action.REBOOT:
                self.memory = self.memory._replace(restarting=now)
                # Kept first: after the next line there may be no time left.
                memory.keep(self.path, self.memory)
                self.world.reboot()

    def _check(self) -> None:
        self._answered(self.world.check())

    def _answered(self, outcome: Chosen | Installed | Declined) -> None:
        """Remember what the repository said."""
        self.memory = self.memory._replace(
            checked=self.clock.now(),
            chosen="" if isinstance(outcome, Declined) else str(outcome.update.version),
            ready_at=outcome.ready_at if isinstance(outcome, Declined) else None,
            failures=0,
            failed=None,
        )

    def _install(self, rules: Rules, now: datetime) -> None:
        today, limit = _day(rules, now), self.world.daily_bytes()
        spent = self.memory.spent if self.memory.day == today else 0
        try:
            outcome = self.world.install(max(limit - spent, 0) if limit else None)
        except BudgetSpent as error:
            log.info("%s", error)
            return
        finally:
            spent += self.world.fetched()
            self.memory = self.memory._replace(day=today, spent=spent)
        self._answered(outcome)
        # Otherwise it would be written again, and again.
        if isinstance(outcome, Installed) and self.world.look().staged != self.memory.chosen:
            raise StorageError(f"{self.memory.chosen} was written, but the other set is not ready.")

    def _failed(self, error: Exception) -> Step:
        now = self.clock.now()
        self.memory = self.memory._replace(failures=self.memory.failures + 1, failed=now)
        said = in_our_words(error)
        log.warning("%s", said)
        return Step(Action.WAIT, said, now + backoff(self._rules, self.memory.failures))

    def _say(self, step: Step) -> None:
        """Say what it does, but not the same thing again and again."""
        if step.why != self._said:
            log.info("%s: %s", step.action, step.why)
            self.life.says(f"{step.action}: {step.why}")
            self._said = step.why


def _day(rules: Rules, now: datetime) -> str:
    return now.astimezone(rules.calendar.zone).date().isoformat()
