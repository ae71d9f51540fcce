"""Ctrl-C at the worst moments of an installation: no thread of it outlives the call, on any way."""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random
from types import CodeType, FrameType

import pytest

from tests.fakes.published import Published, as_delta, as_zstd
from tests.integration.test_pipeline_cancel import NEW, OLD, WAYS, offered, put
from updog.pipeline import engine
from updog.pipeline.cancel import Cancel
from updog.pipeline.counters import Counters
from updog.pipeline.facts import Moved, Way
from updog.pipeline.stages import Channel, Crew

MAIN = threading.main_thread()
NEEDS_OTHERS = (Channel.put.__code__, Channel.__iter__.__code__, Counters.add.__code__)
"""Where the main thread may wait for the one that reports."""
ENOUGH_LOOKS = 5


@pytest.fixture(scope="module")
def new(tmp_path_factory: pytest.TempPathFactory) -> Published:
    return as_zstd(tmp_path_factory.mktemp("new"), NEW, [OLD])


@pytest.fixture(scope="module")
def delta(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return as_delta(tmp_path_factory.mktemp("delta"), NEW, OLD)


def frames(frame: FrameType | None) -> Iterator[FrameType]:
    while frame is not None:
        yield frame
        frame = frame.f_back


def main_runs(code: CodeType) -> bool:
    """Whether the main thread is inside of it now."""
    assert MAIN.ident is not None
    return any(one.f_code is code for one in frames(sys._current_frames()[MAIN.ident]))


def press_ctrl_c() -> None:
    """What the kernel does when somebody presses it, while an installation runs."""
    assert MAIN.ident is not None
    if main_runs(engine.install.__code__):
        signal.pthread_kill(MAIN.ident, signal.SIGINT)


@pytest.fixture
def ctrl_c() -> Iterator[list[int]]:
    """Ctrl-C raises as long as an installation runs, and not in what looks at the outcome."""
    seen: list[int] = []

    def handle(number: int, frame: FrameType | None) -> None:
        seen.append(number)
        if any(one.f_code is engine.install.__code__ for one in frames(frame)):
            raise KeyboardInterrupt

    before = signal.signal(signal.SIGINT, handle)
    yield seen
    signal.signal(signal.SIGINT, before)


class PressedInJoin:
    """A report that has Ctrl-C pressed twice while the main thread waits for the reporting one.

    Args:
        received: bytes that have to be there before; what is left to do then is for the threads.
    """

    def __init__(self, received: int) -> None:
        self.pressed = False
        self._received = received

    def __call__(self, moved: Moved) -> None:
        early = moved.received < self._received
        if self.pressed or early or threading.current_thread() is MAIN:
            return
        looks = 0
        while not main_runs(Crew.join.__code__):
            # Looked at once, it may be there and on its way out.
            looks += any(map(main_runs, NEEDS_OTHERS))
            if looks > ENOUGH_LOOKS:
                return
            time.sleep(0.001)
        self.pressed = True
        for _ in range(2):
            press_ctrl_c()
            # Whoever leaves without this thread has the time to.
            time.sleep(0.1)


@pytest.mark.parametrize("way", WAYS)
def test_ctrl_c_while_threads_are_waited_for_leaves_none(
    tmp_path: Path, new: Published, delta: bytes, way: Way, ctrl_c: list[int]
) -> None:
    before = set(threading.enumerate())
    received = {Way.FULL: len(new.packed), Way.DELTA: len(delta), Way.ADAPTIVE: 0}[way]
    pressed = PressedInJoin(received)
    with pytest.raises(KeyboardInterrupt):
        put(tmp_path, offered(new, delta), way, Cancel(), pressed)
    assert pressed.pressed
    assert set(threading.enumerate()) == before
    # Two that come before the handler has run are one, as the kernel has it.
    assert ctrl_c


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("seed", range(8))
def test_ctrl_c_again_and_again_leaves_no_thread(
    tmp_path: Path, new: Published, delta: bytes, way: Way, seed: int, ctrl_c: list[int]
) -> None:
    before = set(threading.enumerate())
    left = Random(seed).randrange(1, 15)
    begun = threading.Event()
    over = threading.Event()

    def report(_moved: Moved) -> None:
        nonlocal left
        left -= 1
        if not left:
            begun.set()
            while not ctrl_c:
                time.sleep(0.001)

    def press() -> None:
        begun.wait()
        while not over.wait(0.0005):
            press_ctrl_c()

    other = threading.Thread(target=press)
    other.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            put(tmp_path, offered(new, delta), way, Cancel(), report)
        alive = set(threading.enumerate())
    finally:
        begun.set()
        over.set()
        other.join()
    assert alive == before | {other}
    assert ctrl_c
