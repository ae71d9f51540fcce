from __future__ import annotations

import io
import json
from datetime import timedelta
from pathlib import Path

import pytest

from tests.fakes.clock import FakeClock
from updog.moving import Moving, Phase
from updog.progress import JsonLines, ProgressLine, StatusFile, line_for, shortened, together

SECOND = timedelta(seconds=1)


def at(name: str, done: int, total: int, phase: Phase | None = None) -> Moving:
    phase = phase or (Phase.DONE if done == total else Phase.TRANSFER)
    return Moving(name, phase, done, total, received=done // 2, written=done)


LARGE = 4_000_000_000
LONG_NAME = "acme-edge-gw-x86_64-1.12.0-1a2b3c4d-root.ext4.lz4"


def test_a_line_has_percent_megabytes_in_and_out_and_rate() -> None:
    moving = Moving("root.lz4", Phase.TRANSFER, 45_000_000, 100_000_000, 12_000_000, 30_000_000)
    line = line_for(moving, 2 * SECOND)
    assert line == "root.lz4   45 %  45/100 MB  12 MB in, 30 MB out  22.5 MB/s  0:02 left"


def test_small_images_are_told_in_tenths() -> None:
    moving = Moving("boot.lz4", Phase.TRANSFER, 4_500_000, 9_000_000, 1_200_000, 3_000_000)
    line = line_for(moving, SECOND)
    assert line == "boot.lz4   50 %  4.5/9.0 MB  1.2 MB in, 3.0 MB out  4.5 MB/s  0:01 left"


def test_the_last_line_of_a_target_tells_what_came_in_and_went_out() -> None:
    line = line_for(Moving("x", Phase.DONE, LARGE, LARGE, 12_000_000, 30_000_000), 40 * SECOND)
    assert line == "x  100 %  4000/4000 MB  done  12 MB in, 30 MB out  100.0 MB/s"


@pytest.mark.parametrize("phase", [Phase.SURVEY, Phase.VERIFY])
def test_nothing_is_told_of_in_and_out_while_nothing_moves(phase: Phase) -> None:
    assert " in, " not in line_for(at("root.lz4", 50, 100, phase), SECOND)


@pytest.mark.parametrize("phase", list(Phase))
def test_the_bytes_of_a_large_image_and_its_role_fit_a_terminal(phase: Phase) -> None:
    moving = Moving(LONG_NAME, phase, LARGE - 1_000_000_000, LARGE, LARGE, LARGE)
    shown = line_for(moving, 4 * SECOND, 79)
    assert len(shown) <= 79
    assert "-root.ext4.lz4" in shown
    assert "3000/4000 MB" in shown
    assert ("4000 MB in, 4000 MB out" in shown) == (phase in {Phase.TRANSFER, Phase.DONE})


def test_a_line_that_is_too_long_goes_without_its_rate_first() -> None:
    moving = Moving("root.lz4", Phase.TRANSFER, 45_000_000, 100_000_000, 12_000_000, 30_000_000)
    assert line_for(moving, 2 * SECOND, 60) == (
        "root.lz4   45 %  45/100 MB  12 MB in, 30 MB out  0:02 left"
    )
    assert line_for(moving, 2 * SECOND, 40) == "root.lz4   45 %  45/100 MB  0:02 left"


def test_the_rate_waits_for_time_to_pass() -> None:
    line = line_for(at("root.lz4", 0, 100), 0 * SECOND)
    assert line == "root.lz4    0 %  0.0/0.0 MB  0.0 MB in, 0.0 MB out"


def test_an_empty_target_is_done_at_once() -> None:
    assert "100 %" in line_for(at("x", 0, 0), SECOND)


def test_the_line_is_rewritten_in_place_and_ends_with_the_target() -> None:
    out, clock = io.StringIO(), FakeClock()
    show = ProgressLine(out, clock)
    for done in (0, 50, 100):
        show(at("root.lz4", done, 100))
        clock.advance(SECOND)
    assert out.getvalue().count("\r") == 2
    assert out.getvalue().count("\n") == 1
    assert out.getvalue().endswith("MB/s\n")


def test_it_is_not_written_more_often_than_people_read() -> None:
    out, clock = io.StringIO(), FakeClock()
    show = ProgressLine(out, clock)
    for done in range(1000):
        show(at("root.lz4", done, 10_000))
        clock.advance(timedelta(milliseconds=1))
    assert out.getvalue().count("\r") == 5


def test_the_rate_starts_anew_with_each_target() -> None:
    out, clock = io.StringIO(), FakeClock()
    show = ProgressLine(out, clock)
    show(at("root.lz4", 0, 1_000_000))
    clock.advance(100 * SECOND)
    show(at("boot.lz4", 0, 4_000_000))
    clock.advance(SECOND)
    show(at("boot.lz4", 4_000_000, 4_000_000))
    assert out.getvalue().endswith("4.0 MB/s\n")


def test_a_line_never_wraps() -> None:
    out = io.StringIO()
    ProgressLine(out, FakeClock(), width=40)(at("a-very-long-name-" * 5 + "root.lz4", 1, 2))
    assert out.getvalue().endswith("root.lz4   50 %  0.0/0.0 MB\r")
    assert max(map(len, out.getvalue().removeprefix("\x1b[K").split("\r"))) == 39


def test_a_short_line_stays_whole() -> None:
    assert shortened("abc", 3) == "abc"
    assert shortened("abcd", 3) == "…cd"


def test_json_lines_tell_bytes_rate_and_the_time_left() -> None:
    out, clock = io.StringIO(), FakeClock()
    tell = JsonLines(out, clock)
    tell(at("root.lz4", 0, 4_000_000))
    clock.advance(SECOND)
    tell(at("root.lz4", 1_000_000, 4_000_000))
    last = json.loads(out.getvalue().splitlines()[-1])
    assert (last["done"], last["total"], last["percent"]) == (1_000_000, 4_000_000, 25)
    assert (last["rate"], last["seconds_left"]) == (1_000_000, 3)


def test_a_change_of_phase_is_told_at_once() -> None:
    out = io.StringIO()
    tell = JsonLines(out, FakeClock())
    for phase in Phase:
        tell(at("root.lz4", 1, 4, phase))
    told = [json.loads(line)["phase"] for line in out.getvalue().splitlines()]
    assert told == ["survey", "transfer", "verify", "done"]


def test_the_file_is_always_whole(tmp_path: Path) -> None:
    clock, path = FakeClock(), tmp_path / "progress.json"
    tell = StatusFile(path, clock)
    for done in range(0, 101, 10):
        tell(at("root.lz4", done, 100))
        assert json.loads(path.read_text())["target"] == "root.lz4"
        clock.advance(SECOND)
    assert json.loads(path.read_text())["phase"] == "done"
    assert [one.name for one in tmp_path.iterdir()] == ["progress.json"]


def test_a_file_that_cannot_be_written_ends_the_telling_alone(tmp_path: Path) -> None:
    tell = StatusFile(tmp_path / "gone" / "progress.json", FakeClock())
    tell(at("root.lz4", 1, 2))
    tell(at("root.lz4", 2, 2))


def test_all_who_watch_are_told() -> None:
    seen: list[tuple[int, Moving]] = []
    tell = together([lambda one: seen.append((1, one)), lambda one: seen.append((2, one))])
    tell(at("x", 1, 2))
    assert [number for number, _ in seen] == [1, 2]
