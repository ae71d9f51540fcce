"""What a host remembers of its updates: those that failed here, and the one that is to be judged.

All of it is one small file that is replaced as a whole, so that a power cut leaves the state before
or after a verdict, never half of one.
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from updog.durable import make_folder, read_small, write_durably
from updog.errors import PermissionDenied, StorageError

LIMIT = 1 << 20
KEPT = 100
"""So many bad versions are remembered; the oldest go first."""

log = logging.getLogger(__name__)


class Bad(NamedTuple):
    """A version that is not taken again.

    Attributes:
        version: which.
        since: when it failed, RFC 3339.
        why: one sentence.
    """

    version: str
    since: str
    why: str


class Pending(NamedTuple):
    """An update that was chosen for the next boot, and how the machine was before.

    Attributes:
        version: which; empty where nobody knows.
        slot: the set it was written to.
        boot_id: the boot during which it was chosen.
        checks: by name, whether a check passed then.
    """

    version: str
    slot: str
    boot_id: str
    checks: Mapping[str, bool] = MappingProxyType({})


class Record(NamedTuple):
    """Everything that is remembered.

    Attributes:
        bad: versions that failed here, the oldest first.
        pending: the update that is to be judged.
        rollbacks: restarts that the gate caused since a new set was last confirmed.
        given_up: sets that the gate left since then.
    """

    bad: tuple[Bad, ...] = ()
    pending: Pending | None = None
    rollbacks: int = 0
    given_up: tuple[str, ...] = ()

    def noting(self, bad: Bad) -> Record:
        """The same with one more bad version; noted again, it keeps its first reason."""
        if not bad.version or any(known.version == bad.version for known in self.bad):
            return self
        return self._replace(bad=(*self.bad, bad)[-KEPT:])

    def clearing(self, version: str) -> Record:
        """The same without one bad version."""
        return self._replace(bad=tuple(each for each in self.bad if each.version != version))


def load(path: Path) -> Record:
    """Read the record; empty where there is none, or none that can be understood.

    Raises:
        StorageError: the file system refused.
        PermissionDenied: this user may not read it.
    """
    content = read_small(path, LIMIT)
    if content is None:
        return Record()
    try:
        return _from_tree(json.loads(content))
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        # It is written whole or not at all, so this is a damaged disk or a foreign hand. To stop
        # all updates for ever would be worse than to try a bad version once more.
        log.warning("%s cannot be understood and counts as empty: %s", path, error)
        return Record()


def change(path: Path, how: Callable[[Record], Record]) -> Record:
    """Change the record, and return the new one when it is on stable storage.

    Raises:
        StorageError: the file system refused.
        PermissionDenied: this user may not write there.
    """
    with _alone(path.with_suffix(".lock")):
        before = load(path)
        after = how(before)
        if after != before:
            write_durably(path, json.dumps(_tree(after), indent=2).encode() + b"\n")
        return after


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Keep others from changing the record in between; nobody holds this for long."""
    try:
        make_folder(path.parent)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except PermissionError as error:
        raise PermissionDenied(f"{path} may not be locked.", hint="Run as root.") from error
    except OSError as error:
        raise StorageError(f"{path} cannot be locked: {error.strerror}.") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _tree(record: Record) -> dict[str, object]:
    pending = record.pending
    return {
        "bad": [each._asdict() for each in record.bad],
        "pending": None
        if pending is None
        else {**pending._asdict(), "checks": dict(pending.checks)},
        "rollbacks": record.rollbacks,
        "given_up": list(record.given_up),
    }


def _from_tree(tree: dict[str, object]) -> Record:
    bad, given_up, rollbacks = tree["bad"], tree["given_up"], tree["rollbacks"]
    if not (isinstance(bad, list) and isinstance(given_up, list) and isinstance(rollbacks, int)):
        raise TypeError("a member is of another kind")
    return Record(
        tuple(Bad(str(each["version"]), str(each["since"]), str(each["why"])) for each in bad),
        _pending(tree["pending"]),
        max(rollbacks, 0),
        tuple(map(str, given_up)),
    )


def _pending(tree: object) -> Pending | None:
    if not isinstance(tree, dict):
        return None
    checks = {str(name): bool(passed) for name, passed in tree["checks"].items()}
    return Pending(str(tree["version"]), str(tree["slot"]), str(tree["boot_id"]), checks)
