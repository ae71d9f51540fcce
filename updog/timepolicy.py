"""How far the clock is believed (docs/threat-model.md, "Time"). PURE.

A clock that runs behind keeps expired metadata alive, one that runs ahead kills good metadata. No
server is asked for the time, since nobody signs the answer. What is known without the clock is the
moment the image was built: its files cannot be older than that, and verified boot vouches for them.
That moment is the floor. It has a signed bound: an image is not built after its own root expired,
so a later floor is no build time, and counts for nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from waves.duration import format_moment


class Confidence(StrEnum):
    """What the clock's reading is worth."""

    TRUSTED = "trusted"
    """Somebody keeps the clock right, and it is not behind the floor."""
    PLAUSIBLE = "plausible"
    """It is not behind the floor; nobody vouches for more."""
    UNKNOWN = "unknown"
    """It is behind the floor, so it is wrong; the floor stands in for it."""


@dataclass(frozen=True, slots=True)
class TimeOfRun:
    """The one time of a run, and how it came about.

    Attributes:
        told: what the clock says.
        floor: a moment that has passed for certain, or None where none is known.
        synchronised: whether somebody keeps the clock right.
    """

    told: datetime
    floor: datetime | None = None
    synchronised: bool = False

    @property
    def now(self) -> datetime:
        """The time to judge by: the clock's, but never before the floor."""
        return self.told if self.floor is None else max(self.told, self.floor)

    @property
    def confidence(self) -> Confidence:
        """What that is worth."""
        if self.floor is not None and self.told < self.floor:
            return Confidence.UNKNOWN
        return Confidence.TRUSTED if self.synchronised else Confidence.PLAUSIBLE

    @property
    def sentence(self) -> str:
        """The same for people, in one line."""
        if self.floor is not None and self.confidence is Confidence.UNKNOWN:
            return (
                f"The clock says {format_moment(self.told)}, before this image was built;"
                f" {format_moment(self.floor)} is taken instead, and metadata that expired since"
                " then cannot be told."
            )
        kept = "is" if self.synchronised else "is not known to be"
        return f"{format_moment(self.told)}; the clock {kept} kept synchronised"


def floor(built: Iterable[datetime], root_expires: datetime) -> datetime | None:
    """Return the moment that has passed for certain.

    Args:
        built: when files of the image were made, by its builder's clock.
        root_expires: when the image's own root expires, as signed.
    """
    latest = max(built, default=None)
    return None if latest is None or latest >= root_expires else latest
