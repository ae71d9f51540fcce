"""Find out what time a run has: the clock, and the build time of the image below it.

Nothing is written and no network is asked: what cannot be signed cannot move the floor.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

from updog import timepolicy
from updog.durable import read_small
from updog.errors import PermissionDenied, StorageError
from updog.settings import Paths
from updog.timepolicy import TimeOfRun
from waves.duration import parse_moment

_ROOT_LIMIT = 1 << 20
_WRONG = (ValueError, LookupError, TypeError, RecursionError)


def time_of_run(
    told: datetime, paths: Paths, synchronised: Callable[[], bool | None] = lambda: None
) -> TimeOfRun:
    """Return the time of a run.

    Args:
        told: what the clock says.
        paths: where the image's root and os-release lie.
        synchronised: whether somebody keeps the clock right; asking costs time, so the default does
            not.
    """
    return TimeOfRun(told, _floor(paths), bool(synchronised()))


def _floor(paths: Paths) -> datetime | None:
    expires = _root_expires(paths.trusted_root)
    built = _made((paths.trusted_root, paths.os_release))
    return None if expires is None else timepolicy.floor(built, expires)


def _root_expires(path: Path) -> datetime | None:
    """When the image's root expires; whether it is one at all is for the refresh to say."""
    try:
        content = read_small(path, _ROOT_LIMIT)
        return None if content is None else parse_moment(json.loads(content)["signed"]["expires"])
    except (*_WRONG, StorageError, PermissionDenied):
        return None


def _made(paths: tuple[Path, ...]) -> Iterator[datetime]:
    for path in paths:
        try:
            yield datetime.fromtimestamp(path.stat().st_mtime, UTC)
        except (OSError, OverflowError, ValueError):
            continue
