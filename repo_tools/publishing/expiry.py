"""How long published metadata is still good, and what a monitor should make of it. PURE.

The states are those that monitors know, with their exit codes. A state is about now: metadata that
is still valid but soon not is a warning while somebody can act in office hours, and critical when
nobody should sleep.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import IntEnum, unique

from repo_tools.publishing.spans import told
from waves.duration import format_moment

ROOT = "root"


@unique
class State(IntEnum):
    """What a monitor should show; the value is the exit code."""

    OK = 0
    WARNING = 1
    CRITICAL = 2


@dataclass(frozen=True, slots=True)
class Limits:
    """From how long before an expiry a state is no longer OK.

    Attributes:
        warning: for targets, snapshot and timestamp.
        critical: for the same.
        root_warning: for the root, whose renewal takes people and keys from safes.
        root_critical: for the root.
    """

    warning: timedelta = timedelta(days=3)
    critical: timedelta = timedelta(days=1)
    root_warning: timedelta = timedelta(days=30)
    root_critical: timedelta = timedelta(days=7)

    def state(self, role: str, left: timedelta) -> State:
        """The state of a role that expires after ``left``."""
        root = role == ROOT
        if left <= (self.root_critical if root else self.critical):
            return State.CRITICAL
        return State.WARNING if left <= (self.root_warning if root else self.warning) else State.OK


@dataclass(frozen=True, slots=True)
class Expiry:
    """One role's metadata."""

    role: str
    version: int
    expires: datetime


@dataclass(frozen=True, slots=True)
class Sight:
    """What was seen of one edition.

    Attributes:
        variant: of the edition.
        arch: of the edition.
        expiries: of its roles, the root first; empty if there is a problem.
        targets: how many files are signed.
        target_bytes: the bytes of all of them.
        problem: why no client could follow it; empty if all is well.
    """

    variant: str
    arch: str
    expiries: tuple[Expiry, ...] = ()
    targets: int = 0
    target_bytes: int = 0
    problem: str = ""

    def state(self, limits: Limits, now: datetime) -> State:
        """The worst state of all roles."""
        if self.problem or not self.expiries:
            return State.CRITICAL
        return max(limits.state(each.role, each.expires - now) for each in self.expiries)

    def line(self, limits: Limits, now: datetime) -> str:
        """The state and its cause, for people."""
        state = self.state(limits, now)
        start = f"{state.name} {self.variant} {self.arch}".rstrip()
        if self.problem or not self.expiries:
            return f"{start}: {self.problem}"
        # The cause is the one that is worst off, not always the first to expire.
        worst = max(
            self.expiries,
            key=lambda each: (limits.state(each.role, each.expires - now), now - each.expires),
        )
        left = worst.expires - now
        ends = "has expired" if left <= timedelta(0) else f"expires in {told(left)}"
        return f"{start}: {worst.role} {worst.version} {ends}, {format_moment(worst.expires)}"


def worst(sights: Iterable[Sight], limits: Limits, now: datetime) -> State:
    """The worst state of several editions; critical if there are none."""
    return max((sight.state(limits, now) for sight in sights), default=State.CRITICAL)


def as_json(sights: Sequence[Sight], limits: Limits, now: datetime) -> dict[str, object]:
    """The same as an object, for ``--json``."""
    return {
        "state": worst(sights, limits, now).name.lower(),
        "now": format_moment(now),
        "editions": [_edition(sight, limits, now) for sight in sights],
    }


def _edition(sight: Sight, limits: Limits, now: datetime) -> dict[str, object]:
    return {
        "variant": sight.variant,
        "arch": sight.arch,
        "state": sight.state(limits, now).name.lower(),
        "problem": sight.problem or None,
        "roles": [
            {
                "role": each.role,
                "version": each.version,
                "expires": format_moment(each.expires),
                "seconds_left": int((each.expires - now).total_seconds()),
                "state": limits.state(each.role, each.expires - now).name.lower(),
            }
            for each in sight.expiries
        ],
    }
