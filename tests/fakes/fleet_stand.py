"""A cluster with the operator in it: a fake API server, real machines, agents and controller.

The controller is the command, in a process of its own; the agents are the agents' own code, one
task for each node, all in one thread: fifty more processes would show nothing else. Everybody has
the rights that the chart grants, and no others.
"""

from __future__ import annotations

import asyncio
import gc
import signal
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import yaml

from tests.fakes.fleet_machines import LONG, ROOT, FleetMachine, Machines, environment
from tests.fakes.fleet_watch import Watch
from tests.fakes.kube.admission import enforce
from tests.fakes.kube.resources import Object
from tests.fakes.kube.server import Kube, serving
from tests.fakes.kube.workloads import Workloads, budget, node, pod, replica_set
from updog.clock import SystemClock
from updog.fleet.kubernetes import settings
from updog.fleet.kubernetes.agent import Agent
from updog.fleet.kubernetes.connecting import connected
from updog.fleet.kubernetes.host import Host, Pace
from updog.fleet.kubernetes.names import DEFAULT_NAMESPACE as SPACE
from updog.fleet.kubernetes.names import INTERFACE_LABEL, INTERFACE_VERSION

MANIFESTS = ROOT / "packaging/kubernetes/updog-fleet.yaml"
AGENT = {
    "AGENT_INTERVAL_IN_SEC": "1",
    "UPDATE_CHECK_INTERVAL_IN_SEC": "3600",
    "UPDATE_API_PACE_IN_SEC": "0",
}
RULES = {
    "SCHEDULER_INTERVAL_IN_SEC": "0.3",
    "METRICS_PORT": "0",
    "LEASE_IN_SEC": "2",
    "BACKOFF_UNIT_IN_SEC": "1",
}
Result = TypeVar("Result")


class Agents:
    """The agents of all nodes, in a thread of their own."""

    def __init__(self, stand: Stand) -> None:
        self._stand = stand
        self._loop = asyncio.new_event_loop()
        # Each agent may wait for its machine at the same time as all the others.
        self._loop.set_default_executor(ThreadPoolExecutor(2 * len(stand.machines.all)))
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def start(self) -> None:
        self._thread.start()
        for name in self._stand.machines.all:
            self.begin(name)

    def begin(self, name: str) -> None:
        """Start the agent of a node."""

        async def begin() -> None:
            self._tasks[name] = asyncio.create_task(self._run(name))

        self._call(begin())

    def kill(self, name: str) -> bool:
        """End it in the middle of whatever it does; whether it was at work until then."""

        async def kill() -> bool:
            worked = not self._tasks[name].done()
            self._tasks[name].cancel()
            await asyncio.wait([self._tasks[name]])
            return worked

        return self._call(kill())

    def restart_all(self) -> None:
        """New agents, who ask for updates at once."""
        for name in self._stand.machines.all:
            self.kill(name)
            self.begin(name)

    async def _run(self, name: str) -> None:
        machine = self._stand.machines.all[name]
        said = settings.agent({**AGENT, "MY_NODE_NAME": name, "MY_POD_NAMESPACE": SPACE})
        clock = SystemClock()
        pace = Pace(said.pace, 3, time.sleep, time.monotonic)
        host = Host(machine.socket, clock, time.sleep, pace, said.stage_limit)
        config = self._stand.agent_config(name)
        async with connected(SPACE, config) as cluster:
            await Agent(cluster, host, said, clock, asyncio.Event()).run()

    async def _clear(self) -> None:
        """End what the agents have left behind, as the end of a process does."""
        left = asyncio.all_tasks() - {asyncio.current_task()}
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
        await self._loop.shutdown_default_executor()
        # Connections are closed in the next rounds of the loop.
        await asyncio.sleep(0.1)

    def _call(self, work: Coroutine[Any, Any, Result]) -> Result:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(LONG)

    def stop(self) -> None:
        for name in list(self._tasks):
            self.kill(name)
        self._call(self._clear())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(LONG)
        self._loop.close()
        with warnings.catch_warnings():
            # What was killed in the middle leaves sockets, which the end of a process would close.
            warnings.simplefilter("ignore", ResourceWarning)
            gc.collect()


