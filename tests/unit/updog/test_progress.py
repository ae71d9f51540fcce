from __future__ import annotations

import io
import json
from datetime import timedelta
from pathlib import Path

from tests.fakes.clock import FakeClock
from updog.moving import Moving, Phase
from updog.progress import JsonLines, ProgressLine, StatusFile, line_for, shortened, together

SECOND = timedelta(seconds=1)


def at(name: str, done: int, total: int, phase: Phase | None = None) -> Moving:
    phase = phase or (Phase.DONE if done == total else Phase.TRANSFER)
    return Moving(name, phase, done, total, received=done // 2, written=done)


def test_a_line_has_percent_megabytes_and_rate() -> None:
    line = line_for(at("root.lz4", 45_000_000, 100_000_000), 2 * SECOND)
    assert line == "root.lz4   45 %  45.0/100.0 MB  22.5 MB/s  0:02 left"


def test_the_rate_waits_for_time_to_pass() -> None:
    assert line_for(at("root.lz4", 0, 100), 0 * SECOND) == "root.lz4    0 %  0.0/0.0 MB"


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
