from __future__ import annotations

import io
from datetime import timedelta

from tests.fakes.clock import FakeClock
from updog.moving import Moving, Phase
from updog.progress import ProgressLine, line_for, shortened

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
