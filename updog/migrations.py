"""Which settings migrations lead from one version to another.

The migrator on the host searches again after the reboot, without us, so the chain here must be the
chain it finds: greedy, by the longest step that does not overshoot, never going back (formats 2.6).
"""

from __future__ import annotations

from collections import defaultdict

from updog.errors import MigrationError
from updog.manifest import Migrations, edge_key
from updog.version import Version

_HINT = "the publisher must list an edge for every step, with an empty list where nothing changes"


def path(migrations: Migrations, start: Version, end: Version) -> tuple[str, ...]:
    """The target names of the migrations from ``start`` to ``end``, in the order in which they run.

    The chain is always searched upwards; for a downgrade the whole list is reversed. An empty
    result means that no migration is needed.

    Raises:
        MigrationError: the chain ends before its goal, or an edge does not lead upwards, which
            would make the migrator walk in a circle.
    """
    low, high = sorted((start, end))
    steps: defaultdict[Version, list[Version]] = defaultdict(list)
    for source, target in migrations:
        if target <= high:
            steps[source].append(target)
    names: list[str] = []
    current = low
    while current != high:
        following = _step(current, high, steps[current])
        names += migrations[current, following]
        current = following
    return tuple(names if start <= end else reversed(names))


def _step(current: Version, goal: Version, reachable: list[Version]) -> Version:
    """The longest step from ``current``.

    A step backwards is only an error where the greedy search would really take it.
    """
    if not reachable:
        raise MigrationError(
            f"no migration leads from {current} on towards {goal}: the chain is cut", hint=_HINT
        )
    following = max(reachable)
    if following <= current:
        raise MigrationError(
            f"the migration {edge_key((current, following))} does not lead upwards to {goal}:"
            " the chain would never end",
            hint=_HINT,
        )
    return following
