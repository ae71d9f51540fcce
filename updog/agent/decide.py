"""What the agent does next. PURE: everything it goes by is an argument, the time too.

The order of the rules is the order of the questions in `decide`. Whatever it answers is done, and
then it is asked again with what came of that.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from updog.agent.calendar import Calendar
from updog.settings import Mode

FRESH = timedelta(hours=1)
"""A restart goes by an answer that is no older, so that a withdrawn release is not booted."""
LOOK_AGAIN = timedelta(minutes=5)
"""How often what holds a restart up is looked at."""
SKEW = timedelta(minutes=1)
"""A memory that is further ahead was written by a clock that was wrong."""
RESTARTING = timedelta(minutes=15)
"""How long the machine may take to go down before it is asked once more."""


class Action(StrEnum):
    """What is done next."""

    CHECK = "check"
    INSTALL = "install"
    REBOOT = "reboot"
    WAIT = "wait"


@dataclass(frozen=True, slots=True)
class Rules:
    """What the operator decided.

    Attributes:
        calendar: when what may be done.
        mode: how far the agent goes on its own.
        backoff_min: wait after a first failure.
        backoff_max: longest wait.
        spread: this host's place among all, 0 to below 1; keeps a fleet that failed together from
            coming back together.
    """

    calendar: Calendar = field(default_factory=Calendar)
    mode: Mode = Mode.AUTOMATIC
    backoff_min: timedelta = timedelta(minutes=5)
    backoff_max: timedelta = timedelta(hours=6)
    spread: float = 0.0


@dataclass(frozen=True, slots=True)
class Known:
    """What the agent knows.

    Attributes:
        started: when it began to run; None for a single step, which spreads nothing.
        checked: when the repository last answered.
        chosen: the version that is for this host, by that answer; empty for none.
        ready_at: when one that is held back becomes ready, by that answer.
        failures: attempts that failed in a row.
        failed: when the last of them did.
        staged: the version that stands whole on the other set; empty for none.
        confirmed: whether the running boot is.
        spent: whether the bytes of today are used up.
        inhibitors: who keeps the machine from restarting, for people.
        halted: why the agent must not restart the machine at all; empty where it may.
        restarting: when it last asked the machine to restart.
    """

    started: datetime | None = None
    checked: datetime | None = None
    chosen: str = ""
    ready_at: datetime | None = None
    failures: int = 0
    failed: datetime | None = None
    staged: str = ""
    confirmed: bool = True
    spent: bool = False
    inhibitors: tuple[str, ...] = ()
    halted: str = ""
    restarting: datetime | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """The answer.

    Attributes:
        action: what is done now.
        why: one sentence.
        until: with `Action.WAIT`: when to ask again.
    """

    action: Action
    why: str
    until: datetime | None = None


def decide(rules: Rules, known: Known, now: datetime) -> Step:
    """Decide what is done now."""
    if known.failures and known.failed is not None and known.failed <= now + SKEW:
        again = known.failed + backoff(rules, known.failures)
        if now < again:
            return Step(Action.WAIT, f"{known.failures} attempts failed in a row", again)
    if due(rules, known, now):
        return Step(Action.CHECK, "it is time to ask the repository")
    if not known.chosen or rules.mode is Mode.MANUAL:
        why = "policy.mode is manual" if known.chosen else "there is no update for this host"
        return _wait(rules, known, now, why)
    if known.staged != known.chosen:
        return _install(rules, known, now)
    if rules.mode is Mode.STAGED:
        return _wait(rules, known, now, f"{known.staged} is staged, and policy.mode is staged")
    return _restart(rules, known, now)


def backoff(rules: Rules, failures: int) -> timedelta:
    """How long to wait after so many failures in a row: between the configured bounds."""
    low, high = rules.backoff_min, rules.backoff_max
    # The shift is bounded, because the failures are not.
    longest = min(high, low * (1 << min(failures, 32) - 1))
    return low + (longest - low) * (0.5 + rules.spread / 2)


def due(rules: Rules, known: Known, now: datetime) -> bool:
    """Whether the repository is to be asked now."""
    if known.checked is None or known.checked > now + SKEW:
        # Never asked, or by a clock that was wrong. A fleet that is switched on together still
        # spreads.
        return known.started is None or now >= known.started + rules.calendar.delay
    if known.ready_at is not None and known.checked < known.ready_at <= now:
        return True
    missed = rules.calendar.last_check(now)
    if known.checked >= missed:
        return False
    late = known.started is not None and missed < known.started
    return not late or known.started is None or now >= known.started + rules.calendar.delay


def wake(rules: Rules, known: Known, now: datetime) -> datetime:
    """When the repository is asked next: by the calendar, or when an update becomes ready."""
    next_check = rules.calendar.next_check(now)
    if known.started is not None and now < known.started + rules.calendar.delay:
        missed = known.checked is None or known.checked < rules.calendar.last_check(now)
        if missed:
            next_check = min(next_check, known.started + rules.calendar.delay)
    if known.ready_at is not None and now < known.ready_at:
        return min(next_check, known.ready_at)
    return next_check


def _install(rules: Rules, known: Known, now: datetime) -> Step:
    if not known.confirmed:
        return _wait(rules, known, now, "the running boot is not confirmed yet", now + LOOK_AGAIN)
    if not rules.calendar.may_install(now):
        opens = rules.calendar.next_install(now)
        return _wait(rules, known, now, f"{known.chosen} may not be installed now", opens)
    if known.spent:
        tomorrow = rules.calendar.next_day(now)
        return _wait(rules, known, now, "schedule.daily_bytes are used up", tomorrow)
    return Step(Action.INSTALL, f"{known.chosen} is for this host")


def _restart(rules: Rules, known: Known, now: datetime) -> Step:
    if known.halted:
        return _wait(rules, known, now, known.halted)
    if not rules.calendar.is_open(now):
        opens = rules.calendar.next_open(now)
        return _wait(rules, known, now, f"{known.staged} waits for a window", opens)
    if known.restarting is not None and -SKEW <= now - known.restarting < RESTARTING:
        until = known.restarting + RESTARTING
        return Step(Action.WAIT, "the machine is about to restart", until)
    if known.checked is None or now - known.checked > FRESH:
        return Step(Action.CHECK, f"{known.staged} must still be for this host")
    if known.inhibitors:
        who = f"a restart is inhibited by {', '.join(known.inhibitors)}"
        return _wait(rules, known, now, who, now + LOOK_AGAIN)
    return Step(Action.REBOOT, f"{known.staged} is staged")


def _wait(
    rules: Rules, known: Known, now: datetime, why: str, until: datetime | None = None
) -> Step:
    planned = wake(rules, known, now)
    return Step(Action.WAIT, why, planned if until is None else min(planned, until))
