"""The way of one instance: claim, drain, update, restart, see, give back.

Each way is a generator that yields how long it has to wait. So one thread takes many instances on
their ways at once, nothing ever sleeps without being able to stop, and closing a generator runs
its `finally`, which gives the instance back.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace

from updog.errors import ConfigError, PermissionDenied, UpdogError
from updog.fleet.ecs.decide import Instance, Resume, Verdict, resume, verdict
from updog.fleet.ecs.errors import Gone, Throttled
from updog.fleet.ecs.hold import Hold, Lost, PassedBy, Pauses, Run
from updog.fleet.ecs.hostreport import HostReport
from updog.fleet.ecs.machine import Machine, Unanswered, Way
from updog.fleet.ecs.marks import Mark, Phase
from updog.fleet.ecs.options import Options
from updog.fleet.ecs.outcome import Outcome, Result
from updog.fleet.ecs.runcommand import Ended
from updog.fleet.ecs.tasks import Move, Patience, drain_step, objection
from updog.service.machine import State

log = logging.getLogger(__name__)


class UpdateFailed(Exception):
    """The update did not work on this machine; what is raised says where and why."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What all ways of a run go by.

    Attributes:
        run: what they share.
        options: what the user decided.
        limit: how many instances all runs together may hold.
        own: the updater's task; empty if it is none.
    """

    run: Run
    options: Options
    limit: int
    own: str = ""


class Flow:
    """The way of one instance.

    Args:
        plan: what all go by.
        instance: which.
        report: what its machine said; None if it was not asked.
    """

    def __init__(self, plan: Plan, instance: Instance, report: HostReport | None = None) -> None:
        self._plan = plan
        self._run = plan.run
        self._limits = plan.run.limits
        self._hold = Hold(plan.run, instance, plan.limit)
        self._machine = Machine(plan.run, plan.options.documents, self._hold)
        self._passed_by = Outcome.SKIPPED
        self._expected = report.expected if report is not None else ""
        self._result = Result(
            instance.arn,
            instance.machine,
            Outcome.INTERRUPTED,
            "the run was told to stop",
            before=report.version if report is not None else "",
            after=report.version if report is not None else "",
        )

    @property
    def result(self) -> Result:
        """What came of it; while it is under way, that it was interrupted."""
        return replace(self._result, expected=self._expected)

    @property
    def instance(self) -> Instance:
        """Which."""
        return self._hold.instance

    def update(self) -> Pauses:
        """Update an instance that nobody has."""
        try:
            tasks = self._run.cloud.tasks(self.instance.arn)
            why = objection(tasks, self._plan.options.tasks, self._plan.own)
        except (PermissionDenied, ConfigError):
            raise
        except UpdogError as error:
            self._end(Outcome.SKIPPED, str(error))
            return
        if why:
            self._end(Outcome.SKIPPED, why)
            return
        yield from self._guarded(self._whole())

    def recover(self, mark: Mark, way: Resume) -> Pauses:
        """Take up what a run that died has left.

        Args:
            mark: its claim.
            way: what is to be done.
        """
        self._passed_by = Outcome.RECOVERED
        self._expected = mark.expected
        self._result = replace(self._result, before=mark.before)
        yield from self._guarded(self._recovered(mark, way))

    def _guarded(self, way: Pauses) -> Pauses:
        """Go a way, and give the instance back however it ends: that is what this is for."""
        try:
            yield from self._judged(way)
        finally:
            if not self._hold.release():
                self._end(Outcome.LEFT_DRAINED, "it could not be given back; see the log")

    def _judged(self, way: Pauses) -> Pauses:
        try:
            yield from way
        except PassedBy as error:
            self._end(Outcome.FOREIGN if isinstance(error, Lost) else self._passed_by, str(error))
        except Unanswered as error:
            self._end(self._passed_by, str(error))
        except Gone as error:
            self._end(Outcome.GONE, str(error))
        except UpdateFailed as error:
            self._hold.remember_failure(self._expected)
            self._end(Outcome.FAILED, str(error))
        except (PermissionDenied, ConfigError):
            raise  # the others would fare no better, and somebody must act: the run ends
        except UpdogError as error:
            # AWS is at fault, not the update: nothing is held against the version.
            self._end(self._passed_by, str(error))

    def _whole(self) -> Pauses:
        yield from self._hold.claim()
        self._hold.enter(Phase.DRAINING, self._result.before, self._expected)
        self._run.cloud.drain(self.instance.arn)
        yield from self._drained()
        yield from self._updated()

    def _recovered(self, mark: Mark, way: Resume) -> Pauses:
        yield from self._hold.adopt(mark)
        again = resume(self._run.cloud.instance(self.instance.arn), mark, dead=True)
        if way is Resume.FORGET or again is Resume.FORGET:
            self._end(Outcome.RECOVERED, f"the claim of {mark.run}, which died, was taken off")
            return
        if way is Resume.VERIFY:
            yield from self._seen_after(mark)
            return
        log.info("%s was drained by %s, which died: going on", self.instance.arn, mark.run)
        yield from self._drained()
        yield from self._updated()

    def _drained(self) -> Pauses:
        """Wait until nothing runs on the instance any more."""
        now, limits = self._run.clock.now(), self._limits
        patience = Patience(
            self._plan.options.tasks,
            services=now + limits.drain,
            lone=now + limits.tasks,
            stopped=now + limits.tasks + limits.drain,
        )
        while True:
            tasks = yield from self._machine.patiently(
                lambda: self._run.cloud.tasks(self.instance.arn), limits.drain
            )
            step = drain_step(tasks, patience, self._run.clock.now())
            if step.move is Move.DONE:
                return
            if step.move is Move.GIVE_UP:
                raise PassedBy(step.why)
            for task in step.tasks:
                self._run.cloud.stop(task, "updog-ecs: the instance is being updated")
            yield from self._machine.rest()

    def _updated(self) -> Pauses:
        """Write the update unless that was done, and restart."""
        report = yield from self._machine.ask()
        self._note(report)
        if not report.has_update:
            raise PassedBy("there is no update for it any more")
        # Staged, too: somebody else's unfinished update is written anew and chosen.
        if report.state is not State.READY:
            answer = yield from self._machine.apply()
            if answer.ended is not Ended.WELL:
                raise UpdateFailed(f"the update was not applied: {answer.why}")
            report = yield from self._machine.ask()
            self._note(report)
            if report.state is not State.READY:
                raise UpdateFailed(f"after the update was applied the machine is {report.state}")
        yield from self._restarted()

    def _restarted(self) -> Pauses:
        # It looks again, so that nothing restarts that somebody has given tasks in the meantime.
        self._hold.enter(Phase.REBOOTING, self._result.before, self._expected)
        yield from self._machine.reboot()
        yield from self._machine.rest()
        yield from self._verified()

    def _seen_after(self, mark: Mark) -> Pauses:
        """See what a restart came to that another run was about to ask for."""
        if (yield from self._waits()):
            # Not once but twice: the first answer may have come from a machine on its way down.
            yield from self._machine.rest()
            if (yield from self._waits()):
                log.info("%s was not restarted by %s, which died", self.instance.arn, mark.run)
                yield from self._restarted()
                return
        yield from self._verified()

    def _waits(self) -> Way[bool]:
        """Whether the machine still runs what it ran, with the update before it."""
        report = yield from self._machine.ask_again()
        return report is not None and report.state is State.READY

    def _verified(self) -> Pauses:
        """Wait until the machine is back, and see what it runs."""
        until = self._run.clock.now() + self._limits.boot
        while True:
            report = yield from self._machine.ask_again()
            lacks = self._lacks(report)
            if not lacks:
                self._hold.forget_failure()
                self._end(Outcome.UPDATED)
                return
            if self._run.clock.now() >= until:
                raise UpdateFailed(f"{self._limits.boot} after the restart {lacks}")
            yield from self._machine.rest()

    def _lacks(self, report: HostReport | None) -> str:
        """What keeps a restarted machine from being given back; empty if nothing does."""
        if report is not None:
            self._result = replace(self._result, after=report.version)
        match verdict(report, self._result.before, self._expected):
            case Verdict.WAIT:
                return "it has not come back"
            case Verdict.FELL_BACK:
                raise UpdateFailed("it did not come up with the update and runs what it ran before")
            case Verdict.UNEXPECTED:
                raise UpdateFailed(f"it runs {self._result.after} and not {self._expected}")
            case Verdict.UPDATED:
                return self._unsound()

    def _unsound(self) -> str:
        try:
            if not self._run.cloud.is_sound(self.instance.machine):
                return "EC2's status checks do not pass"
            if not self._run.cloud.instance(self.instance.arn).connected:
                return "its ECS agent is not connected"
        except Throttled as error:
            return str(error)
        return ""

    def _note(self, report: HostReport) -> None:
        """Keep what a machine says before its restart."""
        before = self._result.before or report.version
        self._result = replace(self._result, before=before, after=report.version)
        self._expected = report.expected or self._expected

    def _end(self, outcome: Outcome, why: str = "") -> None:
        self._result = replace(self._result, outcome=outcome, why=why)
