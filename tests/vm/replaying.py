"""All that a power cut could have left of a recorded run, looked at one by one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from tests.vm.drive import Event
from tests.vm.powercuts import SECTOR, Bounds, states, stretches
from tests.vm.wholeness import Known, Wholeness

HASHED_EVERY = 300
"""Of so many disks, one is hashed as a whole as well."""


@dataclass
class Found:
    """What came out of a replay.

    Attributes:
        states: disks looked at.
        boots: how often each version is what boots first.
        bad: disks without a whole set to boot, as (position in the log, what would boot).
        stretches: stretches between flushes in which anything was in doubt.
        hashed: disks that were checked the slow way as well.
    """

    states: int = 0
    boots: Counter[str | None] = field(default_factory=Counter)
    bad: list[str] = field(default_factory=list)
    stretches: int = 0
    hashed: int = 0


def replay(image: Path, log: Sequence[Event], known: Sequence[Known], bounds: Bounds) -> Found:
    """Look at the disks that power cuts could leave."""
    disk = np.memmap(image, np.uint8, "c").reshape(-1, SECTOR)
    wholeness = Wholeness(image, disk, known)
    found, chance = Found(), np.random.default_rng(0)
    for stretch in stretches(log, disk):
        wholeness.look(stretch)
        found.stretches += bool(len(stretch.sectors))
        for state in states(stretch, bounds, chance):
            verdict = wholeness.judge(stretch, state)
            found.states += 1
            found.boots[verdict.versions[0] if verdict.boots else None] += 1
            if not verdict.good:
                found.bad.append(f"event {stretch.position}: {verdict}")
            if found.states % HASHED_EVERY == 0:
                assert wholeness.hashed(stretch, state) == verdict
                found.hashed += 1
    return found
