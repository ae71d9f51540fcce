"""What machines say of themselves."""

from __future__ import annotations

import json
from typing import Any

import pytest

from updog.fleet.ecs.hostreport import HostReport, Unreadable, parse
from updog.service.machine import State


def image(version: str) -> dict[str, Any]:
    return {"arch": "x86_64", "variant": "aws-ecs-2", "version": version}


def status(state: str, *, chosen: Any = None, staging: Any = None) -> str:
    tree = {
        "update_state": state,
        "available_updates": [],
        "chosen_update": chosen,
        "active_partition": {"image": image("1.0.0"), "next_to_boot": True},
        "staging_partition": staging,
        "most_recent_command": None,
    }
    return json.dumps(tree)


def test_idle_expects_nothing() -> None:
    report = parse(status("Idle", chosen=image("1.1.0")))
    assert report == HostReport(State.IDLE, "1.0.0")
    assert not report.has_update


def test_available_expects_what_was_chosen() -> None:
    report = parse(status("Available", chosen=image("1.1.0")))
    assert report == HostReport(State.AVAILABLE, "1.0.0", "1.1.0")
    assert report.has_update


@pytest.mark.parametrize("state", ["Staged", "Ready"])
def test_what_is_staged_is_expected_before_what_was_chosen_since(state: str) -> None:
    staging = {"image": image("1.1.0"), "next_to_boot": True}
    assert parse(status(state, chosen=image("1.2.0"), staging=staging)).expected == "1.1.0"
    assert parse(status(state, chosen=image("1.2.0"))).expected == "1.2.0"


@pytest.mark.parametrize("odd", ["1.1.0", [], {"version": 7}, {"image": None}])
def test_odd_images_expect_nothing(odd: Any) -> None:
    assert parse(status("Available", chosen=odd)).expected == ""
    assert parse(status("Ready", staging=odd)).expected == ""


@pytest.mark.parametrize(
    "output",
    [
        "",
        "bash: apiclient: command not found",
        "[]",
        "{}",
        '{"update_state": "Odd"}',
        "[" * 99999,
        json.dumps({"update_state": "Idle", "active_partition": None}),
    ],
)
def test_anything_else_is_no_report(output: str) -> None:
    with pytest.raises(Unreadable, match="did not print a status"):
        parse(output)
