from __future__ import annotations

import json
import os
from datetime import timedelta
from pathlib import Path

import pytest

from tests.fakes.clock import NOW
from updog.doctor.check import Verdict
from updog.doctor.clockcheck import (
    against_image,
    against_server,
    against_state,
    kernel_synchronised,
    synchronised,
)
from updog.settings import Paths
from updog.timeofrun import time_of_run
from waves.duration import format_moment

MINUTE = timedelta(minutes=1)


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    made = Paths(
        state_dir=tmp_path, trusted_root=tmp_path / "root.json", os_release=tmp_path / "release"
    )
    made.tuf_dir.mkdir()
    expires = format_moment(NOW + timedelta(days=300))
    made.trusted_root.write_text(json.dumps({"signed": {"expires": expires}}))
    for path in (made.trusted_root, made.os_release, made.tuf_dir / "timestamp.json"):
        path.touch()
        os.utime(path, (NOW.timestamp(), NOW.timestamp()))
    return made


@pytest.mark.parametrize(
    ("behind", "verdict"),
    [(-MINUTE, Verdict.OK), (timedelta(0), Verdict.OK), (MINUTE, Verdict.FAIL)],
)
def test_a_clock_behind_the_image_fails(paths: Paths, behind: timedelta, verdict: Verdict) -> None:
    assert against_image(NOW - behind, paths).verdict is verdict


def test_the_clock_is_judged_as_a_run_judges_it(paths: Paths) -> None:
    check = against_image(NOW - MINUTE, paths)
    assert check.said == time_of_run(NOW - MINUTE, paths).sentence


def test_an_image_that_claims_to_be_younger_than_its_root_lasts_tells_nothing(
    paths: Paths,
) -> None:
    late = (NOW + timedelta(days=301)).timestamp()
    os.utime(paths.os_release, (late, late))
    check = against_image(NOW, paths)
    assert check.verdict is Verdict.OK
    assert "nothing tells when the image was built" in check.said


def test_a_clock_behind_its_own_earlier_runs_is_a_warning(paths: Paths) -> None:
    check = against_state(NOW - timedelta(days=2), paths)
    assert check.verdict is Verdict.WARN
    assert "2 days from now: the clock went back" in check.said


def test_without_any_file_there_is_nothing_to_doubt(tmp_path: Path) -> None:
    paths = Paths(tmp_path / "a", trusted_root=tmp_path / "b", os_release=tmp_path / "c")
    assert against_image(NOW, paths).verdict is Verdict.OK
    assert against_state(NOW, paths).verdict is Verdict.OK


@pytest.mark.parametrize(
    ("told", "verdict", "words"),
    [
        (NOW + MINUTE, Verdict.OK, "agrees"),
        (NOW + timedelta(hours=3), Verdict.WARN, "3 hours behind that of s"),
        (NOW - timedelta(hours=3), Verdict.WARN, "3 hours ahead of that of s"),
        (None, Verdict.OK, "does not tell"),
    ],
)
def test_a_server_gives_a_hint(told: object, verdict: Verdict, words: str) -> None:
    check = against_server(NOW, "s", told)  # type: ignore[arg-type]
    assert check.verdict is verdict
    assert words in check.said


@pytest.mark.parametrize(
    ("kernel", "verdict"), [(True, Verdict.OK), (None, Verdict.OK), (False, Verdict.WARN)]
)
def test_the_kernel_tells_whether_the_clock_is_kept(
    tmp_path: Path, *, kernel: bool | None, verdict: Verdict
) -> None:
    assert synchronised(kernel=kernel, marker=tmp_path / "none").verdict is verdict


def test_a_mark_of_timesyncd_is_enough(tmp_path: Path) -> None:
    marker = tmp_path / "synchronized"
    marker.touch()
    assert synchronised(kernel=False, marker=marker).verdict is Verdict.OK


def test_asking_the_kernel_answers() -> None:
    assert kernel_synchronised() in {True, False, None}
