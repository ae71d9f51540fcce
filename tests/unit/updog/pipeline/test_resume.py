from __future__ import annotations

from pathlib import Path

import pytest

from tests.fakes.images import image, medium
from tests.fakes.published import Published, as_zstd
from updog.blockmap import BLOCK
from updog.pipeline.counters import Counters
from updog.pipeline.frontier import Frontier
from updog.pipeline.resume import find_fetched

RAW = image(1000, seed=4, tail=77)
TO_FETCH = [block for block in range(1001) if block % 37 in {5, 6, 7}] + [1000]
BEGINS = [5, 560]


@pytest.fixture
def new(tmp_path: Path) -> Published:
    return as_zstd(tmp_path, RAW)


def found(tmp_path: Path, new: Published, present: list[int]) -> tuple[list[int], int]:
    """Which blocks are found where these are right and all others wrong; and their bytes."""
    content = bytearray(b"\xee" * len(RAW))
    for block in present:
        content[block * BLOCK : (block + 1) * BLOCK] = RAW[block * BLOCK : (block + 1) * BLOCK]
    path = tmp_path / "disk"
    path.write_bytes(content)
    todo, counters = Frontier(1001), Counters()
    for block in set(range(1001)) - set(TO_FETCH):
        todo.mark(block, 1)
    with medium(path) as target:
        places = list(find_fetched(target, new.blockmap, todo, BEGINS, counters))
    blocks = [block for first, count in places for block in range(first, first + count)]
    return blocks, counters.moved().kept


@pytest.mark.parametrize("count", [1, 2, 10, 45, len(TO_FETCH)])
def test_what_was_fetched_is_found_among_what_is_missing(
    tmp_path: Path, new: Published, count: int
) -> None:
    fetched = TO_FETCH[:count]
    blocks, kept = found(tmp_path, new, fetched)
    assert blocks == fetched
    assert kept == sum(len(RAW[block * BLOCK : (block + 1) * BLOCK]) for block in fetched)


def test_what_the_second_worker_fetched_is_found(tmp_path: Path, new: Published) -> None:
    fetched = [block for block in TO_FETCH if block >= BEGINS[1]][:9]
    assert found(tmp_path, new, fetched)[0] == fetched


def test_where_nothing_was_fetched_only_the_begins_are_read(tmp_path: Path, new: Published) -> None:
    assert found(tmp_path, new, TO_FETCH[1:40]) == ([], 0)


def test_what_was_not_to_be_fetched_is_left_to_others(tmp_path: Path, new: Published) -> None:
    assert found(tmp_path, new, [5, 8, 9, 10])[0] == [5]
