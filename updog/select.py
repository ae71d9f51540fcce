"""Which update is for this host, and if none, why not and when (formats 4)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum, unique

from updog.manifest import Manifest, Update
from updog.version import Version


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
        ignore_waves: take an update before this host's turn.
        forced: exactly this version now (``--image``), past the lock and even if it already runs;
            variant, architecture, maximum, blocked versions and waves still hold.
        blocked: versions that must not be installed, compared exactly.
    """

    version_lock: Version | None = None
    ignore_waves: bool = False
    forced: Version | None = None
    blocked: frozenset[Version] = frozenset()


@unique
class Reason(StrEnum):
    """Why an update, or every update, is not for this host now."""

    NO_UPDATE_FOR_VARIANT_ARCH = "no-update-for-variant-arch"
    NOT_IN_REPOSITORY = "not-in-repository"
    UP_TO_DATE = "up-to-date"
    LOCKED = "locked"
    ABOVE_MAX = "above-max"
    BLOCKED = "blocked"
    HELD_BY_WAVE = "held-by-wave"


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
        ready_at: with `Reason.HELD_BY_WAVE`: when ``candidate`` becomes ready for this host.
        candidate: the update that came closest, if any.
    """

    reason: Reason
    message: str
    ready_at: datetime | None = None
    candidate: Update | None = None
