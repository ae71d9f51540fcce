"""A run as JSON and as an exit code."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from tests.fakes.clock import NOW
from updog.fleet.ecs.outcome import (
    HALTED,
    LEFT_DRAINED,
    STOPPED,
    UPDATE_FAILED,
    Outcome,
    Result,
    Summary,
    tree,
)

SCHEMA = json.loads(
    Path(__file__).resolve().parents[5].joinpath("docs/schemas/ecs-summary.json").read_text()
)


def summary(*outcomes: Outcome, **words: Any) -> Summary:
    results = tuple(Result(f"a-{each}", "i-1", each, expected="1.1.0") for each in outcomes)
    return Summary("run-0a", "prod", NOW, NOW, 1, results, **words)


@pytest.mark.parametrize(
    ("outcomes", "code"),
    [
        ((), 0),
        ((Outcome.UPDATED, Outcome.CURRENT, Outcome.SKIPPED, Outcome.GONE, Outcome.FOREIGN), 0),
        ((Outcome.RECOVERED,), 0),
        ((Outcome.HALTED, Outcome.UPDATED), HALTED),
        ((Outcome.FAILED, Outcome.HALTED), UPDATE_FAILED),
        ((Outcome.FAILED, Outcome.LEFT_DRAINED), LEFT_DRAINED),
    ],
)
def test_the_exit_code_is_that_of_the_worst_outcome(outcomes: tuple[Outcome], code: int) -> None:
    assert summary(*outcomes).exit_code == code


def test_being_told_to_stop_has_a_code_of_its_own_unless_something_failed() -> None:
    assert summary(Outcome.INTERRUPTED, stopped=True).exit_code == STOPPED
    assert summary(Outcome.FAILED, stopped=True).exit_code == UPDATE_FAILED


def test_the_summary_keeps_to_its_schema() -> None:
    said = json.loads(json.dumps(tree(summary(*Outcome, halted=("1.1.0",), stopped=True))))
    jsonschema.validate(said, SCHEMA, format_checker=jsonschema.FormatChecker())
    assert said["counts"] == {each.value: 1 for each in Outcome}
    jsonschema.validate(json.loads(json.dumps(tree(summary(yielded=True)))), SCHEMA)


def test_the_schema_knows_every_outcome() -> None:
    assert set(SCHEMA["$defs"]["outcome"]["enum"]) == set(Outcome)
