"""The changes of a running rollout, as edits of a manifest. PURE.

`waves.pause` and `waves.stretch` know what becomes of the waves; `halt` is about versions. Each
gives both manifests, so that whoever decides can compare them before anything is written.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum, unique
from fractions import Fraction

from updog.errors import UsageError
from updog.manifest import Manifest, Update
from updog.version import Version
from waves.errors import WaveError
from waves.pause import pause, resume
from waves.schedule import Schedule
from waves.stretch import expedite, extend


@unique
class Action(StrEnum):
    """What can be done to a rollout."""

    PAUSE = "pause"
    RESUME = "resume"
    EXTEND = "extend"
    EXPEDITE = "expedite"
    HALT = "halt"


@dataclass(frozen=True, slots=True)
class Which:
    """The update that is meant."""

    variant: str
    arch: str
    version: Version

    def __str__(self) -> str:
        return f"{self.variant} {self.arch} {self.version}"


@dataclass(frozen=True, slots=True)
class Change:
    """A rollout before and after.

    Attributes:
        action: what was done.
        now: when.
        old: the manifest before.
        new: the manifest after.
        before: the update in the old one.
        after: the update in the new one.
    """

    action: Action
    now: datetime
    old: Manifest
    new: Manifest
    before: Update
    after: Update


def change_waves(
    manifest: Manifest,
    which: Which,
    action: Action,
    now: datetime,
    by: Fraction | datetime | None = None,
) -> Change:
    """Pause, resume, extend or expedite.

    Args:
        manifest: the draft.
        which: whose rollout.
        action: anything but `Action.HALT`.
        now: the moment of the change; starts up to it stay.
        by: for extend and expedite: a factor, or when the last wave shall start.

    Raises:
        UsageError: there is no such update.
        WaveError: that cannot be done to its waves; the message names the update.
    """
    edits: dict[Action, Callable[[Schedule], Schedule]] = {
        Action.PAUSE: lambda schedule: pause(schedule, now),
        Action.RESUME: lambda schedule: resume(schedule, now),
        Action.EXTEND: lambda schedule: extend(schedule, now, by or Fraction(1)),
        Action.EXPEDITE: lambda schedule: expedite(schedule, now, by or Fraction(1)),
    }
    before = find(manifest, which)
    try:
        schedule = edits[action](before.schedule)
    except WaveError as error:
        raise WaveError(f"{which}: {error}") from None
    return _changed(manifest, before, replace(before, schedule=schedule), action, now)


def halt(manifest: Manifest, which: Which, now: datetime, cap: Version | None = None) -> Change:
    """Let no further host take the update: its own maximum goes below its version.

    The maximum of the other updates stays, so hosts that run it already are not called back: a
    client moves down only when an update that it may take has a maximum below what runs.

    Args:
        manifest: the draft.
        which: the update.
        now: the moment of the change.
        cap: the new maximum; None: the highest version below that the manifest knows.

    Raises:
        UsageError: there is no such update, it is halted already, or the cap is not below it.
    """
    before = find(manifest, which)
    if is_halted(before):
        raise UsageError(
            f"{which} is halted already: its maximum is {before.max_version}.",
            hint="Let it go on with: updog-repo set-max-version",
        )
    highest = cap if cap is not None else _below(manifest, before)
    if highest >= before.version:
        raise UsageError(
            f"A maximum of {highest} does not halt {before.version}; name a lower one."
        )
    return _changed(manifest, before, replace(before, max_version=highest), Action.HALT, now)


def is_halted(update: Update) -> bool:
    """Whether its own maximum keeps every host from it."""
    return update.version > update.max_version


def find(manifest: Manifest, which: Which) -> Update:
    """The update that is meant.

    Raises:
        UsageError: there is none.
    """
    for update in manifest.updates:
        if Which(update.variant, update.arch, update.version) == which:
            return update
    raise UsageError(
        f"The draft has no update for {which}, so nothing was changed.",
        hint="See what there is with: updog-repo show DIR",
    )


def _below(manifest: Manifest, halted: Update) -> Version:
    """The version most hosts come from; ``0.0.0`` if the manifest knows none."""
    known = {
        update.version
        for update in manifest.updates
        if (update.variant, update.arch) == (halted.variant, halted.arch)
    }
    known.update(version for edge in manifest.migrations for version in edge)
    lower = (version for version in known if version < halted.version)
    return max(lower, default=Version.parse("0.0.0"))


def _changed(
    manifest: Manifest, before: Update, after: Update, action: Action, now: datetime
) -> Change:
    updates = tuple(after if update is before else update for update in manifest.updates)
    return Change(action, now, manifest, replace(manifest, updates=updates), before, after)
