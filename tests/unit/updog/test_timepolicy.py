from __future__ import annotations

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.fakes.clock import NOW
from updog.settings import Paths
from updog.timeofrun import time_of_run
from updog.timepolicy import Confidence, TimeOfRun, floor

DAY = timedelta(days=1)


@pytest.mark.parametrize(
    ("run", "confidence", "now"),
    [
        (TimeOfRun(NOW, NOW - DAY, synchronised=True), Confidence.TRUSTED, NOW),
        (TimeOfRun(NOW, NOW, synchronised=True), Confidence.TRUSTED, NOW),
        (TimeOfRun(NOW, NOW - DAY), Confidence.PLAUSIBLE, NOW),
        (TimeOfRun(NOW), Confidence.PLAUSIBLE, NOW),
        (TimeOfRun(NOW, NOW + DAY), Confidence.UNKNOWN, NOW + DAY),
        (TimeOfRun(NOW, NOW + DAY, synchronised=True), Confidence.UNKNOWN, NOW + DAY),
    ],
)
def test_states(run: TimeOfRun, confidence: Confidence, now: datetime) -> None:
    assert (run.confidence, run.now) == (confidence, now)


def test_a_clock_behind_the_floor_is_said_with_both_times() -> None:
    said = TimeOfRun(NOW, NOW + DAY).sentence
    assert "2031-04-07T09:00:00Z" in said
    assert "2031-04-08T09:00:00Z is taken instead" in said


def test_the_floor_is_the_latest_build_time() -> None:
    assert floor([NOW - DAY, NOW, NOW - 2 * DAY], NOW + DAY) == NOW


def test_a_floor_past_the_roots_expiry_counts_for_nothing() -> None:
    assert floor([NOW], NOW) is None


def test_without_a_build_time_there_is_no_floor() -> None:
    assert floor([], NOW) is None


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    root, release = tmp_path / "root.json", tmp_path / "os-release"
    expires = (NOW + 300 * DAY).strftime("%Y-%m-%dT%H:%M:%SZ")
    root.write_text(json.dumps({"signed": {"expires": expires}}))
    release.write_text("")
    return Paths(trusted_root=root, os_release=release)


def made(path: Path, moment: datetime) -> None:
    os.utime(path, (moment.timestamp(), moment.timestamp()))


def test_the_files_of_the_image_set_the_floor(paths: Paths) -> None:
    made(paths.trusted_root, NOW - 2 * DAY)
    made(paths.os_release, NOW - DAY)
    assert time_of_run(NOW, paths).floor == NOW - DAY


def test_one_missing_file_leaves_the_other(paths: Paths) -> None:
    made(paths.trusted_root, NOW - 2 * DAY)
    paths.os_release.unlink()
    assert time_of_run(NOW, paths).floor == NOW - 2 * DAY


@pytest.mark.parametrize("damage", [b"", b"[]", b"{}", b'{"signed": {"expires": 5}}', b"\xff"])
def test_without_a_readable_root_there_is_no_floor(paths: Paths, damage: bytes) -> None:
    paths.trusted_root.write_bytes(damage)
    assert time_of_run(NOW, paths) == TimeOfRun(NOW)


def test_without_a_root_there_is_no_floor(paths: Paths) -> None:
    paths.trusted_root.unlink()
    assert time_of_run(NOW, paths).floor is None


def test_a_file_from_far_ahead_does_not_lock_out(paths: Paths) -> None:
    made(paths.os_release, datetime(2200, 1, 1, tzinfo=UTC))
    assert time_of_run(NOW, paths).now == NOW


@pytest.mark.parametrize("told", [True, False, None])
def test_whoever_asks_learns_whether_it_is_kept(paths: Paths, told: bool | None) -> None:  # noqa: FBT001 - a case, no switch
    made(paths.trusted_root, NOW - DAY)
    made(paths.os_release, NOW - DAY)
    expected = Confidence.TRUSTED if told else Confidence.PLAUSIBLE
    assert time_of_run(NOW, paths, lambda: told).confidence is expected
