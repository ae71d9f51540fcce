"""When each version was first offered to this host.

A repository signs when the waves of an update begin, but not when an update without waves was
published; the first time that this host saw it is the next best thing for its soak.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

from updog.durable import read_small, write_durably
from updog.errors import PermissionDenied, StorageError
from updog.version import Version
from waves.duration import format_moment, parse_moment

LIMIT = 1 << 20

log = logging.getLogger(__name__)


def first_seen(path: Path, offered: Iterable[Version], now: datetime) -> dict[Version, datetime]:
    """Note what is offered now, and return when each version was first offered.

    What is offered no longer is forgotten. A moment that has not come yet was told by a wrong clock
    and becomes now.
    """
    known = _recall(path)
    seen = {version: min(known.get(version, now), now) for version in offered}
    if seen != known:
        _keep(path, seen)
    return seen


def _recall(path: Path) -> dict[Version, datetime]:
    try:
        tree = json.loads(read_small(path, LIMIT) or b"{}")
        return {Version.parse(name): parse_moment(moment) for name, moment in tree.items()}
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        log.debug("when versions were first offered is not known: %s", error)
    except (StorageError, PermissionDenied) as error:
        log.warning("%s The soak of updates begins anew.", error)
    return {}


def _keep(path: Path, seen: dict[Version, datetime]) -> None:
    tree = {str(version): format_moment(moment) for version, moment in sorted(seen.items())}
    try:
        write_durably(path, json.dumps(tree, indent=2).encode() + b"\n")
    except (StorageError, PermissionDenied) as error:
        log.warning("%s The soak of updates begins anew with the next run.", error)
