"""What came of a migration, or of a rehearsal of one. PURE."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

from updog.datastore.tree import Change, Store, Tree, changes
from updog.version import Version


class Way(StrEnum):
    """Where a migration goes; the first two are also what its program is called with."""

    FORWARD = "forward"
    BACKWARD = "backward"
    STAY = "none"

    @classmethod
    def between(cls, start: Version, end: Version) -> Way:
        """The way from one version to another."""
        if start == end:
            return cls.STAY
        return cls.FORWARD if start < end else cls.BACKWARD

    @property
    def back(self) -> Way:
        """The opposite way."""
        return {Way.FORWARD: Way.BACKWARD, Way.BACKWARD: Way.FORWARD}.get(self, self)


@dataclass(frozen=True, slots=True)
class Journey:
    """Which migrations lead from the version of a store to another.

    Attributes:
        start: the version of the store; None where there is no store yet.
        end: the version it is for afterwards.
        migrations: their target names, in the order in which they run.
        remarks: what a person should know, such as what could not be locked.
    """

    start: Version | None
    end: Version
    migrations: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()

    @property
    def way(self) -> Way:
        """Where it goes."""
        return Way.STAY if self.start is None else Way.between(self.start, self.end)

    def remarking(self, *further: str) -> Journey:
        """The same with further remarks, each said once."""
        return replace(self, remarks=tuple(dict.fromkeys((*self.remarks, *further))))


@dataclass(frozen=True, slots=True)
class Migrated:
    """A store that is in use.

    Attributes:
        journey: how it came about.
        store: its folder; None where there is none yet.
        kept: the folder of the store before it, as it was; None if that is the same.
        collected: names of older stores that were removed.
    """

    journey: Journey
    store: Path | None
    kept: Path | None = None
    collected: tuple[str, ...] = ()


class TreeChange(NamedTuple):
    """A cell that differs, and in which tree."""

    tree: str
    change: Change


@dataclass(frozen=True, slots=True)
class Rehearsed:
    """What the migrations would do, found out on a copy.

    Attributes:
        journey: the way there; its migrations ran backwards as well.
        changed: what differs after the way there.
        not_restored: what differs after the way there and back.
    """

    journey: Journey
    changed: tuple[TreeChange, ...]
    not_restored: tuple[TreeChange, ...]


def differences(before: Store, after: Store) -> Iterator[TreeChange]:
    """Yield what differs between two stores, tree by tree."""
    old, new = before.trees(), after.trees()
    for name in dict.fromkeys((*old, *new)):
        for change in changes(old.get(name, Tree()), new.get(name, Tree())):
            yield TreeChange(name, change)
