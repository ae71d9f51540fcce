"""What the updater writes on instances, as custom attributes of ECS. PURE.

Three attributes. `CLAIM` says which run has an instance, how far it is, and that it lives: it is
renewed again and again, so that a run that was killed is told from one that is at work. `FAILED`
remembers an update that did not work here. `HOLD` is for people: the updater leaves such an
instance alone, whatever its value.

ECS knows no conditional write and no lease; what that means stands in docs/ecs.md. It takes 128
characters of a small alphabet for a value, which has no ``+``: a version is written with ``@`` for
it, which no version contains.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum, unique
from typing import Self

CLAIM = "updog.update"
FAILED = "updog.failed"
HOLD = "updog.hold"
MAX_VALUE = 128
_TIME = "%Y%m%dT%H%M%S.%f"
_NONE = "-"


@unique
class Phase(StrEnum):
    """How far a run is with an instance."""

    CLAIMED = "claimed"
    """Nothing has been done to it."""
    DRAINING = "draining"
    """The run has drained it, or is about to."""
    REBOOTING = "rebooting"
    """The run has asked it to restart, or is about to."""


@dataclass(frozen=True, slots=True)
class Mark:
    """A claim on an instance.

    Attributes:
        run: who has it.
        phase: how far it is.
        since: when it was claimed.
        renewed: when the run was last known to live.
        before: the version it ran; empty if unknown.
        expected: the version it is to run; empty if unknown.
    """

    run: str
    phase: Phase
    since: datetime
    renewed: datetime
    before: str = ""
    expected: str = ""

    def text(self) -> str:
        """The value of the attribute; versions too long for it are left out."""
        head = f"{self.run} {self.phase} {_told(self.since)} {_told(self.renewed)}"
        full = f"{head} {_written(self.before)} {_written(self.expected)}"
        return full if len(full) <= MAX_VALUE else f"{head} {_NONE} {_NONE}"

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """The claim that a value says; None for what we did not write."""
        try:
            run, phase, since, renewed, before, expected = text.split(" ")
            return cls(
                run, Phase(phase), _time(since), _time(renewed), _read(before), _read(expected)
            )
        except ValueError:
            return None

    def at(self, phase: Phase, now: datetime) -> Self:
        """The same claim in another phase."""
        return replace(self, phase=phase, renewed=now)

    def is_abandoned(self, now: datetime, stale_after: timedelta) -> bool:
        """Whether nobody has renewed it for so long that its run must be dead."""
        return now - self.renewed > stale_after


@dataclass(frozen=True, slots=True)
class Failure:
    """An update that did not work on an instance.

    Attributes:
        version: that was to run; empty if unknown.
        attempts: how often it was tried.
        at: when it was tried last.
    """

    version: str
    attempts: int
    at: datetime

    def text(self) -> str:
        """The value of the attribute."""
        full = f"{_written(self.version)} {self.attempts} {_told(self.at)}"
        return full if len(full) <= MAX_VALUE else f"{_NONE} {self.attempts} {_told(self.at)}"

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """The failure that a value says; None for what we did not write."""
        try:
            version, attempts, at = text.split(" ")
            return cls(_read(version), int(attempts), _time(at))
        except ValueError:
            return None


def next_failure(last: Failure | None, version: str, now: datetime) -> Failure:
    """What is remembered after one more failure."""
    again = last is not None and last.version == version
    return Failure(version, last.attempts + 1 if last is not None and again else 1, now)


def _told(moment: datetime) -> str:
    # To the millisecond: of two claims the older one goes first.
    return moment.astimezone(UTC).strftime(_TIME)[:-3]


def _time(text: str) -> datetime:
    return datetime.strptime(text, _TIME).replace(tzinfo=UTC)


def _written(version: str) -> str:
    return version.replace("+", "@") or _NONE


def _read(text: str) -> str:
    return "" if text == _NONE else text.replace("@", "+")
