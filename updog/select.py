"""Which update is for this host, and if none, why not and when (formats 4).

Every update meets the same rules in the same order; `explain` lists what each one meets, and
`choose` and `applicable` only read that off:

1. It is for the host's variant and architecture.
2. It is wanted: the version that ``--image`` or the lock names; without either, one newer than what
   runs, or any if what runs is above the maximum (that is how a release is recalled).
3. It is not above its own ``max_version``.
4. It is not blocked, and has not failed on this host.
5. Its wave has come and its soak is over, unless waves are ignored.

Of those that pass, the highest version is chosen. If none passes, the update that came furthest
tells why.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum, unique

from updog.manifest import Manifest, Update
from updog.version import Version
from waves.duration import format_moment


@dataclass(frozen=True, slots=True)
class Host:
    """Who asks.

    Args:
        variant: the kind of system, as in the manifest.
        arch: the machine's architecture, as in the manifest.
        version: what runs now.
        seed: the host's place in every rollout, 0 to ``waves.schedule.MAX_SEED - 1``.
    """

    variant: str
    arch: str
    version: Version
    seed: int


@dataclass(frozen=True, slots=True)
class Policy:
    """What the operator of this host decided.

    Args:
        version_lock: the one version wanted, older or newer; None follows the latest.
        ignore_waves: take an update before this host's turn, and before its soak is over.
        forced: exactly this version now (``--image``), past the lock and even if it already runs;
            variant, architecture, maximum, blocked versions and waves still hold.
        blocked: versions that must not be installed, compared exactly.
        bad: versions that failed on this host, compared exactly.
        soak: how long after its publication an update becomes this host's.
        seen: when this host was first offered a version; counts as the publication of an update
            without waves. Those with waves are published when the first one begins.
    """

    version_lock: Version | None = None
    ignore_waves: bool = False
    forced: Version | None = None
    blocked: frozenset[Version] = frozenset()
    bad: frozenset[Version] = frozenset()
    soak: timedelta = timedelta(0)
    seen: Mapping[Version, datetime] = field(default_factory=dict)


@unique
class Reason(StrEnum):
    """Why an update, or every update, is not for this host now; in the order of the rules."""

    NO_UPDATE_FOR_VARIANT_ARCH = "no-update-for-variant-arch"
    NOT_IN_REPOSITORY = "not-in-repository"
    """Of all updates: none has the version that ``--image`` or the lock names."""
    NOT_REQUESTED = "not-requested"
    """Of one update: ``--image`` names another."""
    UP_TO_DATE = "up-to-date"
    LOCKED = "locked"
    """The lock keeps the host from this update, or, of all: from the one it would take."""
    ABOVE_MAX = "above-max"
    BLOCKED = "blocked"
    HELD_BY_WAVE = "held-by-wave"
    SOAKING = "soaking"
    """Its wave has come, but others are to try it first."""
    SUPERSEDED = "superseded"
    """Of one update: it would do, but a higher version is chosen."""


_SHOWN = 10
"""Versions that a message names."""
_ORDER = {reason: place for place, reason in enumerate(Reason)}


@dataclass(frozen=True, slots=True)
class Chosen:
    """The update to install."""

    update: Update


@dataclass(frozen=True, slots=True)
class Declined:
    """There is nothing to install now.

    Args:
        reason: for programs.
        message: for people.
        ready_at: with `Reason.HELD_BY_WAVE` and `Reason.SOAKING`: when ``candidate`` becomes ready
            for this host.
        candidate: the update that came closest, if any.
    """

    reason: Reason
    message: str
    ready_at: datetime | None = None
    candidate: Update | None = None


@dataclass(frozen=True, slots=True)
class Objection:
    """One rule that an update does not meet, for programs and for people."""

    reason: Reason
    text: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the rules say about one update.

    Args:
        update: the update.
        accepted: it is the one that `choose` chooses.
        objections: the rules it does not meet, in their order; empty if accepted.
        ready_at: when its waves reach this host and its soak is over; None if it has neither.
    """

    update: Update
    accepted: bool
    objections: tuple[Objection, ...]
    ready_at: datetime | None

    @property
    def reasons(self) -> tuple[str, ...]:
        """The objections for people, one line each."""
        return tuple(objection.text for objection in self.objections)