@dataclass
class Stand:
    """Everything that a test of the operator needs.

    Attributes:
        home: where files lie.
        kube: the API server.
        machines: of the nodes.
        watch: what is held against every write.
        workloads: what runs in the cluster.
        rules: the environment of the controller.
    """

    home: Path
    kube: Kube
    machines: Machines
    watch: Watch
    workloads: Workloads
    rules: dict[str, str] = field(default_factory=dict)
    controller: subprocess.Popen[bytes] | None = None

    def install(self) -> None:
        """Apply the manifests, and let the nodes join."""
        self.kube.apply(*yaml.safe_load_all(MANIFESTS.read_text()))
        enforce(self.kube.api)
        daemon = self.kube.get("ds", "updog-fleet-agent", SPACE)
        for name in self.machines.all:
            self.kube.create(node(name, {INTERFACE_LABEL: INTERFACE_VERSION}))
            self.kube.create(pod(f"agent-{name}", name, owner=daemon, namespace=SPACE))
        self.kube.guard.required = True
        self.machines.going_down = self._down
        self.machines.up_again = self._up
        self.kube.observe(self.watch.see)

    def serve_people(self, replicas: int, **spec: Any) -> None:
        """A workload over all nodes, with a budget."""
        self.kube.create(replica_set("web", replicas))
        self.kube.create(budget("web", "web", **spec))
        self.workloads.step()

    def agent_config(self, name: str) -> Path:
        there = self.kube.get("pods", f"agent-{name}", SPACE)
        token = self.kube.guard.account_token(SPACE, "updog-fleet-agent", pod=there)
        return self.kube.kubeconfig(self.machines.all[name].home / "kubeconfig", token=token)

    def start_controller(self) -> None:
        """Start the command of the controller."""
        token = self.kube.guard.account_token(SPACE, "updog-fleet-controller")
        config = self.kube.kubeconfig(self.home / "controller.kubeconfig", token=token)
        said = {**RULES, **self.rules, "KUBECONFIG": str(config), "MY_POD_NAMESPACE": SPACE}
        with (self.home / "controller.log").open("ab") as out:
            self.controller = subprocess.Popen(
                [sys.executable, "-m", "updog.fleet.cli", "controller"],
                cwd=ROOT,
                stdout=out,
                stderr=out,
                env={**environment(), **said},
            )

    def kill_controller(self) -> bool:
        """End it without a word; whether it was at work until then."""
        assert self.controller is not None
        self.controller.kill()
        code = self.controller.wait()
        self.controller = None
        return code == -signal.SIGKILL

    def _down(self, machine: FleetMachine) -> None:
        self.watch.goes_down(machine.name)
        self._ready(machine.name, ready=False)

    def _up(self, machine: FleetMachine) -> None:
        self._ready(machine.name, ready=True)

    def _ready(self, name: str, *, ready: bool) -> None:
        conditions = [{"type": "Ready", "status": str(ready)}]
        self.kube.patch("nodes", name, {"status": {"conditions": conditions}}, sub="status")

    def shadow(self, name: str) -> Object:
        return self.kube.get("brs", f"brs-{name}", SPACE)

    def cordoned(self) -> list[str]:
        """The nodes on which nothing may be scheduled."""
        return [
            each["metadata"]["name"]
            for each in self.kube.all("nodes")
            if each["spec"].get("unschedulable")
        ]

    def halted(self) -> bool:
        found = self.kube.find("configmaps", "updog-fleet", SPACE)
        notes = found["metadata"].get("annotations") or {} if found else {}
        return "fleet.updog/halt" in notes

    def quiet(self) -> bool:
        """Whether nothing is under way on any node."""
        shadows = self.kube.all("brs", SPACE)
        return len(shadows) == len(self.machines.all) and all(
            each["spec"]["state"] == (each.get("status") or {}).get("current_state") == "Idle"
            for each in shadows
        )

    def wait(self, what: Callable[[], bool], seconds: float = LONG) -> None:
        """Wait for something; what went wrong meanwhile ends it.

        Raises:
            AssertionError: it did not come, with how things are.
        """
        until = time.monotonic() + seconds
        while not what():
            self.check()
            assert time.monotonic() < until, self.report()
            time.sleep(0.1)

    def check(self) -> None:
        """Nothing has been seen that must not be."""
        assert self.watch.wrongs == [], self.watch.wrongs
        assert self.machines.failures == []

    def report(self) -> str:
        """How things are, for who reads of a failure."""
        lines = [f"{self.machines.versions()}, cordoned {self.cordoned()}"]
        lines += [
            f"{each['metadata']['name']}: {each['spec']} {each.get('status')}"
            for each in self.kube.all("brs", SPACE)
        ]
        log = (self.home / "controller.log").read_text().splitlines()
        return "\n".join([*lines, *log[-40:]])


@contextmanager
def standing(home: Path, count: int, *, at_most: int, **rules: str) -> Iterator[Stand]:
    """A cluster of so many nodes while the block runs; controller and agents are not started.

    Args:
        home: where everything lies; its path must be short.
        count: how many nodes.
        at_most: how many may be unavailable because of the operator.
        rules: the environment of the controller.
    """
    names = [f"n{number:02}" for number in range(count)]
    with ExitStack() as stack:
        kube = stack.enter_context(serving())
        machines = Machines.made(home, names)
        said = {"MAX_CONCURRENT_UPDATE": str(at_most), **rules}
        stand = Stand(home, kube, machines, Watch(kube, at_most), Workloads(kube), said)
        stand.install()
        stack.callback(machines.stop)
        machines.start()
        stack.enter_context(stand.workloads.running())
        stack.callback(lambda: stand.kill_controller() if stand.controller else None)
        yield stand


@contextmanager
def agents(stand: Stand) -> Iterator[Agents]:
    """The agents of all nodes while the block runs."""
    made = Agents(stand)
    made.start()
    try:
        yield made
    finally:
        made.stop()
