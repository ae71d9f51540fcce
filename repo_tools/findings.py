"""What a check found: a value with a level and a place. PURE.

A check never raises for what it looks at; it yields findings, all of them, and whoever asked
decides what they mean. An error is something provably wrong: some device will stumble over it. A
warning is probably wrong, or will be soon. A note is worth knowing.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum, unique


@unique
class Level(StrEnum):
    """How bad it is, the mildest first."""

    NOTE = "note"
    WARNING = "warning"
    ERROR = "error"


_RANK = {level: rank for rank, level in enumerate(Level)}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that a check found.

    Attributes:
        level: how bad.
        check: which check, a short stable name for programs.
        place: the file, the part of it, or the release.
        what: for people: what is wrong there, and where it is not plain, what to do.
    """

    level: Level
    check: str
    place: str
    what: str

    def __str__(self) -> str:
        return f"{self.place}: {self.what}"

    def as_json(self) -> dict[str, str]:
        """Members in a fixed order, for ``--json``."""
        return {
            "level": str(self.level),
            "check": self.check,
            "place": self.place,
            "what": self.what,
        }


@dataclass(frozen=True, slots=True)
class Check:
    """Makes the findings of one check at one place."""

    name: str
    place: str

    def error(self, what: str) -> Finding:
        """Some device will stumble over it."""
        return Finding(Level.ERROR, self.name, self.place, what)

    def warning(self, what: str) -> Finding:
        """It is probably wrong, or will be soon."""
        return Finding(Level.WARNING, self.name, self.place, what)

    def note(self, what: str) -> Finding:
        """It is worth knowing."""
        return Finding(Level.NOTE, self.name, self.place, what)


def worst(findings: Iterable[Finding]) -> Level | None:
    """The highest level among findings; None if there are none."""
    return max((finding.level for finding in findings), key=_RANK.__getitem__, default=None)


def worst_first(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Each finding once, errors first, otherwise in the order in which they were found."""
    unique_ones = dict.fromkeys(findings)
    return tuple(sorted(unique_ones, key=lambda finding: -_RANK[finding.level]))
