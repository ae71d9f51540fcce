"""The agent of a node: does what its shadow says, and says there what it did.

It reads one object and writes the status of that object. The last look before a restart is a fresh
one, past every cache: what was permitted a moment ago may have been taken back.
"""

from __future__ import annotations

import asyncio
import logging
import random
from datetime import datetime, timedelta

from updog.apiclient.errors import ClientError, NoService
from updog.clock import Clock
from updog.errors import UpdogError
from updog.fleet.kubernetes.cluster import Cluster
from updog.fleet.kubernetes.duty import Duty, counted, duty, failed, said, unwell
from updog.fleet.kubernetes.errors import CONFLICT, NOT_FOUND, ApiFailure
from updog.fleet.kubernetes.healthcommand import complaint
from updog.fleet.kubernetes.host import Busy, Host, Overtaken
from updog.fleet.kubernetes.names import shadow_name
from updog.fleet.kubernetes.settings import Agent as Settings
from updog.fleet.kubernetes.shadow import Tree, setback_of, spec_of, status_of, status_tree
from updog.fleet.kubernetes.store import version_of
from updog.fleet.model import Spec, State, Status

log = logging.getLogger(__name__)

ASK_AGAIN = timedelta(minutes=3)
"""How long a machine may take to go down before it is asked once more."""
CALM_SECONDS = 60.0
"""How often the shadow is read where a watch tells of its changes."""
JITTER = 0.2


class Failed(UpdogError):
    """What the agent was told to do cannot be done; it becomes the reason in the status.

    Args:
        kind: one of `updog.fleet.kubernetes.metrics.REASONS`.
        why: for people.
    """

    def __init__(self, kind: str, why: str) -> None:
        super().__init__(f"{kind}: {why}")


