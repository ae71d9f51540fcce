"""A lock that is an object in a bucket, for publishers on different machines.

It comes into being by a conditional write, so that of two publishers one gets it. While a run
lasts, it is written again every third of its term. A publisher that finds the object in its way
takes it over, by a conditional write again, in two cases only:

1. the process named in it ran on this very machine and has ended: nobody will let go of it;
2. it has not been written for its whole term, by the server's own two times.

Safety does not hang on this: a publisher that was stopped for longer than the term and wakes up
finds its conditional write of ``timestamp.json`` refused. The lock keeps two from wasting work.
"""

from __future__ import annotations

import json
import secrets
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from datetime import timedelta

from repo_tools.errors import PublisherBusy
from repo_tools.stores.bucket import ABSENT, Bucket, Changed, Stored
from repo_tools.stores.headers import Headers
from repo_tools.stores.place import TERM
from repo_tools.stores.process import Process, this_process
from updog.errors import ConfigError, UpdogError

_RENEWALS_PER_TERM = 3
_ATTEMPTS = 5
_HEADERS = Headers("application/json", "no-store")


def _draw() -> str:
    return secrets.token_hex(8)


@dataclass(slots=True)
class Lease:
    """The lock object of one store.

    Args:
        bucket: where.
        key: name of the object.
        term: how long it holds without being written again.
        draw: makes a token that no other run has.
        owner: who takes it.
    """

    bucket: Bucket
    key: str
    term: timedelta = TERM
    draw: Callable[[], str] = _draw
    owner: Process = field(default_factory=this_process)
    _note: bytes = field(default=b"", init=False)
    _tag: str = field(default="", init=False)
    _lost: bool = field(default=False, init=False)
    _end: threading.Event = field(default_factory=threading.Event, init=False)
    _beat: threading.Thread | None = field(default=None, init=False)

    def take(self) -> None:
        """Get the lock and begin to keep it.

        Raises:
            PublisherBusy: another publisher has it.
            ConfigError: the server ignores conditions, so that there is no lock at all.
            UpdogError: the bucket cannot be used.
        """
        seconds = int(self.term.total_seconds())
        content = {"owner": asdict(self.owner), "seconds": seconds, "token": self.draw()}
        self._note = json.dumps(content, indent=2).encode() + b"\n"
        self._tag = self._taken()
        self._check_conditions()
        self._beat = threading.Thread(target=self._keep, daemon=True)
        self._beat.start()

    def release(self) -> None:
        """Let go of the lock, if it is still ours."""
        self._end.set()
        if self._beat is not None:
            self._beat.join()
        held = self.bucket.get(self.key)
        if held is not None and held.data == self._note:
            self.bucket.delete(self.key)

    def check(self) -> None:
        """Tell whether somebody has taken the lock over.

        Raises:
            PublisherBusy: somebody has, since it was not renewed in time.
        """
        if self._lost:
            raise PublisherBusy(
                "This run stood still for so long that another publisher took over.",
                hint="Run the command again; what it has written so far does no harm.",
            )

    def _taken(self) -> str:
        """The tag of the lock once it is ours."""
        for _ in range(_ATTEMPTS):
            with suppress(Changed):
                return self._write(ABSENT)
            held = self.bucket.get(self.key)
            if held is None:
                continue
            if held.data == self._note:
                # Written by us; the answer was lost on its way and the request sent again.
                return held.tag
            self._refuse_unless_stale(held)
            with suppress(Changed):
                return self._write(held.tag)
        raise PublisherBusy(f"{self._where()} changes hands all the time.", hint="Try again later.")

    def _write(self, expected: str) -> str:
        return self.bucket.put(self.key, self._note, _HEADERS, expected)

    def _refuse_unless_stale(self, held: Stored) -> None:
        owner, term = read_note(held.data, self.term)
        if owner is not None and owner.is_gone():
            return
        if held.age > term:
            return
        left = int((term - held.age).total_seconds()) + 1
        raise PublisherBusy(
            f"Another updog-repo is publishing: {owner or 'unknown'} holds {self._where()}.",
            hint=f"Wait until it has finished. If it was killed, its lock ends in {left} seconds.",
        )

    def _check_conditions(self) -> None:
        """A server that ignores conditions would give the lock to everybody."""
        try:
            self._write(ABSENT)
        except Changed:
            return
        self.bucket.delete(self.key)
        raise ConfigError(
            f"The server of bucket {self.bucket.name} ignores conditional writes.",
            hint="Set conditional_writes = false in publish.toml, and see to it that only one"
            " publisher runs at a time.",
        )

    def _keep(self) -> None:
        """Write the lock again and again until the run ends or somebody else has it."""
        pause = self.term.total_seconds() / _RENEWALS_PER_TERM
        while not self._end.wait(pause or None):
            # The network may come back before the term is over; if not, others take over.
            with suppress(UpdogError):
                if not self._renewed():
                    self._lost = True
                    return

    def _renewed(self) -> bool:
        """Whether the lock is still ours, after it was written once more."""
        try:
            self._tag = self._write(self._tag)
        except Changed:
            held = self.bucket.get(self.key)
            if held is None or held.data != self._note:
                return False
            self._tag = held.tag
        return True

    def _where(self) -> str:
        return f"s3://{self.bucket.name}/{self.key}"


def read_note(data: bytes, otherwise: timedelta) -> tuple[Process | None, timedelta]:
    """Who holds a lock, and for how long without renewal.

    Args:
        data: the lock object.
        otherwise: the term, if the object does not tell.
    """
    try:
        content = json.loads(data)
        return Process(**content["owner"]), timedelta(seconds=content["seconds"])
    except (ValueError, TypeError, KeyError, OverflowError):
        return None, otherwise
