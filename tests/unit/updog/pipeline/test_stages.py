from __future__ import annotations

import threading

import pytest

from updog.pipeline.stages import Channel, Crew, Stopped


def test_items_come_out_in_order() -> None:
    channel: Channel[int] = Channel(2)
    found: list[int] = []
    with Crew(channel) as crew:
        crew.start(lambda: found.extend(channel), "take")
        for number in range(50):
            channel.put(number)
        channel.close()
    assert found == list(range(50))


def test_a_full_channel_makes_the_giver_wait() -> None:
    channel: Channel[int] = Channel(1)
    channel.put(1)
    given = threading.Event()

    def give() -> None:
        channel.put(2)
        given.set()

    with Crew(channel) as crew:
        crew.start(give, "give")
        assert not given.wait(0.05)
        assert next(iter(channel)) == 1
        assert given.wait(5)


def test_the_first_failure_ends_everyone_and_is_what_the_caller_sees() -> None:
    channel: Channel[int] = Channel(1)

    def fail() -> None:
        raise KeyError("first")

    def work() -> None:
        with Crew(channel) as crew:
            crew.start(lambda: list(channel), "waits for ever otherwise")
            crew.start(fail, "fails")
            while True:
                channel.put(0)

    with pytest.raises(KeyError, match="first"):
        work()


def test_a_failure_of_the_body_ends_the_threads() -> None:
    channel: Channel[int] = Channel(1)
    ended = threading.Event()

    def wait() -> None:
        try:
            list(channel)
        except Stopped:
            ended.set()
            raise

    def work() -> None:
        with Crew(channel) as crew:
            crew.start(wait, "waits")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        work()
    assert ended.is_set()


def test_a_busy_stage_notices_that_it_is_over() -> None:
    channel: Channel[int] = Channel(1)
    channel.check()
    channel.stop()
    with pytest.raises(Stopped):
        channel.check()
    with pytest.raises(Stopped):
        channel.put(1)


def test_an_item_is_let_go_before_the_next_is_waited_for() -> None:
    # Buffers are the items: one that is held on to is one more in memory.
    class Thing:
        gone = False

        def __del__(self) -> None:
            Thing.gone = True

    channel: Channel[Thing] = Channel(1)
    channel.put(Thing())
    items = iter(channel)
    next(items)
    channel.close()
    assert next(items, None) is None
    assert Thing.gone


def test_a_thread_that_there_is_no_room_for_is_not_waited_for() -> None:
    channel: Channel[int] = Channel(1)
    ended: list[bool] = []

    def work() -> None:
        try:
            list(channel)
        finally:
            ended.append(True)

    def start_two() -> None:
        with Crew(channel) as crew:
            crew.start(work, "first")
            threading.stack_size(1 << 46)
            crew.start(work, "second")

    size = threading.stack_size()
    try:
        with pytest.raises(RuntimeError, match="can't start new thread"):
            start_two()
    finally:
        threading.stack_size(size)
    assert ended == [True]