class Agent:
    """The agent.

    Args:
        cluster: where its shadow is.
        host: its machine.
        settings: what it goes by.
        clock: tells the time.
        stopping: set when it is to end.
    """

    def __init__(
        self,
        cluster: Cluster,
        host: Host,
        settings: Settings,
        clock: Clock,
        stopping: asyncio.Event,
    ) -> None:
        self._cluster = cluster
        self._host = host
        self._settings = settings
        self._clock = clock
        self._stopping = stopping
        self._checked: datetime | None = None
        self._asked: datetime | None = None
        self._first_asked: datetime | None = None
        self._staged = False
        self._wake = asyncio.Event()
        self._watching = False

    async def run(self) -> None:
        """Go on until told to end."""
        watching = asyncio.create_task(self._watch())
        try:
            while not self._stopping.is_set():
                await self._rest(await self._round())
        finally:
            watching.cancel()

    async def _round(self) -> Duty | None:
        """Look and do one thing; None if that was not possible."""
        self._wake.clear()
        try:
            return await self.once()
        except ApiFailure as error:
            # There is no shadow before the controller has seen the node.
            level = logging.INFO if error.status in {NOT_FOUND, CONFLICT} else logging.WARNING
            log.log(level, "%s", error)
        except ClientError as error:
            log.warning("%s", error)
        return None

    async def once(self) -> Duty:
        """Look, and do one thing.

        Raises:
            ApiFailure: the shadow cannot be read or written.
            ClientError: the machine does not answer.
        """
        shadow = await self._shadow()
        spec, status = spec_of(shadow), status_of(shadow)
        running = await asyncio.to_thread(self._host.running)
        todo = duty(spec, status, running)
        if todo is not Duty.REBOOT:
            self._asked = self._first_asked = None
        if todo is Duty.ARRIVED:
            self._staged = False
        log.debug("%s", todo)
        if status is None:
            status = Status(State.IDLE, running, running)
        else:
            status = status._replace(current=running)
        now = self._clock.now()
        try:
            status = await self._do(todo, spec, status, now)
        except Failed as error:
            log.warning("%s", error)
            status = failed(status, str(error), now)
        if todo in {Duty.REST, Duty.GIVE_BACK, Duty.RECOVER}:
            status = counted(status, setback_of(shadow))
        await self._say(shadow, status)
        return todo

    async def _do(self, todo: Duty, spec: Spec, status: Status, now: datetime) -> Status:
        match todo:
            case Duty.SPEAK | Duty.REST:
                return await self._at_rest(status, now)
            case Duty.STAGE:
                return await self._stage(spec, status)
            case Duty.REBOOT:
                await self._reboot(spec, now)
            case Duty.LOOK:
                return await self._look(spec, status, now)
            case Duty.GIVE_BACK:
                await self._give_back()
        return said(todo, spec, status)

    async def _at_rest(self, status: Status, now: datetime) -> Status:
        if self._staged:
            # It was taken back while it was being written.
            await self._give_back()
        return status._replace(target=await self._look_for_update(status, now))

    async def _give_back(self) -> None:
        try:
            await asyncio.to_thread(self._host.give_back)
        except NoService:
            raise
        except ClientError as error:
            # At worst the next restart takes the update; nothing is gained by insisting.
            log.warning("taking the update back: %s", error)
        self._staged = False

    async def _look_for_update(self, status: Status, now: datetime) -> str:
        """The version that is offered; asked for seldom, and the last answer holds meanwhile."""
        every = timedelta(seconds=self._settings.check_every)
        if self._checked is None or now - self._checked >= every:
            self._checked = now
            try:
                await asyncio.to_thread(self._host.refresh)
            except ClientError as error:
                # Not knowing of an update is no failure of the node.
                log.warning("looking for updates: %s", error)
                return status.target or status.current
        found = await asyncio.to_thread(self._host.status)
        return found.chosen or status.current

    async def _stage(self, spec: Spec, status: Status) -> Status:
        try:
            await asyncio.to_thread(self._host.stage, spec.version)
        except Overtaken as error:
            log.info("%s", error)
            found = await asyncio.to_thread(self._host.status)
            return status._replace(target=found.chosen or status.current)
        except (NoService, Busy):
            # Nothing was tried; the controller knows how long it waits for us.
            raise
        except ClientError as error:
            raise Failed("stage-failed", str(error)) from error
        self._staged = True
        return status._replace(state=State.STAGED, target=spec.version)

    async def _reboot(self, spec: Spec, now: datetime) -> None:
        limit = timedelta(seconds=self._settings.reboot_limit)
        if self._asked is not None and now - self._asked < ASK_AGAIN:
            await self._see_whether_it_fell_back(spec)
            return
        if self._first_asked is not None and now - self._first_asked >= limit:
            raise Failed("reboot-failed", f"the machine did not restart within {limit}")
        if not await asyncio.to_thread(self._host.is_ready_for, spec.version):
            raise Failed("fell-back", f"{spec.version} is not what boots next")
        if not await self._still_permitted(spec):
            return
        self._asked = now
        self._first_asked = self._first_asked or now
        log.info("the machine restarts into %s", spec.version)
        try:
            await asyncio.to_thread(self._host.reboot)
        except NoService:
            log.info("the machine goes down")
        except ClientError as error:
            raise Failed("reboot-failed", str(error)) from error

    async def _see_whether_it_fell_back(self, spec: Spec) -> None:
        """A machine that came back on the old version does so without its agent's knowledge."""
        if not await asyncio.to_thread(self._host.is_ready_for, spec.version):
            running = await asyncio.to_thread(self._host.running)
            if running != spec.version:
                raise Failed("fell-back", f"{running} runs again instead of {spec.version}")

    async def _still_permitted(self, spec: Spec) -> bool:
        return spec_of(await self._shadow()) == spec

    async def _look(self, spec: Spec, status: Status, now: datetime) -> Status:
        wrong = await complaint(self._settings.health, self._settings.node)
        if not wrong:
            return status._replace(state=State.MONITORING)
        log.warning("the node is not well yet: %s", wrong)
        limit = timedelta(seconds=self._settings.monitor_limit)
        if spec.since is None or now - spec.since < limit:
            return status
        return unwell(status, f"health-failed: {wrong}", spec.since, now)

    async def _shadow(self) -> Tree:
        return await self._cluster.get(self._cluster.shadows, shadow_name(self._settings.node))

    async def _say(self, shadow: Tree, status: Status) -> None:
        if status == status_of(shadow):
            return
        name, path = shadow["metadata"]["name"], self._cluster.shadows
        patch = {"status": status_tree(status)}
        await self._cluster.merge(path, f"{name}/status", patch, version_of(shadow))

    async def _watch(self) -> None:
        """Wake when the shadow changes; thousands of agents that ask again and again are a load."""
        fields = f"metadata.name={shadow_name(self._settings.node)}"
        while True:
            try:
                version = version_of(await self._shadow())
                self._watching = True
                async for _event in self._cluster.watch(
                    self._cluster.shadows, fields=fields, version=version
                ):
                    self._wake.set()
                self._wake.set()
            except ApiFailure as error:
                log.debug("%s", error)
            self._watching = False
            await asyncio.sleep(self._spread(self._settings.interval))

    async def _rest(self, done: Duty | None) -> None:
        """Wait until there is something to do, and not as long as all the others."""
        calm = self._watching and done in {Duty.REST, Duty.WAIT}
        seconds = self._settings.interval
        if calm:
            seconds = max(seconds, min(self._settings.check_every, CALM_SECONDS))
        waits = {
            asyncio.create_task(self._stopping.wait()),
            asyncio.create_task(self._wake.wait()),
        }
        timeout = self._spread(seconds)
        await asyncio.wait(waits, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
        for each in waits:
            each.cancel()

    @staticmethod
    def _spread(seconds: float) -> float:
        return seconds * random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311 - no secret
