"""Giving a command and waiting for its end.

Our service names the outcome of each command. One that does not, such as Bottlerocket's, is asked
for its status until the last command is of our kind and its time has changed (formats 10.5).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from updog.apiclient.connection import Answer, Connection
from updog.apiclient.errors import ClientError, CommandFailed, Refused
from updog.clock import Clock

BUSY = 423
NOT_FOUND = 404
SUCCESS = "Success"
FAILURES_TOLERATED = 5


@dataclass(frozen=True, slots=True)
class Order:
    """One command.

    Attributes:
        name: as the status calls it.
        uri: where to post it.
        every: seconds between two questions.
        limit: seconds to wait for its end.
        longest: the same for a service that names the outcome of this very command; 0 for no more.
    """

    name: str
    uri: str
    every: float
    limit: float
    longest: float = 0.0


REFRESH = Order("refresh", "/actions/refresh-updates", 0.1, 10.0)
PREPARE = Order("prepare", "/actions/prepare-update", 0.5, 600.0)
# Ours asks the health checks before it changes the boot bits, and they may take their time.
ACTIVATE = Order("activate", "/actions/activate-update", 0.1, 5.0, longest=600.0)
DEACTIVATE = Order("deactivate", "/actions/deactivate-update", 0.1, 5.0)


class Follower:
    """Gives commands and waits for them.

    Args:
        connection: the way to the service.
        clock: tells when the time is up.
        sleep: waits for some seconds.
        limit: seconds to wait, instead of each command's own.
        watching: called again and again while a command works.
    """

    def __init__(
        self,
        connection: Connection,
        clock: Clock,
        sleep: Callable[[float], None],
        limit: float | None = None,
        watching: Callable[[], None] = lambda: None,
    ) -> None:
        self._connection = connection
        self._clock = clock
        self._sleep = sleep
        self._limit = limit
        self._watching = watching

    def run(self, order: Order) -> None:
        """Give a command, and return when it has succeeded.

        Raises:
            CommandFailed: it failed, or took too long.
            ClientError: it was refused, or nobody answers.
        """
        until = self._until(order)
        before = self._last_moment()
        begun = self._patiently(lambda: self._connection.ask("POST", order.uri), order, until)
        place = begun.headers.get("location")
        if place is not None:
            outcome = self._outcome(place, order, self._until(order, order.longest))
        else:
            outcome = self._changed(order, before, until)
        _judge(order, outcome)

    def status(self, order: Order = REFRESH) -> dict[str, Any]:
        """The status, as soon as nothing is at work.

        Raises:
            ClientError: that takes too long, or nobody answers.
        """
        answer = self._patiently(
            lambda: self._connection.ask("GET", "/updates/status"), order, self._until(order)
        )
        tree: dict[str, Any] = answer.tree()
        return tree

    def end(self) -> bool:
        """End what is under way and can be ended; False where there is nothing of the kind.

        Raises:
            ClientError: nobody answers.
        """
        try:
            moving = self._connection.ask("GET", "/updates/progress").tree()
            self._connection.ask("POST", "/actions/cancel")
        except Refused as error:
            if error.status in {NOT_FOUND, 409}:
                return False
            raise
        # A command that began between the two requests was told to end, and has no known number.
        if number := moving.get("number"):
            order = DEACTIVATE
            until = self._until(order) + timedelta(seconds=order.limit)
            self._outcome(f"/updates/commands/{number}", order, until)
        return True

    def _until(self, order: Order, longest: float = 0.0) -> datetime:
        limit = max(order.limit, longest) if self._limit is None else self._limit
        return self._clock.now() + timedelta(seconds=limit)

    def _wait(self, order: Order, until: datetime) -> None:
        if self._clock.now() >= until:
            raise CommandFailed(
                f"{order.name} took too long; the service may still be at work.",
                hint="Ask for 'apiclient get /updates/progress', or wait longer with --timeout.",
            )
        self._watching()
        self._sleep(order.every)

    def _patiently(self, ask: Callable[[], Answer], order: Order, until: datetime) -> Answer:
        """Ask until nothing else is at work."""
        while True:
            try:
                return ask()
            except Refused as error:
                if error.status != BUSY:
                    raise
            self._wait(order, until)

    def _outcome(self, place: str, order: Order, until: datetime) -> Mapping[str, Any]:
        """The outcome from a service that names it; one that is started anew is waited for."""
        failures = 0
        while True:
            try:
                outcome: Mapping[str, Any] = self._connection.ask("GET", place).tree()
            except ClientError as error:
                working = isinstance(error, Refused) and error.status == NOT_FOUND
                failures += not working
                if failures > FAILURES_TOLERATED:
                    raise
            else:
                return outcome
            self._wait(order, until)

    def _changed(self, order: Order, before: str | None, until: datetime) -> Mapping[str, Any]:
        """The outcome from a service that does not name it."""
        failures = 0
        while True:
            try:
                last = self._last()
            except ClientError as error:
                busy = isinstance(error, Refused) and error.status == BUSY
                failures += not busy
                if failures > FAILURES_TOLERATED:
                    raise
            else:
                if last and last["cmd_type"] == order.name and last["timestamp"] != before:
                    return last
            self._wait(order, until)

    def _last(self) -> Mapping[str, Any] | None:
        tree = self._connection.ask("GET", "/updates/status").tree()
        last: Mapping[str, Any] | None = tree["most_recent_command"]
        return last

    def _last_moment(self) -> str | None:
        """When the last command ended; None where that cannot be told now."""
        try:
            last = self._last()
        except Refused:
            return None
        return None if last is None else last["timestamp"]


def _judge(order: Order, outcome: Mapping[str, Any]) -> None:
    if outcome["cmd_status"] == SUCCESS:
        return
    said = str(outcome["stderr"]).strip() or "it gave no reason"
    raise CommandFailed(
        f"{order.name} ended with {outcome['cmd_status']} (exit status"
        f" {outcome['exit_status']}): {said}"
    )
