"""What a report on a fleet is made of. PURE."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from repo_tools.fleet.asking import Question


class State(StrEnum):
    """Where a host stands with regard to the release; the order is that of a rollout."""

    WAITING = "waiting"
    ABSENT = "absent"
    DUE = "due"
    ON_THE_WAY = "on the way"
    RUNNING = "running"
    AHEAD = "ahead"
    UNCHANGED = "unchanged"
    SILENT = "silent"
    ROLLED_BACK = "rolled back"


MEANING = {
    State.WAITING: "its wave has not reached it",
    State.ABSENT: "its turn has come, and it has not asked since",
    State.DUE: "could have begun, and has fetched nothing",
    State.ON_THE_WAY: "fetched an image a short while ago",
    State.RUNNING: "reports the release",
    State.AHEAD: "reports a newer release",
    State.UNCHANGED: "fetched an image, and still reports what it ran before",
    State.SILENT: "fetched an image, and was never heard again",
    State.ROLLED_BACK: "has reported the release, and reports an older one now",
}

LOST = (State.UNCHANGED, State.SILENT, State.ROLLED_BACK)
"""The failures to come back."""


@dataclass(frozen=True, slots=True)
class Lines:
    """What the lines of the logs were.

    Attributes:
        kinds: how many of each kind; ``other`` are no client's that tells seed and version.
        rejected: lines that are not text or too long, not in `kinds`; at least.
        samples: beginnings of some that could not be read.
    """

    kinds: dict[str, int]
    rejected: int
    samples: tuple[str, ...]

    @property
    def unreadable(self) -> int:
        """Lines that could not be read."""
        return self.kinds.get("unreadable", 0) + self.rejected

    @property
    def total(self) -> int:
        """All lines that are not empty."""
        return sum(self.kinds.values()) + self.rejected


@dataclass(frozen=True, slots=True)
class VersionCount:
    """Hosts that reported a version last."""

    version: str
    variant: str | None
    arch: str | None
    hosts: int
    first_seen: datetime
    last_seen: datetime


@dataclass(frozen=True, slots=True)
class DayCount:
    """Hosts heard on a day with a version."""

    day: datetime
    version: str
    hosts: int


@dataclass(frozen=True, slots=True)
class WaveCount:
    """How far a wave is.

    Attributes:
        wave: its number, from 0.
        first_ready: when its first host seen in the logs is ready.
        last_ready: the same of its last.
        hosts: that belong to it.
        due: those whose turn had come when the logs end.
        fetched: an image of the release.
        updated: those that report it, or a newer one.
        lost: those that failed to come back.
        early: those that fetched before their turn.
    """

    wave: int
    first_ready: datetime
    last_ready: datetime
    hosts: int
    due: int
    fetched: int
    updated: int
    lost: int
    early: int


@dataclass(frozen=True, slots=True)
class Event:
    """Hosts to which something happened first in an hour: ``ready``, ``fetched``, ``reported``."""

    hour: datetime
    event: str
    hosts: int


@dataclass(frozen=True, slots=True)
class LostHost:
    """A host that failed to come back; attributes as the columns of ``lost.sql``."""

    ip: str
    seed: int
    state: State
    version: str
    variant: str | None
    arch: str | None
    first_image_at: datetime | None
    last_image_at: datetime | None
    reported_at: datetime | None
    last_seen: datetime
    image_bytes: int


@dataclass(frozen=True, slots=True)
class Traffic:
    """What clients asked for in an hour; bytes are those sent."""

    hour: datetime
    requests: int
    bytes: int
    image_bytes: int
    refused: int


@dataclass(frozen=True, slots=True)
class Fleet:
    """A report on a fleet.

    Attributes:
        question: what was asked.
        begin: of the logs.
        end: of the logs.
        lines: what was read.
        versions: most hosts first.
        days: by day.
        states: hosts by state, in the order of `State`.
        waves: against the plan; empty without one.
        progress: by hour.
        lost: some of the hosts that failed to come back, by the time of their fetch.
        traffic: by hour.
    """

    question: Question
    begin: datetime
    end: datetime
    lines: Lines
    versions: tuple[VersionCount, ...]
    days: tuple[DayCount, ...]
    states: dict[State, int]
    waves: tuple[WaveCount, ...]
    progress: tuple[Event, ...]
    lost: tuple[LostHost, ...]
    traffic: tuple[Traffic, ...]

    @property
    def hosts(self) -> int:
        """All hosts that are counted."""
        return sum(self.states.values())

    @property
    def lost_count(self) -> int:
        """Hosts that failed to come back, all of them."""
        return sum(self.states.get(state, 0) for state in LOST)
