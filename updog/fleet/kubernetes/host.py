"""The machine of an agent: its update API over the socket, and nothing else.

The API does one thing at a time and says 423 meanwhile, also to those who only ask. So it is asked
seldom (`Pace`), and with growing pauses while it is busy; that is no failure of the machine.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from updog.apiclient.connection import Connection
from updog.apiclient.errors import ClientError, CommandFailed, Refused
from updog.apiclient.following import ACTIVATE, DEACTIVATE, PREPARE, REFRESH, Follower, Order
from updog.clock import Clock

ANSWER_SECONDS = 60.0
REFRESH_SECONDS = 300.0
QUICK_SECONDS = 120.0
NOT_FOUND = 404
LONGEST_PAUSE = 10.0
GROWTH = 1.5


class HostStatus(NamedTuple):
    """How the machine is.

    Attributes:
        state: Idle, Available, Staged or Ready.
        chosen: the version that it would take; empty for none.
        staged: the version that waits for its first boot; empty for none.
        command: the command that ended last, such as ``prepare``; empty for none.
        succeeded: whether it did.
    """

    state: str
    chosen: str = ""
    staged: str = ""
    command: str = ""
    succeeded: bool = False


class Busy(ClientError):
    """The machine does something else, for longer than anybody waits."""


class Stopped(Busy):
    """Waiting was broken off, because the agent ends."""


class Overtaken(CommandFailed):
    """The machine takes another version by now."""


class Pace:
    """At most one command in a while, a few at first.

    Args:
        every: seconds between two commands.
        burst: how many may follow each other at once.
        sleep: waits some seconds.
        monotonic: tells seconds that never step back.
    """

    def __init__(
        self,
        every: float,
        burst: int,
        sleep: Callable[[float], None],
        monotonic: Callable[[], float],
    ) -> None:
        self._every = every
        self._burst = burst
        self._sleep = sleep
        self._monotonic = monotonic
        self._free = float(burst)
        self._looked = monotonic()

    def wait(self) -> None:
        """Wait for the turn of the next command."""
        if not self._every:
            return
        now = self._monotonic()
        self._free = min(self._free + (now - self._looked) / self._every, float(self._burst))
        self._looked = now
        self._free -= 1
        if self._free < 0:
            self._sleep(-self._free * self._every)


class Host:
    """Asks and commands one machine; everything blocks.

    Args:
        socket: of its update API.
        clock: tells when the time is up.
        sleep: waits some seconds.
        pace: how often it may be commanded.
        stage_limit: seconds that writing an update may take.
    """

    def __init__(
        self,
        socket: Path,
        clock: Clock,
        sleep: Callable[[float], None],
        pace: Pace,
        stage_limit: float,
    ) -> None:
        self._connection = Connection(socket, ANSWER_SECONDS)
        self._clock = clock
        self._sleep = sleep
        self._pace = pace
        self._prepare = replace(PREPARE, limit=stage_limit)

    def running(self) -> str:
        """The version that runs.

        Raises:
            ClientError: nobody answers, or not sensibly.
        """
        return str(self._connection.ask("GET", "/os").tree()["version_id"])

    def status(self) -> HostStatus:
        """How the machine is; asked for an update first, if it never was.

        Raises:
            Busy: it does something else for too long.
            ClientError: nobody answers.
        """
        try:
            return self._status()
        except Refused as error:
            if error.status != NOT_FOUND:
                raise
        self.refresh()
        return self._status()

    def refresh(self) -> None:
        """Have the repository asked.

        Raises:
            ClientError: it failed, or nobody answers.
        """
        self._run(_patient(REFRESH, REFRESH_SECONDS))

    def stage(self, version: str) -> None:
        """Have a version written, and chosen for the next boot.

        Each command must have succeeded and the machine must be where that leads to: one of the
        two alone was believed elsewhere, and failures passed.

        Raises:
            Overtaken: the machine takes another version by now.
            Busy: it does something else for too long.
            ClientError: it failed.
        """
        now = self.status()
        if now.state == "Ready" and now.staged != version:
            self.give_back()
            now = self.status()
        if now.state == "Ready":
            return
        if not (now.state == "Staged" and now.staged == version):
            self._write(version, now)
        self._run(_patient(ACTIVATE, QUICK_SECONDS))
        self._expect("Ready", version, "activate")

    def give_back(self) -> None:
        """Take an activation back, where there is one.

        Raises:
            ClientError: it failed.
        """
        if self.status().state == "Ready":
            self._run(_patient(DEACTIVATE, QUICK_SECONDS))

    def is_ready_for(self, version: str) -> bool:
        """Whether a version boots next.

        Raises:
            ClientError: nobody answers.
        """
        now = self.status()
        return now.state == "Ready" and now.staged == version

    def reboot(self) -> None:
        """Have the machine restarted.

        Raises:
            ClientError: it refused, or nobody answers any more.
        """
        self._connection.ask("POST", "/actions/reboot")

    def _status(self) -> HostStatus:
        try:
            return _read(self._follower().status(_patient(REFRESH, QUICK_SECONDS)))
        except CommandFailed as error:
            raise Busy(f"The update API is busy: {error}") from error

    def _write(self, version: str, now: HostStatus) -> None:
        if now.chosen != version:
            self.refresh()
            now = self.status()
        if now.chosen != version:
            raise Overtaken(f"The machine takes {now.chosen or 'nothing'} by now, not {version}.")
        self._run(self._prepare)
        self._expect("Staged", version, "prepare")

    def _expect(self, state: str, version: str, command: str) -> None:
        now = self.status()
        right = now.command == command and now.succeeded
        if not (right and now.state == state and now.staged == version):
            raise CommandFailed(
                f"{command} of {version} was done, but the machine is {now.state} with"
                f" {now.staged or 'nothing'} staged, after {now.command or 'no command'}"
                f" {'succeeded' if now.succeeded else 'failed'}."
            )

    def _run(self, order: Order) -> None:
        self._pace.wait()
        self._follower().run(order)

    def _follower(self) -> Follower:
        return Follower(self._connection, self._clock, Patience(self._sleep))


class Patience:
    """Pauses that grow: an API that is busy is asked less and less often.

    Args:
        sleep: waits some seconds.
    """

    def __init__(self, sleep: Callable[[float], None]) -> None:
        self._sleep = sleep
        self._times = 0

    def __call__(self, seconds: float) -> None:
        """Wait for some seconds, and for longer each time."""
        self._sleep(min(seconds * GROWTH**self._times, LONGEST_PAUSE))
        self._times = min(self._times + 1, 64)


def _patient(order: Order, limit: float) -> Order:
    return replace(order, limit=limit)


def _read(tree: dict[str, Any]) -> HostStatus:
    chosen, staging = tree.get("chosen_update") or {}, tree.get("staging_partition") or {}
    last = tree.get("most_recent_command") or {}
    image = staging.get("image") or {}
    return HostStatus(
        str(tree["update_state"]),
        str(chosen.get("version") or ""),
        str(image.get("version") or ""),
        str(last.get("cmd_type") or ""),
        last.get("cmd_status") == "Success",
    )
