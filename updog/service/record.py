"""What the service remembers between commands, and across restarts and reboots. PURE.

Only what the disk cannot tell stands here: what the repository offered, and how commands ended.
Which update is staged or boots next is never remembered; the boot bits are asked (`view`).
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from updog.errors import InternalError
from updog.service.machine import Command

KEPT_OUTCOMES = 16
STDERR_LIMIT = 16 << 10
"""Characters of a command's messages that are kept, from the end: errors stand there."""
INTERRUPTED = 75
"""The exit status of a command whose end nobody saw: it may be asked for again."""
FORMAT = 1


class CmdStatus(StrEnum):
    """How a command ended."""

    SUCCESS = "Success"
    FAILED = "Failed"
    UNKNOWN = "Unknown"
    """The service ended before the command did; what it achieved stands on the disk."""


class ImageId(NamedTuple):
    """Which system an image holds."""

    arch: str
    version: str
    variant: str


class Started(NamedTuple):
    """A command under way."""

    number: int
    command: Command
    at: str


class Outcome(NamedTuple):
    """A command that has ended.

    Attributes:
        number: counts the commands of this machine, from 1.
        command: which one.
        status: how it ended.
        at: when, RFC 3339.
        exit_status: the exit code, or the number of the signal that ended it.
        stderr: what it said, errors included.
    """

    number: int
    command: Command
    status: CmdStatus
    at: str
    exit_status: int
    stderr: str


@dataclass(frozen=True, slots=True)
class Record:
    """Everything that is remembered.

    Attributes:
        host: what ran when the repository was asked; for another system the answer is void.
        refreshed: whether the last refresh succeeded.
        available: the versions it found, highest first.
        chosen: the update it chose.
        running: the command under way, kept before it starts.
        recent: the commands that ended, oldest first.
    """

    host: ImageId | None = None
    refreshed: bool = False
    available: tuple[str, ...] = ()
    chosen: ImageId | None = None
    running: Started | None = None
    recent: tuple[Outcome, ...] = ()

    @property
    def last(self) -> Outcome | None:
        """The command that ended last."""
        return self.recent[-1] if self.recent else None

    @property
    def next_number(self) -> int:
        """The number of the next command."""
        return self.last.number + 1 if self.last else 1

    def outcome(self, number: int) -> Outcome | None:
        """A command that ended not long ago, by its number."""
        return next((each for each in self.recent if each.number == number), None)

    def begun(self, command: Command, at: datetime) -> Record:
        """The record while a command works."""
        return replace(self, running=Started(self.next_number, command, moment(at)))

    def ended(self, exit_status: int, stderr: str, at: datetime) -> Record:
        """The record after the command under way has ended.

        Args:
            exit_status: 0, an exit code, or the number of a signal.
            stderr: what it said.
            at: when.
        """
        status = CmdStatus.FAILED if exit_status else CmdStatus.SUCCESS
        return self._closed(status, exit_status, stderr, at)

    def interrupted(self, at: datetime) -> Record:
        """The record of a service that ended with a command under way; the same if none was."""
        said = "The update service ended while this command worked; the status shows what is done."
        return self._closed(CmdStatus.UNKNOWN, INTERRUPTED, said, at) if self.running else self

    def _closed(self, status: CmdStatus, exit_status: int, stderr: str, at: datetime) -> Record:
        if self.running is None:
            raise InternalError("A command has ended that never began.")
        number, command, _ = self.running
        said = stderr[-STDERR_LIMIT:]
        outcome = Outcome(number, command, status, moment(at), exit_status, said)
        recent = (*self.recent, outcome)[-KEPT_OUTCOMES:]
        failed_refresh = command is Command.REFRESH and status is not CmdStatus.SUCCESS
        refreshed = self.refreshed and not failed_refresh
        return replace(self, running=None, recent=recent, refreshed=refreshed)

    def offered(self, host: ImageId, available: tuple[str, ...], chosen: ImageId | None) -> Record:
        """The record after the repository answered."""
        return replace(self, host=host, refreshed=True, available=available, chosen=chosen)

    def for_host(self, host: ImageId) -> Record:
        """The same, without what was offered to another system than the one that runs now."""
        if self.host in {None, host}:
            return self
        return replace(self, host=None, refreshed=False, available=(), chosen=None)


def moment(at: datetime) -> str:
    """A time of day for the status: RFC 3339 in UTC, to the microsecond."""
    return at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def dump(record: Record) -> bytes:
    """The record as the file that keeps it."""
    tree = {"format": FORMAT, **asdict(record)}
    return json.dumps(tree, indent=2, ensure_ascii=False).encode() + b"\n"


def parse(content: bytes) -> Record:
    """Read the file that keeps the record.

    Raises:
        ValueError: it is not one of ours, or damaged.
    """
    try:
        tree = json.loads(content)
        if tree.pop("format") != FORMAT:
            raise ValueError("another format")
        return Record(
            host=_image(tree["host"]),
            refreshed=bool(tree["refreshed"]),
            available=tuple(map(str, tree["available"])),
            chosen=_image(tree["chosen"]),
            running=_started(tree["running"]),
            recent=tuple(map(_outcome, tree["recent"])),
        )
    except (LookupError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(f"it is not a record of the update service: {error!r}") from error


def _image(said: list[str] | None) -> ImageId | None:
    return None if said is None else ImageId(*map(str, said))


def _started(said: list[str] | None) -> Started | None:
    if said is None:
        return None
    number, command, at = said
    return Started(int(number), Command(command), str(at))


def _outcome(said: list[str]) -> Outcome:
    number, command, status, at, exit_status, stderr = said
    return Outcome(
        int(number), Command(command), CmdStatus(status), str(at), int(exit_status), str(stderr)
    )
