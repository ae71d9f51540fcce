from __future__ import annotations

import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from updog.blockmap import BLOCK
from updog.pipeline.frontier import Frontier
from updog.pipeline.stages import Stopped


def test_what_is_right_without_a_gap_may_be_read() -> None:
    frontier = Frontier(10)
    frontier.mark(1, 4)
    frontier.mark(0, 1)
    assert frontier.wait(0, 4 * BLOCK) == 4 * BLOCK


def test_a_gap_is_waited_for() -> None:
    frontier = Frontier(10)
    frontier.mark(1, 9)
    found: list[int] = []
    thread = threading.Thread(target=lambda: found.append(frontier.wait(0, BLOCK)))
    thread.start()
    thread.join(0.05)
    assert thread.is_alive()
    frontier.mark(0, 1)
    thread.join(5)
    assert found == [BLOCK]


@pytest.mark.parametrize("blocks", [3, 10])
def test_a_block_that_may_be_the_last_and_short_is_not_read_before_the_end(blocks: int) -> None:
    frontier = Frontier(blocks)
    frontier.mark_bytes(0, 2 * BLOCK + 5)
    found: list[int] = []
    thread = threading.Thread(target=lambda: found.append(frontier.wait(BLOCK, 2 * BLOCK)))
    thread.start()
    thread.join(0.05)
    frontier.finish(2 * BLOCK + 5)
    thread.join(5)
    assert found == [BLOCK + 5]


def test_the_end_may_be_short_and_is_followed_by_nothing() -> None:
    frontier = Frontier(2)
    frontier.mark_bytes(0, BLOCK + 5)
    frontier.finish(BLOCK + 5)
    assert frontier.wait(BLOCK, BLOCK) == 5
    assert frontier.wait(BLOCK + 5, BLOCK) == 0


def test_a_stopped_frontier_lets_nobody_wait() -> None:
    frontier = Frontier(2)
    frontier.stop()
    with pytest.raises(Stopped):
        frontier.wait(0, BLOCK)
    with pytest.raises(Stopped):
        frontier.wait_finished()


def test_gaps_and_their_ends_are_found() -> None:
    frontier = Frontier(6)
    frontier.mark(2, 2)
    assert frontier.missing() == 0
    assert frontier.right() == 2
    assert frontier.missing(2) == 4
    assert frontier.right(4) == -1
    assert frontier.count_missing() == 4
    frontier.mark(0, 6)
    assert frontier.missing() == -1


@given(
    st.integers(1, 70),
    st.lists(st.tuples(st.integers(0, 69), st.integers(1, 30)), max_size=6),
)
@settings(max_examples=150, deadline=None)
def test_it_remembers_exactly_what_was_marked(blocks: int, marks: list[tuple[int, int]]) -> None:
    frontier, expected = Frontier(blocks), [False] * blocks
    for place, length in marks:
        first = min(place, blocks - 1)
        count = min(length, blocks - first)
        frontier.mark(first, count)
        expected[first : first + count] = [True] * count
    assert [frontier.is_right(block) for block in range(blocks)] == expected
    assert frontier.count_missing() == expected.count(False)
    for start in range(blocks + 1):
        for stop in {start, min(start + 1, blocks), min(start + 9, blocks), blocks}:
            gaps = [block for block in range(start, stop) if not expected[block]]
            assert frontier.missing(start, stop) == (gaps[0] if gaps else -1)
        right = [block for block in range(start, blocks) if expected[block]]
        assert frontier.right(start) == (right[0] if right else -1)
