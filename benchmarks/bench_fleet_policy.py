"""The policy of `updog-fleet` over thousands of simulated nodes: the time of a step, and memory.

What is measured is what the controller does between two requests: taking changed objects into the
store, and a plan over all nodes. No process and no network takes part. Agents are played by the
table of the real ones, so every node goes through all states.
"""

from __future__ import annotations

import argparse
import gc
import statistics
import sys
import time
import tracemalloc
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from updog.fleet import budget
from updog.fleet.halting import Ledger
from updog.fleet.kubernetes.duty import Duty, duty, said
from updog.fleet.kubernetes.names import (
    CORDONED_BY,
    DRAINED_SINCE,
    INTERFACE_LABEL,
    INTERFACE_VERSION,
    MANAGER,
)
from updog.fleet.kubernetes.shadow import (
    Tree,
    new_shadow,
    spec_of,
    spec_tree,
    status_of,
    status_tree,
    written,
)
from updog.fleet.kubernetes.store import Store
from updog.fleet.model import Spec, State, Status
from updog.fleet.policy import Plan, plan
from updog.fleet.rules import Rules
from updog.fleet.steps import Action, Step, finish, permit

NOW = datetime(2031, 4, 7, 9, tzinfo=UTC)
V1, V2 = "1.0.0", "1.1.0"
GOAL_SECONDS = 0.05
SIZES = (1000, 2000, 5000)
IMAGES = [{"names": [f"registry.example/app-{each}:1"], "sizeBytes": 1 << 20} for each in range(50)]


@dataclass
class Cluster:
    """Nodes and shadows that exist only here.

    Attributes:
        store: what the controller knows of them.
        running: the version of each node.
    """

    store: Store
    running: dict[str, str]
    version: int = 0

    def put_node(self, name: str, **notes: str | None) -> None:
        """A node changed; with annotations it is one that is cordoned."""
        self.version += 1
        self.store.put_node(_node(name, self.version, notes))

    def put_shadow(self, name: str, **parts: Tree) -> None:
        """A part of a shadow changed."""
        self.version += 1
        known = self.store.shadows.get(name)
        made = known or new_shadow(self.store.nodes[name], "fleet")
        metadata = {**made["metadata"], "resourceVersion": str(self.version), "uid": f"s-{name}"}
        self.store.put_shadow({**made, **parts, "metadata": metadata})


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, print, and compare with the goal."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--nodes", type=int, nargs="*", default=list(SIZES))
    arguments.add_argument("--steps", type=int, default=60)
    said_ = arguments.parse_args(argv)
    print("| nodes | median step | slowest step | a change | memory | a node |")
    print("|---|---|---|---|---|---|")
    median = 0.0
    for nodes in said_.nodes:
        memory, cluster = _measured(nodes)
        steps, changes = run(cluster, said_.steps)
        steps.sort()
        median = steps[len(steps) // 2]
        print(
            f"| {nodes} | {_ms(median)} | {_ms(steps[-1])} | {_ms(statistics.median(changes))}"
            f" | {memory / 2**20:.1f} MiB | {memory / nodes / 1024:.1f} KiB |"
        )
    print(f"\nstep over {said_.nodes[-1]} nodes: {_ms(median)}, goal {_ms(GOAL_SECONDS)}")
    return 0 if median <= GOAL_SECONDS else 1


def run(cluster: Cluster, steps: int) -> tuple[list[float], list[float]]:
    """Go so many steps with a fifth of the nodes at once; seconds of each step, and each change."""
    rules = Rules(budget=budget.parse("20%"))
    took, changed, now = [], [], NOW
    for _ in range(steps):
        began = time.perf_counter()
        made: Plan = plan(cluster.store.views(), Ledger(closed=NOW), rules, now)
        took.append(time.perf_counter() - began)
        began, before = time.perf_counter(), cluster.version
        for step in made.steps:
            carry_out(cluster, step, now)
        if cluster.version > before:
            changed.append((time.perf_counter() - began) / (cluster.version - before))
        for name in list(cluster.running):
            act(cluster, name)
        now += timedelta(seconds=2)
    return took, changed


def carry_out(cluster: Cluster, step: Step, now: datetime) -> None:
    """What the controller would write."""
    node = cluster.store.view(step.node)
    spec = step.spec
    if node is None:
        return
    if step.action is Action.DRAIN:
        if node.marks.any:
            spec = permit(node, "empty", now).spec
        else:
            cluster.put_node(step.node, **{DRAINED_SINCE: written(now), CORDONED_BY: MANAGER})
    elif step.action is Action.RESTORE:
        cluster.put_node(step.node)
    elif step.action is Action.CHECK:
        spec = finish(node, "well", now).spec
    if spec is not None:
        cluster.put_shadow(step.node, spec=spec_tree(spec))


def act(cluster: Cluster, name: str) -> None:
    """What an agent would write."""
    shadow = cluster.store.shadows[name]
    spec, status = spec_of(shadow), status_of(shadow)
    todo = duty(spec, status, cluster.running[name])
    if status is None or todo in {Duty.REST, Duty.WAIT}:
        return
    if todo is Duty.REBOOT:
        cluster.running[name] = spec.version
        return
    after = {Duty.STAGE: State.STAGED, Duty.LOOK: State.MONITORING}.get(todo)
    made = said(todo, spec, status) if after is None else status._replace(state=after)
    cluster.put_shadow(name, status=status_tree(made._replace(current=cluster.running[name])))


def _measured(nodes: int) -> tuple[int, Cluster]:
    gc.collect()
    tracemalloc.start()
    cluster = Cluster(Store("", ""), {})
    for each in range(nodes):
        name = f"ip-10-0-{each // 250}-{each % 250}.ec2.internal"
        cluster.put_node(name)
        cluster.put_shadow(
            name,
            spec=spec_tree(Spec()),
            status=status_tree(Status(State.IDLE, V1, V2)),
        )
        cluster.running[name] = V1
    gc.collect()
    memory, _peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return memory, cluster


def _node(name: str, version: int, notes: dict[str, str | None]) -> Tree:
    return {
        "kind": "Node",
        "metadata": {
            "name": name,
            "uid": f"n-{name}",
            "resourceVersion": str(version),
            "labels": {INTERFACE_LABEL: INTERFACE_VERSION, "kubernetes.io/hostname": name},
            "annotations": notes,
        },
        "spec": {"unschedulable": bool(notes)},
        "status": {"conditions": [{"type": "Ready", "status": "True"}], "images": list(IMAGES)},
    }


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.3g} ms"


if __name__ == "__main__":
    sys.exit(main())
