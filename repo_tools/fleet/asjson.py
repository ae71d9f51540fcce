"""A report as the tree of ``--json``; ``docs/schemas/fleet.json`` describes it. PURE."""

from __future__ import annotations

from dataclasses import fields
from datetime import datetime
from typing import Any

from repo_tools.fleet.figures import Fleet
from waves.duration import format_moment


def tree(fleet: Fleet) -> dict[str, Any]:
    """Everything that is known, in the order of importance."""
    question = fleet.question
    return {
        "version": str(question.version),
        "variant": question.variant,
        "arch": question.arch,
        "hosts_by": question.by.value,
        "planned": question.schedule is not None,
        "lost_after_seconds": int(question.grace.total_seconds()),
        "begin": format_moment(fleet.begin),
        "end": format_moment(fleet.end),
        "hosts": fleet.hosts,
        "lines": {
            "total": fleet.lines.total,
            "unreadable": fleet.lines.unreadable,
            "other": fleet.lines.kinds.get("other", 0),
            "samples": list(fleet.lines.samples),
        },
        "states": {state.value: count for state, count in fleet.states.items()},
        "versions": [_plain(each) for each in fleet.versions],
        "waves": [_plain(each) for each in fleet.waves],
        "lost": {"hosts": fleet.lost_count, "listed": [_plain(each) for each in fleet.lost]},
        "days": [_plain(each) for each in fleet.days],
        "progress": [_plain(each) for each in fleet.progress],
        "traffic": [_plain(each) for each in fleet.traffic],
    }


def _plain(value: Any) -> dict[str, Any]:  # noqa: ANN401 - any of the values of a report
    named = {field.name: getattr(value, field.name) for field in fields(value)}
    return {
        name: format_moment(each) if isinstance(each, datetime) else each
        for name, each in named.items()
    }
