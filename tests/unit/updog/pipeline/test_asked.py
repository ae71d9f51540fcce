from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from functools import partial

import pytest

from updog.errors import UnreachableError
from updog.fetch import HttpFetcher
from updog.pipeline.asked import Asked
from updog.pipeline.httpranges import HttpRanges
from updog.pipeline.ranges import Range
from updog.pipeline.stages import Stopped
from updog.wire import FetchSettings

LONG = FetchSettings(timeout_stall=600.0)


class Late:
    """An answer that comes when it is let."""

    def __init__(self) -> None:
        self.let = threading.Event()
        self.closed = threading.Event()
        self.status = 200

    def __call__(self) -> Late:
        assert self.let.wait(30)
        return self

    def header(self, _name: str) -> str:
        return ""

    def read1(self, _amount: int) -> bytes:
        return b""

    def stop(self) -> None:
        self.close()

    def close(self) -> None:
        self.closed.set()


@pytest.fixture
def mute() -> Iterator[str]:
    """The address of a server that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}/image"


def test_an_answer_is_passed_on() -> None:
    late = Late()
    late.let.set()
    assert Asked(late).answer() is late
    assert not late.closed.is_set()


def test_a_failure_is_passed_on() -> None:
    def fail() -> Late:
        raise UnreachableError("gone")

    with pytest.raises(UnreachableError, match="gone"):
        Asked(fail).answer()


def test_who_waits_is_let_go_and_an_answer_that_comes_later_is_closed() -> None:
    late = Late()
    asked = Asked(late)
    asked.leave()
    with pytest.raises(Stopped):
        asked.answer()
    late.let.set()
    assert late.closed.wait(30)


def test_an_answer_that_came_right_before_is_not_used_any_more() -> None:
    late = Late()
    late.let.set()
    asked = Asked(late)
    assert asked.answer() is late
    asked.leave()
    with pytest.raises(Stopped):
        asked.answer()
    assert late.closed.is_set()


def test_ranges_that_were_left_ask_nobody() -> None:
    source = HttpRanges(lambda _ranges: Late(), "image")
    source.leave()
    with pytest.raises(Stopped):
        list(source.fetch([Range(0, 10)]))
    assert not source.requests


def test_ranges_that_wait_for_a_mute_server_end_when_they_are_stopped(mute: str) -> None:
    source = HttpRanges(partial(HttpFetcher(LONG).ask, mute), "image")
    ended: list[BaseException] = []

    def fetch() -> None:
        try:
            list(source.fetch([Range(0, 10)]))
        except Stopped as error:
            ended.append(error)

    thread = threading.Thread(target=fetch, daemon=True)
    thread.start()
    while not source.requests:
        thread.join(0.01)
    source.leave()
    # Far below what the request itself would wait.
    thread.join(30)
    assert ended
