"""A fleet on the fake API server: nodes, agents on paper, and a scheduler that is stepped by hand.

with fleet_world() as world:
    world.nodes("a", "b", offered="1.1.0")
    world.turn(20)
    assert world.versions() == {"a": "1.1.0", "b": "1.1.0"}
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import yaml
from kubernetes_asyncio.client import ApiClient, Configuration

from tests.fakes.clock import FakeClock
from tests.fakes.kube.resources import Object
from tests.fakes.kube.server import Kube, serving
from tests.fakes.kube.workloads import Workloads, budget, node, pod
from updog.fleet.kubernetes.cluster import Cluster
from updog.fleet.kubernetes.duty import Duty, counted, duty, failed, said, unwell
from updog.fleet.kubernetes.names import (
    CORDONED_BY,
    INTERFACE_LABEL,
    INTERFACE_VERSION,
    LEDGER,
    shadow_name,
)
from updog.fleet.kubernetes.scheduler import Scheduler
from updog.fleet.kubernetes.settings import controller
from updog.fleet.kubernetes.shadow import setback_of, spec_of, status_of, status_tree
from updog.fleet.kubernetes.store import Store
from updog.fleet.model import NodeView, Spec, State, Status
from updog.fleet.policy import Plan

ROOT = Path(__file__).resolve().parents[2]
DEFINITION = ROOT / "packaging/kubernetes/chart/crd/bottlerocketshadow.yaml"
SPACE = "brupop-bottlerocket-aws"
NOW = datetime(2031, 4, 7, 9, tzinfo=UTC)
V1, V2 = "1.0.0", "1.1.0"
HEALTH_LIMIT = timedelta(minutes=10)
Result = TypeVar("Result")


@dataclass
class PaperAgent:
    """An agent without a machine: it does at once what its table says.

    Attributes:
        running: the version that runs.
        offered: what its repository offers.
        bad: versions that do not come up: it falls back.
        unstageable: versions that cannot be written.
        sick: versions with which its health command fails.
        silent: whether it does nothing at all.
        lost: whether its machine does not come back from a restart.
        reboots: versions that it restarted into, with the pods that were on the node then.
    """

    name: str
    running: str = V1
    offered: str = V1
    bad: set[str] = field(default_factory=set)
    unstageable: set[str] = field(default_factory=set)
    sick: set[str] = field(default_factory=set)
    silent: bool = False
    lost: bool = False
    reboots: list[tuple[str, tuple[str, ...]]] = field(default_factory=list)
    tried: set[str] = field(default_factory=set)

    def act(self, world: FleetWorld) -> None:
        shadow = world.shadow(self.name)
        if self.silent or shadow is None:
            return
        spec, status = spec_of(shadow), status_of(shadow)
        todo = duty(spec, status, self.running)
        status = status or Status(State.IDLE, self.running, self.offered)
        if todo in {Duty.SPEAK, Duty.REST}:
            status = status._replace(current=self.running, target=self.offered)
        elif todo is Duty.STAGE:
            status = self._stage(spec.version, status, world)
        elif todo is Duty.REBOOT:
            status = self._reboot(spec.version, status, world)
        elif todo is Duty.LOOK:
            status = self._look(spec, status, world)
        else:
            status = said(todo, spec, status)._replace(current=self.running)
        if todo in {Duty.REST, Duty.GIVE_BACK, Duty.RECOVER}:
            status = counted(status, setback_of(shadow))
        if status != status_of(shadow):
            patch = {"status": status_tree(status)}
            world.kube.patch("brs", shadow_name(self.name), patch, SPACE, sub="status")

    def _stage(self, version: str, status: Status, world: FleetWorld) -> Status:
        if version in self.unstageable:
            return failed(status, "stage-failed: the disk is full", world.clock.now())
        if version != self.offered:
            return status._replace(target=self.offered)
        return status._replace(state=State.STAGED)

    def _look(self, spec: Spec, status: Status, world: FleetWorld) -> Status:
        if self.running not in self.sick:
            return status._replace(state=State.MONITORING)
        now = world.clock.now()
        if spec.since is None or now - spec.since < HEALTH_LIMIT:
            return status
        return unwell(status, "health-failed: no ingress", spec.since, now)

    def _reboot(self, version: str, status: Status, world: FleetWorld) -> Status:
        if version in self.tried and version in self.bad:
            self.tried.discard(version)
            return failed(status, "fell-back: it did not come up", world.clock.now())
        if not self.lost:
            self.tried.add(version)
            self.reboots.append((version, world.pods_on(self.name)))
            if version not in self.bad:
                self.running = version
        return status


@dataclass
class FleetWorld:
    """Everything around a scheduler."""

    kube: Kube
    clock: FakeClock
    runner: asyncio.Runner
    environment: dict[str, str]
    agents: dict[str, PaperAgent] = field(default_factory=dict)
    plan: Plan | None = None
    scheduler: Scheduler = field(init=False)
    workloads: Workloads = field(init=False)

    def __post_init__(self) -> None:
        self.workloads = Workloads(self.kube)
        self.restart()

    def run(self, work: Coroutine[Any, Any, Result]) -> Result:
        return self.runner.run(work)

    def restart(self) -> None:
        """Another controller takes over; all that it knows stands in the cluster."""

        async def make() -> Scheduler:
            said = controller(self.environment)
            api = ApiClient(configuration=Configuration(host=self.kube.url))
            store = Store(said.canary, said.node)
            return Scheduler(Cluster(api, SPACE), said, store, self.clock, lambda: 0.0)

        self.scheduler = self.run(make())
        self.run(self.scheduler.begin())

    def close(self) -> None:
        self.run(self.scheduler._cluster._api.close())

    def nodes(
        self, *names: str, offered: str = V2, labels: dict[str, str] | None = None
    ) -> list[PaperAgent]:
        """Add nodes that take part."""
        made = []
        for name in names:
            all_labels = {INTERFACE_LABEL: INTERFACE_VERSION, **(labels or {})}
            self.kube.create(node(name, all_labels))
            self.agents[name] = PaperAgent(name, offered=offered)
            made.append(self.agents[name])
        return made

    def step(self) -> Plan:
        """One step of the scheduler, as its loop takes it."""
        self.run(self.scheduler.refresh())
        self.plan = self.run(self.scheduler.step())
        return self.plan

    def turn(self, times: int = 1, *, seconds: float = 10.0) -> None:
        """The scheduler, then all agents, then time passes; and again."""
        for _ in range(times):
            self.step()
            for agent in self.agents.values():
                agent.act(self)
            self.clock.advance(timedelta(seconds=seconds))

    def settle(self, times: int = 60) -> None:
        """Turn until nothing is under way."""
        for turn in range(times):
            self.turn()
            # At first the agents have to speak, and then the plan has to hear them.
            if turn > 1 and all(not view.active for view in self.views()) and self._calm():
                return
        raise AssertionError([self.view(each) for each in self.agents])

    def _calm(self) -> bool:
        return not self.plan or not (self.plan.steps or self.plan.active)

    def shadow(self, name: str) -> Object | None:
        return self.kube.find("brs", shadow_name(name), SPACE)

    def node(self, name: str) -> Object:
        return self.kube.get("nodes", name)

    def view(self, name: str) -> NodeView:
        found = self.scheduler.store.view(name)
        assert found is not None
        return found

    def views(self) -> list[NodeView]:
        return self.scheduler.store.views()

    def status(self, name: str) -> Status:
        shadow = self.shadow(name)
        assert shadow is not None
        found = status_of(shadow)
        assert found is not None
        return found

    def state(self, name: str) -> tuple[State, State]:
        """What a node shall do, and what it has done."""
        shadow = self.shadow(name)
        assert shadow is not None
        return spec_of(shadow).state, self.status(name).state

    def versions(self) -> dict[str, str]:
        return {name: agent.running for name, agent in self.agents.items()}

    def cordoned(self) -> set[str]:
        return {
            each["metadata"]["name"]
            for each in self.kube.all("nodes")
            if each.get("spec", {}).get("unschedulable")
        }

    def cordoned_by_us(self) -> set[str]:
        return {
            each["metadata"]["name"]
            for each in self.kube.all("nodes")
            if CORDONED_BY in (each["metadata"].get("annotations") or {})
        }

    def annotate(self, name: str, notes: dict[str, str | None]) -> None:
        self.kube.patch("nodes", name, {"metadata": {"annotations": notes}})

    def cordon(self, name: str) -> None:
        """A person does."""
        self.kube.patch("nodes", name, {"spec": {"unschedulable": True}})

    def pods_on(self, name: str) -> tuple[str, ...]:
        return tuple(
            each["metadata"]["name"]
            for each in self.kube.all("pods")
            if each["spec"].get("nodeName") == name
        )

    def pod(self, name: str, on: str, **more: Any) -> Object:
        return self.kube.create(pod(name, on, **more))

    def budget(self, name: str, app: str, *, allowed: int = 0) -> None:
        """A disruption budget that lets so many pods go now."""
        made = budget(name, app, maxUnavailable=1)
        status = {"observedGeneration": 1, "disruptionsAllowed": allowed}
        self.kube.create({**made, "status": status})

    def ledger(self) -> Object:
        return self.kube.get("configmaps", LEDGER, SPACE)

    def told(self, reason: str, about: str = "") -> list[str]:
        """Messages of events with a reason."""
        return [
            str(each["message"]) for each in self.kube.events(about) if each["reason"] == reason
        ]


@contextmanager
def fleet_world(**environment: str) -> Iterator[FleetWorld]:
    """A fleet while the block runs.

    Args:
        environment: settings of the controller.
    """
    with serving() as kube, asyncio.Runner() as runner:
        kube.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": SPACE}})
        kube.create(yaml.safe_load(DEFINITION.read_text()))
        world = FleetWorld(kube, FakeClock(NOW), runner, dict(environment))
        try:
            yield world
        finally:
            world.close()
