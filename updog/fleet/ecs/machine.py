"""What a way does on its machine: commands that are sent, and waited for with patience."""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator
from datetime import timedelta
from typing import TypeVar

from updog.fleet.ecs.errors import NotManaged, Throttled
from updog.fleet.ecs.hold import Hold, Run
from updog.fleet.ecs.hostreport import HostReport, Unreadable, parse
from updog.fleet.ecs.options import Documents
from updog.fleet.ecs.runcommand import Answer, Ended

_T = TypeVar("_T")
Way = Generator[timedelta, None, _T]

log = logging.getLogger(__name__)


class Unanswered(Exception):
    """The machine did not say what it was asked for."""


class Machine:
    """The machine of a held instance.

    Args:
        run: what all instances share.
        documents: what is run on it.
        hold: on its instance; kept while anything is awaited.
    """

    def __init__(self, run: Run, documents: Documents, hold: Hold) -> None:
        self._run = run
        self._documents = documents
        self._hold = hold

    @property
    def name(self) -> str:
        """Its name in EC2."""
        return self._hold.instance.machine

    def ask(self) -> Way[HostReport]:
        """Ask for its status.

        Raises:
            Unanswered: it did not say.
            UpdogError: AWS refused.
        """
        answer = yield from self._command(self._documents.check, self._run.limits.check)
        if answer.ended is not Ended.WELL:
            raise Unanswered(f"the check did not succeed: {answer.why}")
        try:
            return parse(answer.output)
        except Unreadable as error:
            raise Unanswered(str(error)) from error

    def ask_again(self) -> Way[HostReport | None]:
        """The same of a machine that may be restarting; None while it says nothing."""
        try:
            return (yield from self.ask())
        except (Unanswered, NotManaged, Throttled) as error:
            log.debug("%s: %s", self.name, error)
            return None

    def apply(self) -> Way[Answer]:
        """Let it write the update and choose it for the next boot.

        Raises:
            UpdogError: AWS refused.
        """
        return (yield from self._command(self._documents.apply, self._run.limits.apply))

    def reboot(self) -> Way[None]:
        """Let it restart. Nobody waits for the answer: the machine may be down before it comes.

        Raises:
            UpdogError: AWS refused.
        """
        yield from self.patiently(
            lambda: self._run.commands.send(self._documents.reboot, self.name),
            self._run.limits.check,
        )

    def rest(self) -> Way[None]:
        """Wait a little, and keep the hold.

        Raises:
            PassedBy: the instance is no longer ours.
        """
        yield self._run.limits.poll
        self._hold.keep()

    def _command(self, document: str, limit: timedelta) -> Way[Answer]:
        until = self._run.clock.now() + limit
        command = yield from self.patiently(
            lambda: self._run.commands.send(document, self.name), limit
        )
        while True:
            answer = yield from self.patiently(
                lambda: self._run.commands.answer(command, self.name), limit
            )
            if answer.ended is not Ended.NOT_YET:
                return answer
            if self._run.clock.now() >= until:
                return Answer(Ended.BADLY, why=f"no answer within {limit}")
            yield from self.rest()

    def patiently(self, ask: Callable[[], _T], limit: timedelta) -> Way[_T]:
        """Ask AWS until it answers, for some time.

        Args:
            ask: the question.
            limit: how long.

        Raises:
            Throttled: it did not answer in time.
            UpdogError: AWS refused.
        """
        until = self._run.clock.now() + limit
        while True:
            try:
                return ask()
            except Throttled:
                if self._run.clock.now() >= until:
                    raise
            yield from self.rest()