def choose(manifest: Manifest, host: Host, policy: Policy, now: datetime) -> Chosen | Declined:
    """The update that this host should install at ``now``, or why there is none."""
    verdicts = explain(manifest, host, policy, now)
    chosen = next((verdict.update for verdict in verdicts if verdict.accepted), None)
    if chosen is not None:
        return Chosen(chosen)
    if policy.forced is None and policy.version_lock == host.version:
        return _declined_by_lock(manifest, host, policy, now)
    return _declined(verdicts, host, policy)


def applicable(manifest: Manifest, host: Host, policy: Policy, now: datetime) -> tuple[Update, ...]:
    """All updates this host could be given at ``now``, wanted or not, highest version first.

    That is the list of ``check-update --all``: every rule holds but the second.
    """
    ranked = _highest_first(manifest)
    return tuple(update for update in ranked if not any(_hindrances(update, host, policy, now)))


def explain(manifest: Manifest, host: Host, policy: Policy, now: datetime) -> tuple[Verdict, ...]:
    """What the rules say about every update in the manifest, highest version first."""
    verdicts: list[Verdict] = []
    chosen: Update | None = None
    for update in _highest_first(manifest):
        objections = _objections(update, host, policy, now)
        if not objections and chosen is not None:
            text = f"{chosen.version} is chosen, which is not lower"
            objections = (Objection(Reason.SUPERSEDED, text),)
        chosen = chosen if objections else update
        ready_at = _ready_at(update, host, policy, now)
        verdicts.append(Verdict(update, not objections, objections, ready_at))
    return tuple(verdicts)


def _highest_first(manifest: Manifest) -> list[Update]:
    return sorted(manifest.updates, key=lambda update: update.version, reverse=True)


def _objections(update: Update, host: Host, policy: Policy, now: datetime) -> tuple[Objection, ...]:
    """Everything against this update, in the order of the rules."""
    found = [*_hindrances(update, host, policy, now), *_not_wanted(update, host, policy)]
    return tuple(sorted(found, key=lambda objection: _ORDER[objection.reason]))


def _hindrances(update: Update, host: Host, policy: Policy, now: datetime) -> Iterator[Objection]:
    """What keeps the host from this update whether it wants it or not: rules 1, 3, 4 and 5."""
    if (update.variant, update.arch) != (host.variant, host.arch):
        text = f"for {update.variant} on {update.arch}"
        yield Objection(Reason.NO_UPDATE_FOR_VARIANT_ARCH, text)
    if update.version > update.max_version:
        text = f"{update.version} is above the maximum version {update.max_version}"
        yield Objection(Reason.ABOVE_MAX, text)
    if update.version in policy.blocked:
        text = f"{update.version} is among policy.blocked_versions"
        yield Objection(Reason.BLOCKED, text)
    if update.version in policy.bad:
        text = f"{update.version} failed on this host; 'updog bad-versions' tells why"
        yield Objection(Reason.BLOCKED, text)
    if not policy.ignore_waves:
        yield from _not_yet(update, host, policy, now)


def _not_yet(update: Update, host: Host, policy: Policy, now: datetime) -> Iterator[Objection]:
    """What only takes time: rule 5."""
    if not update.schedule.is_ready(host.seed, now):
        text = f"{update.version} is held back by its waves {_until(update, host)}"
        yield Objection(Reason.HELD_BY_WAVE, text)
    soaked_at = _soaked_at(update, policy, now)
    if soaked_at is not None and now < soaked_at:
        text = f"{update.version} is held back by policy.soak until {format_moment(soaked_at)}"
        yield Objection(Reason.SOAKING, text)


