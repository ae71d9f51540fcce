"""What is written on instances."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta

import pytest

from tests.fakes.clock import NOW
from updog.fleet.ecs.marks import MAX_VALUE, Failure, Mark, Phase, next_failure

# What ECS takes for the value of an attribute.
VALUE = re.compile(r"[A-Za-z0-9._@/\\:-][A-Za-z0-9._@/\\: -]{0,126}[A-Za-z0-9._@/\\:-]")
TASK = "task-0123456789abcdef0123456789abcdef"
MARK = Mark(TASK, Phase.REBOOTING, NOW, NOW + timedelta(minutes=3), "1.20.5", "1.21.0-rc.1+b7")


def test_a_claim_is_read_as_it_was_written() -> None:
    assert Mark.parse(MARK.text()) == MARK


def test_a_claim_is_a_value_that_ecs_takes() -> None:
    assert VALUE.fullmatch(MARK.text())


def test_versions_that_are_too_long_for_a_value_are_left_out() -> None:
    text = replace(MARK, expected=f"1.21.0+{'a' * 100}").text()
    assert len(text) <= MAX_VALUE
    assert Mark.parse(text) == replace(MARK, before="", expected="")


@pytest.mark.parametrize(
    "text",
    ["", "mine", "a b c d e f", f"{TASK} draining 2026 2026 - -", MARK.text() + " more"],
)
def test_what_others_wrote_is_no_claim(text: str) -> None:
    assert Mark.parse(text) is None


def test_a_claim_is_abandoned_when_nobody_renews_it() -> None:
    limit = timedelta(minutes=10)
    assert not MARK.is_abandoned(MARK.renewed + limit, limit)
    assert MARK.is_abandoned(MARK.renewed + limit + timedelta(seconds=1), limit)


def test_a_failure_is_read_as_it_was_written() -> None:
    failure = Failure("1.21.0+b7", 2, NOW)
    assert Failure.parse(failure.text()) == failure
    assert VALUE.fullmatch(failure.text())
    assert Failure.parse("1.21.0 many times") is None


def test_the_failure_of_a_version_that_is_too_long_is_remembered_without_it() -> None:
    assert Failure.parse(Failure(f"1.0.0+{'a' * 200}", 1, NOW).text()) == Failure("", 1, NOW)


def test_attempts_are_counted_for_one_version() -> None:
    first = next_failure(None, "1.1.0", NOW)
    assert first.attempts == 1
    assert next_failure(first, "1.1.0", NOW).attempts == 2
    assert next_failure(first, "1.2.0", NOW).attempts == 1
