from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from waves.errors import WaveError
from waves.policy import parse_policy, to_schedule
from waves.shipped import names, read_shipped

BASE = datetime(2031, 4, 7, 9, tzinfo=UTC)
UPSTREAM = Path(__file__).resolve().parents[3] / "fixtures" / "waves"

# Seed key → hours after the base time (formats 3.3).
TABLE = {
    "default": {0: 1, 20: 4, 102: 24, 307: 48, 819: 96, 1228: 120, 1843: 144},
    "accelerated": {0: 1, 61: 4, 245: 8, 819: 16, 1638: 24},
    "slow-roll": {0: 1, 20: 24, 102: 72, 307: 168, 819: 216, 1228: 288, 1843: 312},
    "emergency": {0: 0.5, 102: 1, 512: 2, 1024: 2.5, 1843: 3},
}


@pytest.mark.parametrize("name", TABLE)
def test_a_shipped_policy_gives_the_keys_of_the_format(name: str) -> None:
    waves = to_schedule(read_shipped(name), BASE).waves
    assert {w.first_seed: (w.start - BASE) / timedelta(hours=1) for w in waves} == TABLE[name]


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("default", "default-waves.toml"),
        ("accelerated", "accelerated-waves.toml"),
        ("slow-roll", "slow-roll.toml"),
        ("emergency", "ohno.toml"),
    ],
)
def test_a_shipped_policy_means_what_bottlerockets_does(ours: str, theirs: str) -> None:
    text = (UPSTREAM / theirs).read_text(encoding="utf-8")
    assert parse_policy(text, theirs) == read_shipped(ours)


def test_all_shipped_policies_are_named() -> None:
    assert sorted(names()) == sorted(TABLE)


@pytest.mark.parametrize("name", ["ohno", "", "../policies/default", "default.toml"])
def test_another_name_is_answered_with_those_there_are(name: str) -> None:
    with pytest.raises(WaveError, match="there are default, accelerated, slow-roll, emergency"):
        read_shipped(name)
