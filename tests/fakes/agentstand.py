"""One agent of ours between a paper machine and the fake API server; the controller is a person."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar

import yaml
from kubernetes_asyncio.client import ApiClient, Configuration

from tests.fakes.clock import FakeClock
from tests.fakes.fleetworld import DEFINITION, NOW, SPACE, V2
from tests.fakes.kube.server import Kube, serving
from tests.fakes.kube.workloads import node
from tests.fakes.paper_machine import PaperMachine
from tests.fakes.upstream_service import upstream
from updog.fleet.kubernetes.agent import Agent
from updog.fleet.kubernetes.cluster import Cluster
from updog.fleet.kubernetes.duty import Duty
from updog.fleet.kubernetes.host import Host, Pace
from updog.fleet.kubernetes.names import shadow_name
from updog.fleet.kubernetes.settings import Agent as Settings
from updog.fleet.kubernetes.shadow import new_shadow, spec_tree, status_of
from updog.fleet.model import Spec, State, Status

Result = TypeVar("Result")


@dataclass
class AgentStand:
    """The agent, its machine and its cluster.

    Attributes:
        slept: seconds of all pauses; none was made.
    """

    kube: Kube
    machine: PaperMachine
    runner: asyncio.Runner
    settings: Settings
    clock: FakeClock = field(default_factory=lambda: FakeClock(NOW))
    slept: list[float] = field(default_factory=list)
    agent: Agent = field(init=False)
    api: ApiClient | None = None

    def __post_init__(self) -> None:
        self.restart()

    def run(self, work: Coroutine[Any, Any, Result]) -> Result:
        return self.runner.run(work)

    def restart(self) -> None:
        """The agent is killed and comes back; it remembers nothing."""

        async def make() -> Agent:
            if self.api is not None:
                await self.api.close()
            self.api = ApiClient(configuration=Configuration(host=self.kube.url))
            pace = Pace(10.0, 3, self.pause, self._seconds)
            host = Host(Path(self.settings.socket), self.clock, self.pause, pace, 600.0)
            cluster = Cluster(self.api, SPACE)
            return Agent(cluster, host, self.settings, self.clock, asyncio.Event())

        self.agent = self.run(make())

    def pause(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.clock.advance(timedelta(seconds=seconds))

    def _seconds(self) -> float:
        return (self.clock.now() - NOW).total_seconds()

    def once(self, times: int = 1) -> Duty:
        for _ in range(times):
            done = self.run(self.agent.once())
        return done

    def want(self, state: State, version: str = V2) -> None:
        """The controller does."""
        spec = spec_tree(Spec(state, self.clock.now(), version))
        self.kube.patch("brs", shadow_name("n"), {"spec": spec}, SPACE)

    def status(self) -> Status:
        """What the agent said last."""
        found = status_of(self.kube.get("brs", shadow_name("n"), SPACE))
        assert found is not None
        return found

    def bring_to(self, state: State) -> None:
        """As far as a state on the usual way."""
        self.once()
        for wanted in (State.STAGED, State.REBOOTED, State.MONITORING):
            self.want(wanted)
            self.once(2 if wanted is State.REBOOTED else 1)
            if wanted is state:
                return

    def close(self) -> None:
        if self.api is not None:
            self.run(self.api.close())


@contextmanager
def agent_stand(home: Path, **settings: Any) -> Iterator[AgentStand]:
    """An agent while the block runs.

    Args:
        home: where the socket is made.
        settings: of the agent, other than usual.
    """
    machine, socket = PaperMachine(), home / "api.sock"
    said = replace(Settings("n", SPACE, PurePosixPath(socket)), **settings)
    with serving() as kube, asyncio.Runner() as runner, upstream(socket, machine):
        kube.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": SPACE}})
        kube.create(yaml.safe_load(DEFINITION.read_text()))
        kube.create(new_shadow(kube.create(node("n")), SPACE))
        stand = AgentStand(kube, machine, runner, said)
        try:
            yield stand
        finally:
            stand.close()
