"""Which servers failed lately, kept between runs: advice about the order in which to ask, no more.

Whoever can write the state directory can change that order and nothing else: no server is ever left
out because of it, and every byte is verified wherever it comes from. So nothing is signed here,
and a file that is lost, damaged or cannot be written is as good as none.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Protocol

from updog.durable import read_small, write_durably
from updog.errors import UpdogError
from waves.duration import format_moment, parse_moment

KEPT_FOR = timedelta(hours=1)
"""Long enough that each of a fleet's runs does not wait for a dead server first."""
EVERY = timedelta(minutes=1)
"""How old an entry has to be before the same failure is written once more."""
LIMIT = 16 << 10
MOST = 64
log = logging.getLogger(__name__)


class Memory(Protocol):
    """What remembers failures of servers, each known by its base address."""

    def order(self, bases: Sequence[str]) -> list[str]:
        """Return all of them, those that failed lately last."""

    def failed(self, base: str) -> None:
        """Take down that a server failed."""

    def answered(self, base: str) -> None:
        """Take down that a server sent what it should."""


class NoMemory:
    """Remembers nothing."""

    def order(self, bases: Sequence[str]) -> list[str]:
        """See `Memory`."""
        return list(bases)

    def failed(self, base: str) -> None:
        """See `Memory`."""

    def answered(self, base: str) -> None:
        """See `Memory`."""


class MirrorMemory:
    """Failures in a small file.

    Addresses may hold passwords, so only their digests are written.

    Args:
        path: the file; made with its folder when there is something to remember.
        now: the time of the run.
    """

    def __init__(self, path: Path, now: datetime) -> None:
        self._path = path
        # What is written has whole seconds, and must not lie ahead of the run that reads it.
        self._now = now.replace(microsecond=0)
        self._failed = _recent(_read(path), now)

    def order(self, bases: Sequence[str]) -> list[str]:
        """See `Memory`."""
        return sorted(bases, key=lambda base: _key(base) in self._failed)

    def failed(self, base: str) -> None:
        """See `Memory`."""
        before = self._failed.get(_key(base))
        if before is None or self._now - before >= EVERY:
            self._failed[_key(base)] = self._now
            self._write()

    def answered(self, base: str) -> None:
        """See `Memory`."""
        if self._failed.pop(_key(base), None) is not None:
            self._write()

    def _write(self) -> None:
        newest = sorted(self._failed.items(), key=lambda item: item[1])[-MOST:]
        tree = {key: format_moment(moment) for key, moment in newest}
        try:
            write_durably(self._path, json.dumps(tree).encode())
        except UpdogError as error:
            log.debug("which servers failed is not remembered: %s", error)


def _key(base: str) -> str:
    return sha256(base.encode("utf-8", errors="surrogateescape")).hexdigest()


def _read(path: Path) -> Mapping[str, object]:
    try:
        tree = json.loads(read_small(path, LIMIT) or b"{}")
    except (UpdogError, ValueError, RecursionError) as error:
        log.debug("which servers failed cannot be read: %s", error)
        return {}
    return tree if isinstance(tree, dict) else {}


def _recent(tree: Mapping[str, object], now: datetime) -> dict[str, datetime]:
    """What counts: neither old nor from a clock that ran ahead."""
    moments = _moments(tree.items())
    return {key: moment for key, moment in moments if moment <= now < moment + KEPT_FOR}


def _moments(items: Iterable[tuple[str, object]]) -> Iterable[tuple[str, datetime]]:
    for key, said in items:
        try:
            yield key, parse_moment(said if isinstance(said, str) else "")
        except (ValueError, OverflowError):
            continue