def _soaked_at(update: Update, policy: Policy, now: datetime) -> datetime | None:
    """When others have tried an update for long enough; None where nobody waits for them."""
    if not policy.soak:
        return None
    waves = update.schedule.waves
    published = waves[0].start if waves else policy.seen.get(update.version, now)
    return published + policy.soak


def _ready_at(update: Update, host: Host, policy: Policy, now: datetime) -> datetime | None:
    found = (update.schedule.ready_at(host.seed), _soaked_at(update, policy, now))
    return max((moment for moment in found if moment is not None), default=None)


def _until(update: Update, host: Host) -> str:
    ready_at = update.schedule.ready_at(host.seed)
    moment = "" if ready_at is None else f"until {format_moment(ready_at)} "
    return f"{moment}(seed {host.seed})"


def _not_wanted(update: Update, host: Host, policy: Policy) -> Iterator[Objection]:
    """Rule 2: the first of ``--image``, the lock and the latest that is set decides alone."""
    if policy.forced is not None:
        if update.version != policy.forced:
            yield Objection(Reason.NOT_REQUESTED, f"{policy.forced} is asked for")
    elif policy.version_lock is not None:
        yield from _not_locked(update, host, policy.version_lock)
    elif update.version <= host.version <= update.max_version:
        yield Objection(Reason.UP_TO_DATE, f"not newer than the running {host.version}")


def _not_locked(update: Update, host: Host, lock: Version) -> Iterator[Objection]:
    if update.version != lock:
        yield Objection(Reason.LOCKED, f"version_lock is {lock}")
    elif lock == host.version:
        yield Objection(Reason.UP_TO_DATE, f"{lock} is running")


def _declined_by_lock(manifest: Manifest, host: Host, policy: Policy, now: datetime) -> Declined:
    """The host runs what it is locked to: tell "nothing newer" from "the lock holds it back"."""
    unlocked = choose(manifest, host, replace(policy, version_lock=None), now)
    if isinstance(unlocked, Declined):
        return Declined(Reason.UP_TO_DATE, f"{host.version} is running, as version_lock asks")
    missed = unlocked.update
    text = f"version_lock keeps this host at {host.version}; {missed.version} is available"
    return Declined(Reason.LOCKED, text, candidate=missed)


def _declined(verdicts: tuple[Verdict, ...], host: Host, policy: Policy) -> Declined:
    """Why none passed: what the update says that came furthest, the highest version of equals."""
    system = f"{host.variant} on {host.arch}"
    # Verdicts come highest first, and `max` keeps the first of equals.
    closest = max(verdicts, key=_progress, default=None)
    if closest is None or closest.objections[0].reason is Reason.NO_UPDATE_FOR_VARIANT_ARCH:
        text = f"the repository has no update for {system}"
        return Declined(Reason.NO_UPDATE_FOR_VARIANT_ARCH, text)
    first = closest.objections[0]
    if first.reason in {Reason.NOT_REQUESTED, Reason.LOCKED}:
        there = _listed(verdicts, host)
        text = f"the repository has no {policy.forced or policy.version_lock} for {system}; {there}"
        return Declined(Reason.NOT_IN_REPOSITORY, text)
    if first.reason is Reason.UP_TO_DATE:
        text = f"{host.version} is running and the repository has nothing newer for {system}"
        return Declined(Reason.UP_TO_DATE, text)
    waiting = first.reason in {Reason.HELD_BY_WAVE, Reason.SOAKING}
    ready_at = closest.ready_at if waiting else None
    return Declined(first.reason, first.text, ready_at, closest.update)


def _listed(verdicts: tuple[Verdict, ...], host: Host) -> str:
    """Which versions there are for this kind of host, the highest first."""
    found = dict.fromkeys(
        str(update.version)
        for update in (verdict.update for verdict in verdicts)
        if (update.variant, update.arch) == (host.variant, host.arch)
    )
    shown, rest = list(found)[:_SHOWN], len(found) - _SHOWN
    return f"it has {', '.join(shown)}{f' and {rest} older ones' if rest > 0 else ''}"


def _progress(verdict: Verdict) -> int:
    return _ORDER[verdict.objections[0].reason]
