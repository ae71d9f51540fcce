"""The names of the two partition sets. PURE.

They stand apart from the layout: a configuration names a set and needs no partition table.
"""

from __future__ import annotations

from enum import StrEnum


class Slot(StrEnum):
    """The name of a partition set."""

    A = "A"
    B = "B"

    @property
    def other(self) -> Slot:
        """The name of the other set."""
        return Slot.B if self is Slot.A else Slot.A
