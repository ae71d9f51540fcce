"""What the checks say about an update, and what becomes of it. PURE.

An update is blamed for what it made worse, and for nothing else: a required check that failed
before the restart too says something about the machine, not about the update. A check without a
result from before has no such excuse.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import NamedTuple

from updog.settings import OnFailure


class Ran(NamedTuple):
    """One check that was run.

    Attributes:
        name: folder and file, such as ``required/10-network``.
        required: whether an update may not make it worse.
        passed: whether it did.
        why: how it ended, for people; empty if it passed.
    """

    name: str
    required: bool
    passed: bool
    why: str = ""


class Judged(NamedTuple):
    """All checks that failed, by what that means.

    Attributes:
        worse: required, and the update is to blame.
        as_before: required, and failing before the update too.
        wanted: only to be reported.
    """

    worse: tuple[Ran, ...] = ()
    as_before: tuple[Ran, ...] = ()
    wanted: tuple[Ran, ...] = ()

    def lines(self) -> tuple[str, ...]:
        """One line for each, for people."""
        return (
            *(f"failed: {each.name} {each.why}" for each in self.worse),
            *(f"failed as before the update: {each.name} {each.why}" for each in self.as_before),
            *(f"failed, but only wanted: {each.name} {each.why}" for each in self.wanted),
        )


class Fate(StrEnum):
    """What becomes of a boot."""

    CONFIRM = "confirm"
    ROLL_BACK = "roll-back"
    LEAVE = "leave"
    """It stays unconfirmed; the bootloader falls back when its tries are spent."""


class Standing(NamedTuple):
    """What the decision goes by besides the checks.

    Attributes:
        on_failure: what the operator wants.
        fallback: whether the other set would boot, and the gate has not left it before.
        rollbacks: restarts that the gate has caused in a row.
        max_rollbacks: how many it may.
    """

    on_failure: OnFailure = OnFailure.ROLLBACK
    fallback: bool = True
    rollbacks: int = 0
    max_rollbacks: int = 3


def judge(ran: Iterable[Ran], before: Mapping[str, bool] | None) -> Judged:
    """Compare checks with what they said before the restart; None where nobody asked them."""
    failed = [each for each in ran if not each.passed]
    known = before or {}
    required = [each for each in failed if each.required]
    return Judged(
        worse=tuple(each for each in required if known.get(each.name, True)),
        as_before=tuple(each for each in required if not known.get(each.name, True)),
        wanted=tuple(each for each in failed if not each.required),
    )


def fate(judged: Judged, standing: Standing) -> tuple[Fate, str]:
    """Decide what becomes of a boot that is not confirmed yet, and say why in one sentence."""
    if not judged.worse:
        return Fate.CONFIRM, "no required check became worse"
    names = ", ".join(each.name for each in judged.worse)
    if standing.on_failure is OnFailure.UNMARKED:
        return Fate.LEAVE, f"{names} failed, and health.on_failure is unmarked"
    if not standing.fallback:
        return Fate.LEAVE, f"{names} failed, and there is no other set to go back to"
    if standing.rollbacks >= standing.max_rollbacks:
        times = f"health.max_rollbacks ({standing.max_rollbacks}) is reached"
        return Fate.LEAVE, f"{names} failed, and {times}"
    return Fate.ROLL_BACK, f"{names} failed"


class Arrival(StrEnum):
    """How the machine came up after an update was chosen for its next boot."""

    NOT_YET = "not-yet"
    """It was not restarted, or the set is still the one that boots next."""
    HERE = "here"
    """The new set runs."""
    TAKEN_BACK = "taken-back"
    """Somebody cancelled it."""
    DID_NOT_BOOT = "did-not-boot"
    """The old set runs, although the new one was tried."""


class Boots(NamedTuple):
    """The boot side, as far as an arrival goes by it.

    Attributes:
        restarted: whether the machine has booted since the update was chosen.
        runs: whether the new set runs.
        next: whether the new set is the one that boots next.
        untried: whether it still has all its tries and is not chosen.
    """

    restarted: bool
    runs: bool
    next: bool
    untried: bool


def arrival(boots: Boots) -> Arrival:
    """Tell how the machine came up."""
    if not boots.restarted:
        return Arrival.NOT_YET
    if boots.runs:
        return Arrival.HERE
    if boots.next:
        return Arrival.NOT_YET
    return Arrival.TAKEN_BACK if boots.untried else Arrival.DID_NOT_BOOT
