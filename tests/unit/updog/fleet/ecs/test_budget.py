"""How many instances may be away at once."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.fakes.clock import NOW
from updog.fleet.budget import Budget
from updog.fleet.ecs.budget import granted, parse_amount, room
from updog.fleet.ecs.marks import Mark, Phase

LATER = NOW + timedelta(seconds=1)


@pytest.mark.parametrize(
    ("text", "total", "expected"),
    [("1", 50, 1), ("7", 3, 7), ("10%", 50, 5), ("10%", 9, 1), ("100%", 9, 9), ("1%", 1, 1)],
)
def test_an_amount_is_a_number_or_a_part_rounded_down_but_never_to_none(
    text: str, total: int, expected: int
) -> None:
    amount = parse_amount(text)
    assert amount.of(total) == expected
    assert str(amount) == text


@pytest.mark.parametrize("text", ["", "0", "0%", "101%", "-1", "1.5", "ten", "1 %", "٣", "1" * 9])
def test_other_amounts_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="neither a number"):
        parse_amount(text)


def claim(run: str, phase: Phase = Phase.CLAIMED, *, late: bool = False) -> Mark:
    return Mark(run, phase, LATER if late else NOW, LATER)


def test_the_older_claim_goes_first() -> None:
    claims = {"i": claim("a", late=True), "j": claim("b")}
    assert granted(claims, "j", 1)
    assert not granted(claims, "i", 1)
    assert granted(claims, "i", 2)


def test_what_is_drained_goes_before_an_older_claim() -> None:
    claims = {"i": claim("a", Phase.DRAINING, late=True), "j": claim("b")}
    assert granted(claims, "i", 1)
    assert not granted(claims, "j", 1)


def test_claims_of_one_moment_have_an_order_too() -> None:
    claims = {"i": claim("b"), "j": claim("a"), "k": claim("a")}
    assert [name for name in claims if granted(claims, name, 2)] == ["j", "k"]


def test_there_is_room_for_what_is_left_of_the_budget() -> None:
    assert room([], 2) == 2
    assert room(["a", "a"], 2) == 1
    assert room(["a", "b", "c"], 2) == 0


def test_an_amount_of_percent_is_told_from_a_number() -> None:
    assert parse_amount("5%") == Budget(percent=5)
