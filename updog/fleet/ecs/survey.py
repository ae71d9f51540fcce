"""Asking all machines at once what they run and whether there is an update for them."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from updog.fleet.ecs.decide import Instance
from updog.fleet.ecs.errors import NotManaged, Throttled
from updog.fleet.ecs.hold import Pauses, Run
from updog.fleet.ecs.hostreport import HostReport, Unreadable, parse
from updog.fleet.ecs.runcommand import Answer, Ended

log = logging.getLogger(__name__)


class Survey:
    """The question and its answers.

    Args:
        run: what all instances share.
        document: prints the status.
        instances: whom to ask.
    """

    def __init__(self, run: Run, document: str, instances: Sequence[Instance]) -> None:
        self._run = run
        self._document = document
        self._instances = {each.machine: each for each in instances}
        self.reports: dict[str, HostReport] = {}
        """What they said, by instance."""
        self.silent: dict[str, str] = {}
        """Why the others did not, by instance."""

    def way(self) -> Pauses:
        """Ask, and wait for the answers for as long as that may take.

        Raises:
            UpdogError: nobody can be asked.
        """
        sent = self._run.commands.send_all(self._document, sorted(self._instances))
        waiting = {}
        for machine, command in sent.items():
            if isinstance(command, NotManaged):
                self._missed(machine, f"Systems Manager does not know it: {command}")
            else:
                waiting[machine] = command
        until = self._run.clock.now() + self._run.limits.check
        while waiting:
            self._collect(waiting)
            if self._run.clock.now() >= until:
                break
            if waiting:
                yield self._run.limits.poll
        for machine in waiting:
            self._missed(machine, f"the check was not answered within {self._run.limits.check}")

    def _collect(self, waiting: dict[str, str]) -> None:
        """Take the answers that are there."""
        for machine, command in list(waiting.items()):
            try:
                answer = self._run.commands.answer(command, machine)
            except Throttled as error:
                log.warning("%s", error)
                return  # the others would be throttled, too; there is time for another round
            if answer.ended is not Ended.NOT_YET:
                del waiting[machine]
                self._take(machine, answer)

    def _take(self, machine: str, answer: Answer) -> None:
        if answer.ended is Ended.BADLY:
            self._missed(machine, f"the check did not succeed: {answer.why}")
            return
        try:
            self.reports[self._instances[machine].arn] = parse(answer.output)
        except Unreadable as error:
            self._missed(machine, str(error))

    def _missed(self, machine: str, why: str) -> None:
        self.silent[self._instances[machine].arn] = why
