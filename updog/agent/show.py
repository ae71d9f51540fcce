"""What `updog schedule` tells: when this host asks, installs and restarts next, and why."""

from __future__ import annotations

import json
from datetime import datetime

from updog.agent.decide import Known, Step, decide, wake
from updog.agent.loop import Agent
from updog.agent.machine import Machine, PresentClock
from waves.duration import format_moment


def show(machine: Machine, now: datetime, *, as_json: bool) -> str:
    """Tell what the agent would do now; nothing is asked and nothing is changed.

    Raises:
        UpdogError, PartitionError: the configuration, the host or the disk is not usable.
    """
    rules, settings = machine.rules(), machine.settings
    agent = Agent(machine, PresentClock(), lambda _seconds: True, settings.paths.agent)
    known = agent.known(rules, now)
    step = decide(rules, known, now)
    calendar = rules.calendar
    moments = {
        "next_check": wake(rules, known, now),
        "next_window": calendar.next_open(now),
        "next_install": calendar.next_install(now),
        "last_check": known.checked,
        "ready_at": known.ready_at,
    }
    if as_json:
        return _json(rules.mode, known, step, moments)
    lines = [
        f"Mode:         {rules.mode}",
        f"Now:          {step.action}, because {step.why}",
        *(_line(name, at) for name, at in moments.items()),
        f"Chosen:       {known.chosen or 'none'}",
        f"Staged:       {known.staged or 'none'}",
        f"Window:       {'open' if calendar.is_open(now) else 'closed'}",
    ]
    return "\n".join(lines) + "\n"


def _json(mode: str, known: Known, step: Step, moments: dict[str, datetime | None]) -> str:
    tree = {
        "mode": mode,
        "action": step.action,
        "why": step.why,
        "until": None if step.until is None else format_moment(step.until),
        **{name: None if at is None else format_moment(at) for name, at in moments.items()},
        "chosen": known.chosen or None,
        "staged": known.staged or None,
        "confirmed": known.confirmed,
        "failures": known.failures,
        "inhibitors": list(known.inhibitors),
    }
    return json.dumps(tree, indent=2) + "\n"


def _line(name: str, at: datetime | None) -> str:
    title = name.replace("_", " ").capitalize() + ":"
    return f"{title:<13} {_told(at)}"


def _told(at: datetime | None) -> str:
    return "none" if at is None else format_moment(at)
