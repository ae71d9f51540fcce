"""A world for the agent without a machine: releases by date, faults by script, restarts noted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from tests.fakes.client_world import ARCH, VARIANT
from tests.fakes.clock import FakeClock
from updog.agent.decide import Rules
from updog.agent.loop import View
from updog.errors import BudgetSpent, UnreachableError
from updog.manifest import Images, Update
from updog.select import Chosen, Declined, Reason
from updog.update import Installed
from updog.version import Version
from waves.schedule import Schedule

IMAGES = Images("boot", "root", "hash")


def offered(version: str) -> Update:
    wanted = Version.parse(version)
    return Update(VARIANT, ARCH, wanted, wanted, Schedule(), IMAGES)


@dataclass
class AgentWorld:
    """Everything an agent acts on.

    Attributes:
        releases: when a version appears for this host.
        ready: when a version becomes ready, if later.
        fault: what goes wrong at a moment, if anything.
        size: bytes of an update.
    """

    clock: FakeClock
    said: Rules = field(default_factory=Rules)
    releases: dict[datetime, str] = field(default_factory=dict)
    ready: dict[str, datetime] = field(default_factory=dict)
    fault: Callable[[datetime], bool] = lambda _now: False
    inhibited: Callable[[datetime], bool] = lambda _now: False
    size: int = 100
    limit: int = 0
    running: str = "1.0.0"
    staged: str = ""
    halted: str = ""
    confirmed: bool = True
    have: int = 0
    moved: int = 0
    checks: list[datetime] = field(default_factory=list)
    installs: list[tuple[datetime, str]] = field(default_factory=list)
    reboots: list[datetime] = field(default_factory=list)

    def rules(self) -> Rules:
        return self.said

    def look(self) -> View:
        who = ("backup (running)",) if self.inhibited(self.clock.now()) else ()
        return View(self.staged, self.confirmed, self.halted, who)

    def check(self) -> Chosen | Declined:
        now = self.clock.now()
        self.checks.append(now)
        self._fail()
        newest = max((at for at in self.releases if at <= now), default=None)
        if newest is None or self.releases[newest] == self.running:
            return Declined(Reason.UP_TO_DATE, "nothing newer")
        version = self.releases[newest]
        ready_at = self.ready.get(version)
        if ready_at is not None and now < ready_at:
            return Declined(Reason.HELD_BY_WAVE, "not yet", ready_at, offered(version))
        return Chosen(offered(version))

    def install(self, budget: int | None) -> Installed | Declined:
        self.moved = 0
        outcome = self.check()
        self.checks.pop()
        if isinstance(outcome, Declined):
            return outcome
        wanted = self.size - self.have
        self.moved = wanted if budget is None else min(wanted, budget)
        self.have += self.moved
        if self.have < self.size:
            raise BudgetSpent("enough for today")
        self.have = 0
        self.staged = str(outcome.update.version)
        self.installs.append((self.clock.now(), self.staged))
        return Installed(outcome.update, ())

    def fetched(self) -> int:
        return self.moved

    def daily_bytes(self) -> int:
        return self.limit

    def reboot(self) -> None:
        self._fail()
        self.reboots.append(self.clock.now())
        self.running, self.staged = self.staged, ""

    def _fail(self) -> None:
        if self.fault(self.clock.now()):
            raise UnreachableError("the repository did not answer")


@dataclass
class Sleeper:
    """Waits by moving a clock; says to end when a moment has come."""

    clock: FakeClock
    end: datetime
    naps: int = 0

    def __call__(self, seconds: float) -> bool:
        self.naps += 1
        self.clock.advance(timedelta(seconds=seconds))
        return self.clock.now() >= self.end
