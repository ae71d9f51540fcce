"""A run's hold on one instance: claimed, kept, and given back whatever happens.

ECS knows no conditional write. A run writes its claim, waits, and looks whose claim stands; the
last writer has it. Before each step that a person would notice it looks again. How two runs could
still meet stands in docs/ecs.md.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator
from dataclasses import dataclass, replace
from datetime import timedelta

from updog.clock import Clock
from updog.errors import UpdogError
from updog.fleet.ecs.budget import granted
from updog.fleet.ecs.cloud import Cloud
from updog.fleet.ecs.decide import Instance, needs_renewal
from updog.fleet.ecs.errors import Gone, Throttled
from updog.fleet.ecs.marks import CLAIM, FAILED, Mark, Phase, next_failure
from updog.fleet.ecs.options import Limits
from updog.fleet.ecs.runcommand import RunCommand

RELEASES = (1.0, 2.0, 4.0, 8.0)
"""Seconds between the attempts to give an instance back; botocore's own attempts come on top."""

Pauses = Generator[timedelta, None, None]
"""Steps of an instance: each yields how long it has to wait before the next."""

log = logging.getLogger(__name__)


class PassedBy(Exception):
    """This instance is not for this run, now; nothing of ours is left on it."""


class Lost(PassedBy):
    """Another run has taken the instance over: it is its to give back."""


@dataclass(frozen=True, slots=True)
class Run:
    """What all instances of a run share.

    Attributes:
        name: of the run, as it stands in claims.
        cloud: the cluster.
        commands: Systems Manager.
        clock: tells the time.
        sleep: waits for some seconds, whatever happens; for giving back.
        limits: how long things may take.
    """

    name: str
    cloud: Cloud
    commands: RunCommand
    clock: Clock
    sleep: Callable[[float], None]
    limits: Limits


class Hold:
    """The hold on one instance.

    Args:
        run: whose.
        instance: as it was when the run looked.
        limit: how many instances all runs together may hold.
    """

    def __init__(self, run: Run, instance: Instance, limit: int) -> None:
        self._run = run
        self._limit = limit
        self.instance = instance
        now = run.clock.now()
        self.mark = Mark(run.name, Phase.CLAIMED, now, now)
        self._ours = False

    @property
    def drained(self) -> bool:
        """Whether we have drained it, or may have."""
        return self.mark.phase is not Phase.CLAIMED

    def claim(self) -> Pauses:
        """Claim an instance that nobody has.

        Raises:
            PassedBy: somebody has it, or as many as may be are away.
            UpdogError: AWS refused.
        """
        found = self._run.cloud.instance(self.instance.arn)
        if found.mark is not None or found.status != "ACTIVE" or found.held:
            raise PassedBy("somebody else has begun with it")
        # As late as can be: by this time runs agree on who was first.
        now = self._run.clock.now()
        self._write(replace(self.mark, since=now, renewed=now))
        yield self._run.limits.settle
        everyone = {each.arn: each for each in self._run.cloud.instances()}
        found = everyone.get(self.instance.arn, self.instance)
        self._check_owner(found)
        self._check_status(found)
        claims = {arn: each.mark for arn, each in everyone.items() if each.mark is not None}
        if not granted(claims, self.instance.arn, self._limit):
            raise PassedBy("as many instances as may be are away")

    def adopt(self, mark: Mark) -> Pauses:
        """Take over the claim of a run that died; the phase stays what it was.

        Raises:
            Lost: another run was faster.
            UpdogError: AWS refused.
        """
        self._write(replace(mark, run=self._run.name, renewed=self._run.clock.now()))
        yield self._run.limits.settle
        self._check_owner(self._run.cloud.instance(self.instance.arn))

    def enter(self, phase: Phase, before: str = "", expected: str = "") -> None:
        """Say what comes next, before it is done.

        Raises:
            PassedBy: the instance is no longer ours, or no longer as we left it.
            UpdogError: AWS refused.
        """
        self.look()
        mark = self.mark.at(phase, self._run.clock.now())
        self._write(replace(mark, before=before or mark.before, expected=expected or mark.expected))

    def look(self) -> Instance:
        """See whether the instance is still ours and as we left it.

        Raises:
            PassedBy: it is not.
            UpdogError: AWS refused.
        """
        found = self._run.cloud.instance(self.instance.arn)
        self._check_owner(found)
        self._check_status(found)
        return found

    def keep(self) -> None:
        """Renew the claim if it is time; AWS being busy is no reason to give up.

        Raises:
            PassedBy: the instance is no longer ours, or no longer as we left it.
            UpdogError: AWS refused.
        """
        now = self._run.clock.now()
        if not needs_renewal(self.mark, now, self._run.limits.stale_after):
            return
        try:
            self.look()
            self._write(self.mark.at(self.mark.phase, now))
        except Throttled as error:
            log.warning("%s", error)

    def release(self) -> bool:
        """Give the instance back and take the claim off; False if AWS does not let us.

        A person who wants it to stay drained sets the attribute `updog.hold`. The claim stays if
        the instance could not be given back, so that the next run tries again.
        """
        for wait in (*RELEASES, None):
            try:
                self._give_back()
            except UpdogError as error:
                log.warning("%s", error)
            else:
                return True
            if wait is not None:
                self._run.sleep(wait)
        return False

    def remember_failure(self, version: str) -> None:
        """Note on the instance that an update did not work here."""
        failure = next_failure(self.instance.failure, version, self._run.clock.now())
        try:
            self._run.cloud.write(self.instance.arn, FAILED, failure.text())
        except UpdogError as error:
            log.warning("%s", error)

    def forget_failure(self) -> None:
        """Take off what was noted."""
        if self.instance.failure is None:
            return
        try:
            self._run.cloud.erase(self.instance.arn, FAILED)
        except UpdogError as error:
            log.warning("%s", error)

    def _give_back(self) -> None:
        if not self._ours:
            return
        try:
            found = self._run.cloud.instance(self.instance.arn)
            self._check_owner(found)
        except (Gone, Lost):
            return
        if self.drained and found.held:
            log.warning("%s stays drained: a person holds it", self.instance.arn)
        elif self.drained:
            self._run.cloud.activate(self.instance.arn)
        self._run.cloud.erase(self.instance.arn, CLAIM)

    def _write(self, mark: Mark) -> None:
        # Before the answer: a write whose answer is lost has happened.
        self._ours, self.mark = True, mark
        self._run.cloud.write(self.instance.arn, CLAIM, mark.text())

    def _check_owner(self, found: Instance) -> None:
        # No claim at all: one that we have just written may take a moment to be seen.
        if found.mark is not None and found.mark.run != self._run.name:
            self._ours = False
            raise Lost(f"run {found.mark.run} has taken it over")

    def _check_status(self, found: Instance) -> None:
        wanted = "DRAINING" if self.drained else "ACTIVE"
        if found.status != wanted:
            raise PassedBy(f"somebody set it {found.status}")
