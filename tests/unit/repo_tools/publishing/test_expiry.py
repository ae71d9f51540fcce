from __future__ import annotations

import argparse
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from repo_tools.publishing.expiry import Expiry, Limits, Sight, State, as_json, worst
from repo_tools.publishing.prometheus import text
from repo_tools.publishing.spans import span, told
from tests.fakes.repositories import NOW

LIMITS = Limits()
SCHEMAS = Path(__file__).resolve().parents[4] / "docs/schemas"
DAY = timedelta(days=1)


def sight(**left: timedelta) -> Sight:
    """An edition whose roles expire after these spans."""
    roles = {"root": 300 * DAY, "targets": 14 * DAY, "snapshot": 14 * DAY, "timestamp": 7 * DAY}
    ends = {**roles, **left}
    return Sight("edge", "x86_64", tuple(Expiry(r, 3, NOW + ends[r]) for r in roles), 4, 1000)


@pytest.mark.parametrize(
    ("left", "state"),
    [
        ({}, State.OK),
        ({"timestamp": 3 * DAY}, State.WARNING),
        ({"timestamp": 3 * DAY + timedelta(seconds=1)}, State.OK),
        ({"snapshot": DAY}, State.CRITICAL),
        ({"targets": -DAY}, State.CRITICAL),
        ({"root": 30 * DAY}, State.WARNING),
        ({"root": 7 * DAY}, State.CRITICAL),
    ],
)
def test_the_worst_role_decides(left: dict[str, timedelta], state: State) -> None:
    assert sight(**left).state(LIMITS, NOW) is state


def test_the_line_names_the_cause_and_not_what_expires_first() -> None:
    line = sight(root=6 * DAY, timestamp=5 * DAY).line(LIMITS, NOW)
    assert line == "CRITICAL edge x86_64: root 3 expires in 6 days, 2031-04-13T09:00:01Z"


def test_the_line_of_what_has_expired() -> None:
    assert "timestamp 3 has expired" in sight(timestamp=-DAY).line(LIMITS, NOW)


def test_a_problem_is_critical() -> None:
    broken = Sight("edge", "x86_64", problem="timestamp.json is not signed")
    assert broken.line(LIMITS, NOW) == "CRITICAL edge x86_64: timestamp.json is not signed"
    assert worst([sight(), broken], LIMITS, NOW) is State.CRITICAL


def test_nothing_to_look_at_is_critical() -> None:
    assert worst([], LIMITS, NOW) is State.CRITICAL


def test_json_tells_each_role() -> None:
    told_object = as_json([sight(timestamp=2 * DAY)], LIMITS, NOW)
    assert told_object["state"] == "warning"
    listed: Any = told_object["editions"]
    (edition,) = listed
    assert edition["problem"] is None
    assert edition["roles"][-1] == {
        "role": "timestamp",
        "version": 3,
        "expires": "2031-04-09T09:00:01Z",
        "seconds_left": 172_800,
        "state": "warning",
    }


def test_json_follows_its_schema() -> None:
    schema = json.loads((SCHEMAS / "check-expirations.json").read_text())
    broken = Sight("edge", "x86_64", problem="gone")
    jsonschema.validate(as_json([sight(timestamp=-DAY), broken], LIMITS, NOW), schema)


@pytest.mark.parametrize(
    ("typed", "days"), [("3d", 3), ("48h", 2), ("2w", 14), ("1440m", 1), ("5 days", 5)]
)
def test_spans_are_read(typed: str, days: int) -> None:
    assert span(typed) == days * DAY


@pytest.mark.parametrize("typed", ["3", "d", "3y", "-1d", "3 d", ""])
def test_other_spans_are_refused(typed: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="'3d' for short"):
        span(typed)


@pytest.mark.parametrize(
    ("left", "words"),
    [
        (timedelta(days=6, hours=3, minutes=5), "6 days 3 hours"),
        (timedelta(hours=1), "1 hour"),
        (timedelta(seconds=20), "less than a minute"),
        (timedelta(0), "over"),
    ],
)
def test_spans_are_told(left: timedelta, words: str) -> None:
    assert told(left) == words


def test_metrics_have_help_type_and_samples() -> None:
    lines = text([sight()], NOW).splitlines()
    assert "# TYPE updog_repo_up gauge" in lines
    assert 'updog_repo_up{variant="edge",arch="x86_64"} 1' in lines
    labels = 'variant="edge",arch="x86_64",role="root"'
    assert f"updog_repo_metadata_version{{{labels}}} 3" in lines
    assert 'updog_repo_target_bytes{variant="edge",arch="x86_64"} 1000' in lines
    (end,) = (line for line in lines if f"_seconds{{{labels}}}" in line)
    assert float(end.split()[-1]) == pytest.approx((NOW + 300 * DAY).timestamp())


def test_metrics_of_a_broken_repository_say_so() -> None:
    lines = text([Sight("edge", "x86_64", problem="gone")], NOW).splitlines()
    assert 'updog_repo_up{variant="edge",arch="x86_64"} 0' in lines
    assert not [line for line in lines if line.startswith("updog_repo_expires")]


def test_labels_are_escaped() -> None:
    assert r'variant="a\"b\\c\nd"' in text([Sight('a"b\\c\nd', "x")], NOW)
