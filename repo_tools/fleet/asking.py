"""What somebody wants to know about a fleet. PURE."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from updog.version import Version
from waves.schedule import Schedule

GRACE = timedelta(days=1)
"""How long after its first image a host may take to report the release."""


class HostBy(StrEnum):
    """What tells one host from another; the logs know an address and a seed of it."""

    BOTH = "both"
    SEED = "seed"
    IP = "ip"


@dataclass(frozen=True, slots=True)
class Question:
    """What a report is about.

    Attributes:
        version: the release whose rollout is looked at.
        schedule: its waves; None: there is no plan to compare with.
        variant: only hosts of this one; None: all.
        arch: the same.
        by: what tells hosts apart.
        grace: after this time a host that fetched an image should have reported the release.
    """

    version: Version
    schedule: Schedule | None = None
    variant: str | None = None
    arch: str | None = None
    by: HostBy = HostBy.BOTH
    grace: timedelta = GRACE
