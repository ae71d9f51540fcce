"""The settings of controller and agent, from the environment. PURE: the environment comes in.

Names that Bottlerocket's operator knows mean what they mean there, except where
docs/kubernetes.md says otherwise. A value that cannot be understood ends the program at once, with
the name of the variable.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import PurePosixPath
from shlex import split

from updog.errors import ConfigError
from updog.fleet import budget
from updog.fleet.backoff import Backoff
from updog.fleet.halting import Brakes
from updog.fleet.kubernetes import environment as env
from updog.fleet.kubernetes.environment import Reader
from updog.fleet.kubernetes.hours import windows
from updog.fleet.kubernetes.names import DEFAULT_CANARY, DEFAULT_NAMESPACE
from updog.fleet.rules import DrainPolicy, Limits, Rules

Environment = Mapping[str, str]

RULE_NAMES = (
    "MAX_CONCURRENT_UPDATE",
    "SCHEDULER_CRON_EXPRESSION",
    "UPDATE_WINDOWS",
    "UPDATE_WINDOW_TIME_ZONE",
    "UPDATE_BLACKOUTS",
    "UPDATE_WINDOW_START",
    "UPDATE_WINDOW_STOP",
    "EXCLUDE_FROM_LB_WAIT_TIME_IN_SEC",
    "DRAIN_POLICY",
    "DRAIN_LIMIT_IN_SEC",
    "STAGE_LIMIT_IN_SEC",
    "REBOOT_LIMIT_IN_SEC",
    "MONITOR_LIMIT_IN_SEC",
    "HEALTH_SETTLE_IN_SEC",
    "BACKOFF_UNIT_IN_SEC",
    "BACKOFF_CAP_IN_SEC",
    "MAX_ATTEMPTS",
    "HALT_AFTER_FAILURES",
    "HALT_FAILURE_PERCENT",
    "HALT_LEAST_ATTEMPTS",
    "CANARY_SELECTOR",
    "HEALTH_POD_SELECTOR",
)
"""What decides about steps; kept in the ledger, so that the command line can explain them."""


@dataclass(frozen=True, slots=True)
class Controller:
    """What the controller goes by.

    Attributes:
        rules: what a step goes by.
        namespace: where shadows and the ledger are.
        node: where the controller itself runs; empty if that is not known.
        pod: what it is called; empty if that is not known.
        canary: the label selector of canaries; empty for none.
        health_pods: the label selector of pods that must be Ready on a node; empty for none.
        interval: seconds between two steps.
        port: where metrics are served; 0 for nowhere.
        lease: seconds that a lease lasts; 0 needs none.
        note: an annotation that a node has while it is emptied and restarts: name and value.
        said: the rules as they were said.
    """

    rules: Rules
    namespace: str
    node: str = ""
    pod: str = ""
    canary: str = DEFAULT_CANARY
    health_pods: str = ""
    interval: float = 2.0
    port: int = 8080
    lease: float = 15.0
    note: tuple[str, str] | None = None
    said: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Agent:
    """What the agent goes by.

    Attributes:
        node: where it runs.
        namespace: where shadows are.
        socket: where the update API of its machine answers.
        interval: seconds between two looks.
        check_every: seconds between two questions for updates.
        stage_limit: seconds that writing an update may take.
        reboot_limit: seconds after which a restart that was asked for did not happen.
        monitor_limit: seconds until the health command must have succeeded.
        pace: least seconds between two commands to the update API, after the first few.
        health: the command that says whether the node is well, with its arguments; empty for none.
    """

    node: str
    namespace: str
    socket: PurePosixPath
    interval: float = 5.0
    check_every: float = 120.0
    stage_limit: float = 3000.0
    reboot_limit: float = 900.0
    monitor_limit: float = 600.0
    pace: float = 10.0
    health: tuple[str, ...] = ()


def controller(environment: Environment) -> Controller:
    """Read the settings of the controller.

    Raises:
        ConfigError: a variable cannot be understood.
    """
    read = Reader(environment)
    return Controller(
        rules=rules(environment),
        namespace=read.text("MY_POD_NAMESPACE", DEFAULT_NAMESPACE),
        node=read.text("MY_NODE_NAME", ""),
        pod=read.text("MY_POD_NAME", ""),
        canary=read.value("CANARY_SELECTOR", DEFAULT_CANARY, selector),
        health_pods=read.value("HEALTH_POD_SELECTOR", "", selector),
        interval=read.seconds("SCHEDULER_INTERVAL_IN_SEC", 2.0),
        port=read.value("METRICS_PORT", "8080", env.port),
        lease=read.seconds("LEASE_IN_SEC", 15.0),
        note=read.value("ANNOTATE_WHILE_UPDATING", "", _note),
        said=tuple((name, said) for name in RULE_NAMES if (said := read.text(name, ""))),
    )


def agent(environment: Environment) -> Agent:
    """Read the settings of an agent.

    Raises:
        ConfigError: a variable is missing, or cannot be understood.
    """
    read = Reader(environment)
    node = read.text("MY_NODE_NAME", "")
    if not node:
        raise ConfigError(
            "MY_NODE_NAME is not set.", hint="Set it from the pod's field spec.nodeName."
        )
    return Agent(
        node=node,
        namespace=read.text("MY_POD_NAMESPACE", DEFAULT_NAMESPACE),
        socket=PurePosixPath(read.text("UPDATE_API_SOCKET", "/run/api.sock")),
        interval=read.seconds("AGENT_INTERVAL_IN_SEC", 5.0),
        check_every=read.seconds("UPDATE_CHECK_INTERVAL_IN_SEC", 120.0),
        stage_limit=read.seconds("AGENT_STAGE_LIMIT_IN_SEC", 3000.0),
        reboot_limit=read.seconds("AGENT_REBOOT_LIMIT_IN_SEC", 900.0),
        monitor_limit=read.seconds("AGENT_MONITOR_LIMIT_IN_SEC", 600.0),
        pace=read.seconds("UPDATE_API_PACE_IN_SEC", 10.0),
        health=read.value("HEALTH_COMMAND", "", lambda text: tuple(split(text))),
    )


def rules(environment: Environment) -> Rules:
    """Read what a step goes by.

    Raises:
        ConfigError: a variable cannot be understood.
    """
    read = Reader(environment)
    return Rules(
        budget=read.value("MAX_CONCURRENT_UPDATE", "1", budget.parse),
        windows=windows(read),
        backoff=Backoff(
            unit=read.span("BACKOFF_UNIT_IN_SEC", 60.0),
            cap=read.span("BACKOFF_CAP_IN_SEC", 24 * 3600.0),
        ),
        attempts=read.value("MAX_ATTEMPTS", "5", env.count_or_never),
        brakes=_brakes(read),
        limits=Limits(
            stage=read.span("STAGE_LIMIT_IN_SEC", 3600.0),
            drain=read.span("DRAIN_LIMIT_IN_SEC", 1800.0),
            reboot=read.span("REBOOT_LIMIT_IN_SEC", 1200.0),
            monitor=read.span("MONITOR_LIMIT_IN_SEC", 900.0),
        ),
        drain=read.value("DRAIN_POLICY", DrainPolicy.ABORT.value, _drain_policy),
        exclusion=_exclusion(read),
        settle=read.span("HEALTH_SETTLE_IN_SEC", 0.0),
    )


def selector(text: str) -> str:
    """Check a label selector of equalities: ``key=value,other=value``.

    Raises:
        ValueError: it is none.
    """
    for part in filter(None, text.split(",")):
        key, equals, value = part.partition("=")
        if not (key.strip() and equals and value.strip()) or "=" in value or "!" in key:
            raise ValueError(f"{part!r} is no key=value")
    return text.replace(" ", "")


def matches(said: str, labels: Mapping[str, str]) -> bool:
    """Whether labels fit a selector of equalities; an empty one fits nothing."""
    if not said:
        return False
    pairs = (part.split("=", 1) for part in said.split(","))
    return all(labels.get(key) == value for key, value in pairs)


def _exclusion(read: Reader) -> timedelta:
    """The wait for load balancers; it is part of the drain, and must leave it some time."""
    wait = read.span("EXCLUDE_FROM_LB_WAIT_TIME_IN_SEC", 0.0)
    if wait and wait >= read.span("DRAIN_LIMIT_IN_SEC", 1800.0):
        raise ConfigError(
            "EXCLUDE_FROM_LB_WAIT_TIME_IN_SEC is not shorter than DRAIN_LIMIT_IN_SEC.",
            hint="The wait is part of the drain: raise the limit, or every drain fails.",
        )
    return wait


def _brakes(read: Reader) -> Brakes:
    return Brakes(
        failures=read.value("HALT_AFTER_FAILURES", "3", env.count_or_never),
        percent=read.value("HALT_FAILURE_PERCENT", "never", env.percent_or_never),
        least=read.value("HALT_LEAST_ATTEMPTS", "10", env.count),
    )


def _note(text: str) -> tuple[str, str] | None:
    if not text:
        return None
    name, equals, value = text.partition("=")
    if not (name.strip() and equals):
        raise ValueError(f"{text!r} is no name=value")
    return name.strip(), value.strip()


def _drain_policy(text: str) -> DrainPolicy:
    known = [each.value for each in DrainPolicy]
    if text.lower() not in known:
        raise ValueError(f"{text!r} is none of {', '.join(known)}")
    return DrainPolicy(text.lower())
