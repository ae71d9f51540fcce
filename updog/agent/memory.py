"""What the agent keeps between its runs; losing it costs a question to the repository."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from updog.durable import read_small, write_durably
from updog.errors import PermissionDenied, StorageError
from waves.duration import format_moment, parse_moment

LIMIT = 64 << 10

log = logging.getLogger(__name__)


class Memory(NamedTuple):
    """What is kept; see `updog.agent.decide.Known` for the meaning.

    Attributes:
        day: the day that `spent` is of, on the clock of the zone.
        spent: bytes that were fetched on it.
    """

    checked: datetime | None = None
    chosen: str = ""
    ready_at: datetime | None = None
    failures: int = 0
    failed: datetime | None = None
    restarting: datetime | None = None
    day: str = ""
    spent: int = 0


_MOMENTS = ("checked", "ready_at", "failed", "restarting")


def recall(path: Path) -> Memory:
    """What was kept; nothing where it cannot be read."""
    try:
        return _from_tree(json.loads(read_small(path, LIMIT) or b"{}"))
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        log.debug("%s counts as empty: %s", path, error)
    except (StorageError, PermissionDenied) as error:
        log.warning("%s", error)
    return Memory()


def keep(path: Path, memory: Memory) -> None:
    """Keep it, unless it is kept already; a file system that refuses is no reason to stop."""
    tree = {
        name: format_moment(value) if isinstance(value, datetime) else value
        for name, value in memory._asdict().items()
    }
    content = json.dumps(tree, indent=2).encode() + b"\n"
    try:
        if read_small(path, LIMIT) != content:
            write_durably(path, content)
    except (StorageError, PermissionDenied) as error:
        log.warning("%s", error)


def _from_tree(tree: Mapping[str, object]) -> Memory:
    moments = {name: _moment(tree.get(name)) for name in _MOMENTS}
    texts = {name: str(tree.get(name) or "") for name in ("chosen", "day")}
    numbers = {name: _number(tree.get(name)) for name in ("failures", "spent")}
    return Memory(**moments, **texts, **numbers)  # type: ignore[arg-type]


def _moment(value: object) -> datetime | None:
    return parse_moment(value) if isinstance(value, str) else None


def _number(value: object) -> int:
    return max(value, 0) if isinstance(value, int) else 0
