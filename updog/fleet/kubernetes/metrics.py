"""What Prometheus is told; docs/kubernetes.md lists it."""

from __future__ import annotations

from collections import Counter as Tally
from collections.abc import Mapping, Sequence
from datetime import datetime

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from updog.fleet.halting import Failure, Ledger
from updog.fleet.judging import DrainReport
from updog.fleet.model import NodeView, Phase
from updog.fleet.policy import Plan

SPANS = (1, 5, 15, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200)
TIMED = {
    Phase.STAGE: "stage",
    Phase.DRAIN: "drain",
    Phase.REBOOT: "reboot",
    Phase.MONITOR: "monitor",
    Phase.SETTLE: "monitor",
}
REASONS = frozenset(
    {
        *("stage-failed", "fell-back", "reboot-failed", "health-failed"),
        *("stage-overdue", "drain-overdue", "reboot-overdue", "monitor-overdue", "settle-overdue"),
        "eviction-refused",
    }
)
"""What failures are called: the first row by agents, the others by the controller."""


class Metrics:
    """All figures of a controller, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        self._versions = Gauge(
            "brupop_hosts_version",
            "Hosts by the version that they run",
            ["bottlerocket_version"],
            registry=registry,
        )
        self._states = Gauge(
            "brupop_hosts_state", "Hosts by their state", ["state"], registry=registry
        )
        self._failures = Counter(
            "updog_fleet_failures", "Failed attempts", ["reason"], registry=registry
        )
        self._phases = Histogram(
            "updog_fleet_phase_seconds",
            "How long the parts of updates took",
            ["phase"],
            registry=registry,
            buckets=SPANS,
        )
        self._halted = self._gauge("halted", "Whether the rollout was stopped")
        self._paused = self._gauge("paused", "Whether the fleet is paused")
        self._open = self._gauge("window_open", "Whether new nodes may be taken by the schedule")
        self._active = self._gauge("active", "Nodes that may be unavailable because of us")
        self._budget = self._gauge("budget", "How many nodes may be unavailable because of us")
        self._nodes = self._gauge("nodes", "Nodes that take part")
        self._waiting = self._gauge("nodes_waiting", "Nodes that wait, by what for", "reason")
        self._blocking = self._gauge(
            "blocking_pdb",
            "Pods that a PodDisruptionBudget keeps on a node that is drained",
            "namespace",
            "pdb",
            "node",
        )
        self._errors = Counter("updog_fleet_api_errors", "Requests that failed", registry=registry)
        self._steps = Histogram(
            "updog_fleet_step_seconds", "How long scheduling steps took", registry=registry
        )
        self._latest = self._gauge("last_step_timestamp_seconds", "When the last step ended")
        self._since: dict[str, tuple[str, datetime]] = {}

    def _gauge(self, name: str, what: str, *labels: str) -> Gauge:
        return Gauge(f"updog_fleet_{name}", what, labels, registry=self.registry)

    def step(self, nodes: Sequence[NodeView], plan: Plan, ledger: Ledger, now: datetime) -> None:
        """Tell how things are after a step."""
        _replace(
            self._versions,
            Tally((node.status.current,) for node in nodes if node.status is not None),
        )
        _replace(
            self._states,
            Tally((node.status.state.value,) for node in nodes if node.status is not None),
        )
        _replace(self._waiting, Tally((hold.reason.value,) for hold in plan.holds.values()))
        self._halted.set(bool(ledger.halted or plan.halt))
        self._paused.set(bool(ledger.paused))
        self._open.set(plan.opening.open)
        self._active.set(len(plan.active))
        self._budget.set(plan.allowed)
        self._nodes.set(sum(not node.gone for node in nodes))
        self._time(nodes, now)

    def silence(self) -> None:
        """Tell nothing of the fleet: another one decides, and tells."""
        for labelled in (self._versions, self._states, self._waiting, self._blocking):
            labelled.clear()
        for plain in (self._halted, self._paused, self._open, self._active, self._budget):
            plain.set(0)
        self._nodes.set(0)

    def failed(self, failures: Sequence[Failure]) -> None:
        """Count failures."""
        for each in failures:
            self._failures.labels(kind_of(each.reason)).inc()

    def drains(self, reports: Mapping[str, DrainReport]) -> None:
        """Tell which budgets hold drains up."""
        held: Tally[tuple[str, ...]] = Tally()
        for node, report in reports.items():
            for blocked in report.blocked:
                for budget in blocked.budgets or ("/",):
                    namespace, _, name = budget.partition("/")
                    held[namespace, name, node] += 1
        _replace(self._blocking, held)

    def took(self, seconds: float, now: datetime) -> None:
        """Tell how long a step took, and when it ended."""
        self._steps.observe(seconds)
        self._latest.set(now.timestamp())

    def error(self) -> None:
        """Count a request that failed."""
        self._errors.inc()

    def _time(self, nodes: Sequence[NodeView], now: datetime) -> None:
        """Time each phase; how it began stands in the cluster, so a restart loses nothing."""
        seen: dict[str, tuple[str, datetime]] = {}
        for node in nodes:
            name = TIMED.get(node.phase)
            if name is not None:
                began = node.marks.since if name == "drain" else node.spec.since
                before = self._since.get(node.name)
                kept = before is not None and before[0] == name
                seen[node.name] = before if before and kept else (name, began or now)
        for node_name, (name, began) in self._since.items():
            at_present = seen.get(node_name)
            if at_present is None or at_present[0] != name:
                self._phases.labels(name).observe(max((now - began).total_seconds(), 0.0))
        self._since = seen


def kind_of(reason: str) -> str:
    """A reason as a label: its first word if it is one of ours, so that labels stay few."""
    word = reason.partition(":")[0]
    return word if word in REASONS else "other"


def _replace(gauge: Gauge, values: Mapping[tuple[str, ...], int]) -> None:
    """Set a gauge to exactly these values: what has vanished is not told any more."""
    gauge.clear()
    for labels, value in values.items():
        gauge.labels(*labels).set(value)
