from __future__ import annotations

import struct

import pytest

from updog.pipeline.columns import WINDOW, Packed, Part, part, values, windows, words
from updog.pipeline.scratch import Scratch

CONTENT = b"".join(struct.pack("<I", n * 2654435761 % (1 << 32)) for n in range(50_000))


@pytest.fixture(params=["memory", "file", "part"])
def content(request: pytest.FixtureRequest) -> object:
    if request.param == "memory":
        return memoryview(CONTENT)
    kept = Scratch()
    kept.append(b"xyz" + CONTENT + b"more")
    kept_part = part(kept, 3, 3 + len(CONTENT))
    if request.param == "part":
        return Part(Part(kept, 1, len(CONTENT) + 4), 2, len(CONTENT))
    return kept_part


def test_slices_are_those_of_the_bytes(content: Part) -> None:
    for place in (slice(0, 9), slice(70_000, 140_000), slice(199_990, 300_000), slice(5, 5)):
        assert bytes(content[place]) == CONTENT[place]


def test_windows_are_small_and_make_up_everything(content: Part) -> None:
    found = list(windows(content))
    assert max(map(len, found)) <= WINDOW
    assert b"".join(found) == CONTENT


def test_numbers_are_read_from_anywhere(content: Part) -> None:
    column = Packed("I", content)
    expected = list(struct.unpack(f"<{len(CONTENT) // 4}I", CONTENT))
    assert len(column) == len(expected)
    assert list(column) == expected
    assert list(column[40_000:]) == expected[40_000:]
    assert list(column[17:19]) == expected[17:19]


def test_words_come_with_the_index_of_the_first(content: Part) -> None:
    expected = [int.from_bytes(CONTENT[at : at + 8], "little") for at in range(0, 200_000, 8)]
    found = {
        at: word
        for first, portion in words(content, 3, 20_000)
        for at, word in enumerate(portion, first)
    }
    assert found == {at: expected[at] for at in range(3, 20_003)}


def test_words_end_where_the_column_does(content: Part) -> None:
    assert sum(len(portion) for _, portion in words(content, 24_990, 1000)) == 10


def test_values_are_read_from_any_on(content: Part) -> None:
    assert list(values(content, 8, 24_998)) == [CONTENT[-16:-8], CONTENT[-8:]]
    assert len(list(values(content, 10))) == 20_000
