"""Ctrl-C between any two steps of a crew: every thread has ended when it is seen."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable, Iterator
from types import FrameType

import pytest

from updog.pipeline.frontier import Frontier
from updog.pipeline.stages import Channel, Crew

ENOUGH = 5000


@pytest.fixture(autouse=True)
def interruptible() -> Iterator[None]:
    """Tests that run in the background inherit that Ctrl-C is ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def press_ctrl_c() -> None:
    signal.raise_signal(signal.SIGINT)


def two_crews() -> None:
    first = Frontier(2)
    second: Channel[int] = Channel(1)
    with Crew(first) as outer:
        outer.start(first.wait_finished, "outer")
        with Crew(second) as inner:
            inner.start(lambda: list(second), "inner")
            second.put(1)
            first.mark(0, 1)
            second.put(2)
            second.close()
        first.finish(1)


def pressed_at(step: int, work: Callable[[], None]) -> bool:
    """Whether it came to that many steps; Ctrl-C is pressed at that one, and at the next two."""
    inside = False
    count = 0

    def look(frame: FrameType, event: str, _argument: object) -> None:
        nonlocal inside, count
        if frame.f_code is work.__code__:
            inside = event != "return"
        if inside and event in {"call", "return"}:
            count += 1
            if step <= count < step + 3:
                press_ctrl_c()

    sys.setprofile(look)
    try:
        work()
    finally:
        sys.setprofile(None)
    return count >= step


def test_no_step_of_a_crew_leaves_a_thread_behind() -> None:
    step = 1
    while step < ENOUGH:
        try:
            pressed = pressed_at(step, two_crews)
        except KeyboardInterrupt:
            step += 1
        else:
            assert not pressed, step
            break
        assert {each.name for each in threading.enumerate()} & {"outer", "inner"} == set(), step
    assert 1 < step < ENOUGH


def test_what_is_waited_for_is_stopped_and_the_caller_sees_ctrl_c() -> None:
    channel: Channel[int] = Channel(1)
    ended: list[bool] = []

    def wait() -> None:
        threading.Thread(target=press_when_waited_for).start()
        try:
            list(channel)
        finally:
            ended.append(True)

    def work() -> None:
        with Crew(channel) as crew:
            crew.start(wait, "waits for ever otherwise")

    with pytest.raises(KeyboardInterrupt):
        work()
    assert ended == [True]


def press_when_waited_for() -> None:
    main = threading.main_thread().ident
    assert main is not None
    while not in_join(sys._current_frames()[main]):
        pass
    signal.pthread_kill(main, signal.SIGINT)


def in_join(frame: FrameType | None) -> bool:
    while frame is not None and frame.f_code is not Crew.join.__code__:
        frame = frame.f_back
    return frame is not None


def test_ctrl_c_comes_up_at_once_in_what_the_crew_is_for() -> None:
    # A transfer that cannot be stopped from outside ends by it alone.
    channel: Channel[int] = Channel(1)
    got_on = False

    def work() -> None:
        nonlocal got_on
        with Crew(channel) as crew:
            crew.start(lambda: list(channel), "waits")
            press_ctrl_c()
            got_on = True

    with pytest.raises(KeyboardInterrupt):
        work()
    assert not got_on


class Presses:
    """Waited for by a crew; Ctrl-C is pressed in the midst of stopping it, and held back there."""

    def stop(self) -> None:
        press_ctrl_c()


def hold_ctrl_c_back() -> None:
    Crew(Presses()).stop(KeyError("no matter what"))


def test_a_crew_begun_after_ctrl_c_was_held_back_ends_at_once() -> None:
    channel: Channel[int] = Channel(1)
    put: list[int] = []

    def work() -> None:
        with Crew():
            hold_ctrl_c_back()
            with Crew(channel) as inner:
                inner.start(lambda: list(channel), "takes")
                for number in range(100):
                    channel.put(number)
                    put.append(number)
                channel.close()

    with pytest.raises(KeyboardInterrupt):
        work()
    assert not put


def test_the_handlers_are_given_back() -> None:
    channel: Channel[int] = Channel(1)
    with Crew(channel):
        assert signal.getsignal(signal.SIGINT) is not signal.default_int_handler
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_handler_that_was_set_meanwhile_stays() -> None:
    def other(_number: int, _frame: FrameType | None) -> None:
        pass

    channel: Channel[int] = Channel(1)
    with Crew(channel):
        signal.signal(signal.SIGINT, other)
    assert signal.getsignal(signal.SIGINT) is other


def test_a_handler_that_raises_nothing_ends_nothing() -> None:
    seen: list[int] = []
    signal.signal(signal.SIGINT, lambda number, _frame: seen.append(number))
    channel: Channel[int] = Channel(1)
    found: list[int] = []
    with Crew(channel) as crew:
        crew.start(lambda: found.extend(channel), "take")
        press_ctrl_c()
        channel.put(1)
        channel.close()
    assert (seen, found) == ([signal.SIGINT], [1])


def test_ctrl_c_where_no_thread_can_be_started_ends_the_crew_all_the_same() -> None:
    channel: Channel[int] = Channel(1)
    size = threading.stack_size()
    ended: list[bool] = []

    def wait() -> None:
        try:
            list(channel)
        finally:
            ended.append(True)

    def work() -> None:
        with Crew(channel) as crew:
            crew.start(wait, "waits for ever otherwise")
            crew.start(press_when_waited_for, "presses")
            threading.stack_size(1 << 46)

    try:
        with pytest.raises(KeyboardInterrupt):
            work()
    finally:
        threading.stack_size(size)
    assert ended == [True]


def test_a_crew_of_another_thread_leaves_signals_alone() -> None:
    handlers: list[object] = []

    def work() -> None:
        channel: Channel[int] = Channel(1)
        with Crew(channel):
            handlers.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert handlers == [signal.default_int_handler]
