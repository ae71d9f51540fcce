"""One run over a cluster: pick up what a dead run left, ask everybody, update within the budget."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterable

from updog.fleet.ecs.budget import room
from updog.fleet.ecs.crew import Crew, Stopped, Wait
from updog.fleet.ecs.decide import (
    Instance,
    Resume,
    hands_off,
    in_order,
    resume,
    stopped_versions,
)
from updog.fleet.ecs.flow import Flow, Plan
from updog.fleet.ecs.guard import Identity
from updog.fleet.ecs.hold import Run
from updog.fleet.ecs.hostreport import HostReport
from updog.fleet.ecs.marks import FAILED, Failure, Mark
from updog.fleet.ecs.options import Options
from updog.fleet.ecs.outcome import Outcome, Result, Summary
from updog.fleet.ecs.survey import Survey

log = logging.getLogger(__name__)


class Round:
    """One run over a cluster.

    Args:
        run: what all instances share.
        options: what the user decided.
        identity: the updater's own task, if it is one.
        wait: waits, and ends when the run is told to stop.
    """

    def __init__(self, run: Run, options: Options, identity: Identity, wait: Wait) -> None:
        self._run = run
        self._options = options
        self._identity = identity
        self._crew = Crew(run.clock, wait)
        self._results: dict[str, Result] = {}
        self._queue: deque[tuple[Instance, HostReport]] = deque()
        self._failures: dict[str, Failure] = {}
        self._away: set[str] = set()
        self._plan = Plan(run, options, limit=0, own=identity.task)
        self._most_failures = 1
        self._broken = ""

    def go(self) -> Summary:
        """Do it.

        Raises:
            UpdogError: the cluster cannot be worked on; what was drained is given back before.
        """
        began = self._run.clock.now()
        stopped = False
        try:
            self._begin(self._run.cloud.instances())
            while self._crew or self._queue:
                self._fill()
                if self._crew:
                    self._crew.step()
        except Stopped:
            stopped = True
        finally:
            self._crew.close()
        for instance, report in self._queue:
            self._note(instance, Outcome.INTERRUPTED, "not begun: the run was told to stop", report)
        return Summary(
            run=self._run.name,
            cluster=self._run.cloud.cluster,
            began=began,
            ended=self._run.clock.now(),
            limit=self._plan.limit,
            results=tuple(self._results[arn] for arn in sorted(self._results)),
            halted=tuple(sorted(self._halted())),
            stopped=stopped,
        )

    def _begin(self, instances: tuple[Instance, ...]) -> None:
        log.info("%d instances in %s", len(instances), self._run.cloud.cluster)
        if not instances:
            return
        if self._options.resume:
            instances = self._forgiven(instances)
        self._plan = Plan(
            self._run, self._options, self._options.budget.of(len(instances)), self._identity.task
        )
        self._most_failures = self._options.max_failures.of(len(instances))
        self._failures = {each.arn: each.failure for each in instances if each.failure is not None}
        free = [each for each in instances if not self._claimed(each)]
        self._ask([each for each in free if self._may_be_asked(each)])

    def _forgiven(self, instances: Iterable[Instance]) -> tuple[Instance, ...]:
        for each in instances:
            if FAILED in each.attributes:
                self._run.cloud.erase(each.arn, FAILED)
        return self._run.cloud.instances()

    def _claimed(self, instance: Instance) -> bool:
        """See to an instance that somebody has claimed."""
        mark = instance.mark
        if mark is None:
            return False
        way = resume(instance, mark, dead=self._is_dead(mark))
        self._away.add(instance.arn)
        if way is Resume.LEAVE:
            self._note(instance, Outcome.FOREIGN, f"run {mark.run} has it ({mark.phase})")
            return True
        flow = Flow(self._plan, instance)
        self._crew.begin(flow.recover(mark, way), lambda: self._ended(flow))
        return True

    def _is_dead(self, mark: Mark) -> bool:
        """Whether the run of a claim is over: it was this one, ECS says so, or it fell silent."""
        if mark.run == self._run.name:
            return True
        if mark.is_abandoned(self._run.clock.now(), self._run.limits.stale_after):
            return True
        return self._identity.knows_to_be_over(self._run.cloud, mark.run)

    def _may_be_asked(self, instance: Instance) -> bool:
        why = hands_off(instance, self._options.attempts, "")
        if why:
            self._note(instance, Outcome.SKIPPED, why)
        return not why

    def _ask(self, instances: list[Instance]) -> None:
        if not instances:
            return
        survey = Survey(self._run, self._options.documents.check, instances)
        self._crew.begin(survey.way(), lambda: self._heard(instances, survey))

    def _heard(self, instances: list[Instance], survey: Survey) -> None:
        """Line up those that have something to do."""
        known = [each for each in instances if each.arn in survey.reports]
        for instance in instances:
            if instance.arn not in survey.reports:
                why = survey.silent.get(instance.arn, "the run was told to stop")
                self._note(instance, Outcome.SKIPPED, why)
        for instance in in_order(known, survey.reports):
            report = survey.reports[instance.arn]
            why = hands_off(instance, self._options.attempts, report.expected)
            if not report.has_update:
                self._note(instance, Outcome.CURRENT, "", report)
            elif why:
                self._note(instance, Outcome.SKIPPED, why, report)
            else:
                self._queue.append((instance, report))

    def _fill(self) -> None:
        """Begin with as many instances as there is room for."""
        while self._queue and room(self._away, self._plan.limit):
            instance, report = self._queue.popleft()
            if self._broken:
                self._note(instance, Outcome.SKIPPED, self._broken, report)
            elif report.expected in self._halted():
                why = f"{report.expected or 'the update'} failed on too many; see --resume"
                self._note(instance, Outcome.HALTED, why, report)
            else:
                self._start(instance, report)
        if self._queue and not self._crew:
            self._give_up()

    def _give_up(self) -> None:
        """Nothing under way will make room: other runs have the whole budget."""
        while self._queue:
            instance, report = self._queue.popleft()
            why = "as many instances as may be are away because of other runs"
            self._note(instance, Outcome.SKIPPED, self._broken or why, report)

    def _start(self, instance: Instance, report: HostReport) -> None:
        flow = Flow(self._plan, instance, report)
        self._away.add(instance.arn)
        log.info("%s: %s to %s", instance.arn, report.version, report.expected or "an update")
        self._crew.begin(flow.update(), lambda: self._ended(flow))

    def _ended(self, flow: Flow) -> None:
        result, arn = flow.result, flow.instance.arn
        self._results[arn] = result
        log.info("%s: %s %s", arn, result.outcome, result.why)
        if result.outcome is Outcome.LEFT_DRAINED:
            self._broken = "not begun: another instance could not be given back"
            return
        self._away.discard(arn)
        if result.outcome is Outcome.FAILED:
            self._failures[arn] = Failure(result.expected, 1, self._run.clock.now())
        elif result.outcome is Outcome.UPDATED:
            self._failures.pop(arn, None)

    def _halted(self) -> frozenset[str]:
        return stopped_versions(self._failures.values(), self._most_failures)

    def _note(
        self, instance: Instance, outcome: Outcome, why: str, report: HostReport | None = None
    ) -> None:
        self._results[instance.arn] = Result(
            instance.arn,
            instance.machine,
            outcome,
            why,
            before="" if report is None else report.version,
            after="" if report is None else report.version,
            expected="" if report is None else report.expected,
        )
