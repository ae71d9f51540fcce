from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from tests.fakes.client_world import V1, V2, V3, held_until, release
from updog import report
from updog.manifest import Manifest, Update
from updog.report import Why
from updog.select import Declined, Host, Policy, Reason, choose, explain
from waves.schedule import Schedule, Wave

NOW = datetime(2031, 4, 7, 9, tzinfo=UTC)
SOON = datetime(2031, 4, 7, 14, tzinfo=UTC)
HOST = Host("edge-gw", "x86_64", V1, 1000)


def why_of(*updates: Update, policy: Policy | None = None) -> Why:
    manifest, rules = Manifest(updates), policy or Policy()
    return Why(
        NOW,
        HOST,
        rules,
        verdicts=explain(manifest, HOST, rules, NOW),
        outcome=choose(manifest, HOST, rules, NOW),
        versions={"root": 1, "timestamp": 7},
        expires={"root": SOON},
        boot={"active": "A"},
        boot_lines=("Active:  Set A",),
    )


def test_an_update_is_its_variant_and_version() -> None:
    assert report.update_line(release(V2)) == "edge-gw 1.1.0"
    assert report.applied_line(release(V2)) == "Update applied: edge-gw 1.1.0"


def test_update_json_keeps_the_member_order_of_the_manifest() -> None:
    members = list(json.loads(report.update_json(release(V2))))
    assert members == ["variant", "arch", "version", "max_version", "waves", "images"]


def test_lists_of_updates() -> None:
    assert report.updates_text([release(V3), release(V2)]) == "edge-gw 1.2.0\nedge-gw 1.1.0"
    assert report.updates_text([]) == ""
    assert json.loads(report.updates_json([release(V2)]))[0]["version"] == "1.1.0"
    assert report.updates_json([]) == "[]"


def test_json_keeps_letters_of_all_languages() -> None:
    assert "Größe" in report.pretty({"a": "Größe"})


def test_a_refusal_tells_reason_and_moment() -> None:
    declined = Declined(Reason.HELD_BY_WAVE, "not yet", SOON)
    assert report.declined_lines(declined) == ("Reason: not yet", "Ready at: 2031-04-07T14:00:00Z")
    assert report.declined_lines(Declined(Reason.LOCKED, "locked")) == ("Reason: locked",)


@pytest.mark.parametrize(
    ("seed", "wave"), [(0, 1), (19, 1), (20, 1), (99, 1), (100, 2), (1999, 2), (2000, 3), (2047, 3)]
)
def test_the_wave_of_a_seed(seed: int, wave: int) -> None:
    schedule = Schedule((Wave(20, NOW), Wave(100, NOW), Wave(2000, SOON)))
    assert report.wave_of(release(V2, schedule), seed) == (wave, 3)


def test_an_update_without_waves_has_none() -> None:
    assert report.wave_of(release(V2), 5) == (0, 0)


def test_why_shows_the_choice_and_what_speaks_against_the_others() -> None:
    assert report.why_text(why_of(release(V3), release(V2))).splitlines() == [
        "Running:   edge-gw 1.0.0 (x86_64)",
        "Seed:      1000",
        "Lock:      none, follows the latest",
        "Waves:     followed",
        "Choice:    edge-gw 1.2.0",
        "Updates:",
        "  + edge-gw 1.2.0 (no waves)",
        "  - edge-gw 1.1.0 (no waves)",
        "      1.2.0 is chosen, which is not lower",
        "Metadata:",
        "  root 1, expires 2031-04-07T14:00:00Z",
        "  timestamp 7",
        "Active:  Set A",
    ]


def test_why_shows_when_the_turn_of_the_host_comes() -> None:
    text = report.why_text(why_of(release(V2, held_until(SOON))))
    assert "Choice:    none, because 1.1.0 is held back by its waves" in text
    assert "(wave 1 of 1, ready at 2031-04-07T14:00:00Z)" in text


def test_why_shows_the_rules_of_the_host() -> None:
    policy = Policy(version_lock=V2, ignore_waves=True, forced=V3, blocked=frozenset({V3, V2}))
    lines = report.why_text(why_of(policy=policy)).splitlines()
    for line in (
        "Lock:      1.1.0",
        "Waves:     ignored",
        "Asked for: 1.2.0",
        "Blocked:   1.1.0, 1.2.0",
        "Updates:   none in the repository",
    ):
        assert line in lines


def test_why_without_a_repository_says_so() -> None:
    text = report.why_text(Why(NOW, HOST, Policy(), problems=("the line is dead",)))
    assert "Choice:    unknown, the repository could not be asked" in text
    assert text.endswith("Problem:   the line is dead")
    assert "Updates" not in text


def test_why_json_has_all_of_it() -> None:
    policy = Policy(version_lock=V2, forced=V3, blocked=frozenset({V1}))
    told = json.loads(report.why_json(why_of(release(V2, held_until(SOON)), policy=policy)))
    assert told["host"] == {
        "variant": "edge-gw",
        "arch": "x86_64",
        "version": "1.0.0",
        "seed": 1000,
    }
    assert told["policy"] == {
        "variant": None,
        "version_lock": "1.1.0",
        "ignore_waves": False,
        "forced": "1.2.0",
        "blocked_versions": ["1.0.0"],
        "bad_versions": [],
        "soak_seconds": 0,
    }
    assert told["choice"]["reason"] == "not-in-repository"
    assert told["updates"][0]["ready_at"] == "2031-04-07T14:00:00Z"
    assert told["updates"][0]["wave"] == told["updates"][0]["waves"] == 1
    assert told["metadata"]["timestamp"] == {"version": 7, "expires": None}
    assert told["boot"] == {"active": "A"}


def test_why_json_without_a_repository_has_no_choice() -> None:
    told = json.loads(report.why_json(Why(NOW, HOST, Policy())))
    assert told["choice"] is None
    assert told["metadata"] == {}
    assert told["updates"] == []
