from __future__ import annotations

import errno

import pytest

from updog.errors import CutShort
from updog.pipeline.ranges import Range
from updog.pipeline.readranges import ReadRanges

DATA = bytes(range(256)) * (3 << 12)


def read(offset: int, most: int) -> bytes:
    return DATA[offset : offset + most]


def test_each_range_comes_with_its_place() -> None:
    source = ReadRanges(read, "image")
    pieces = list(source.fetch([Range(5, 10), Range(1000, 3)]))
    assert [(one.offset, bytes(one.data)) for one in pieces] == [
        (5, DATA[5:15]),
        (1000, DATA[1000:1003]),
    ]


def test_a_long_range_comes_in_bounded_pieces() -> None:
    pieces = list(ReadRanges(read, "image").fetch([Range(0, len(DATA))]))
    assert b"".join(bytes(one.data) for one in pieces) == DATA
    assert max(len(one.data) for one in pieces) <= 1 << 20


def test_every_byte_is_accounted_for() -> None:
    spent: list[int] = []
    list(ReadRanges(read, "image", spent.append).fetch([Range(0, 100), Range(200, 50)]))
    assert sum(spent) == 150


def test_a_file_that_is_too_short_is_cut_short() -> None:
    with pytest.raises(CutShort, match="image ends before byte"):
        list(ReadRanges(read, "image").fetch([Range(len(DATA) - 5, 10)]))


def test_a_medium_that_fails_is_cut_short() -> None:
    def broken(_offset: int, _most: int) -> bytes:
        raise OSError(errno.EIO, "Input/output error")

    with pytest.raises(CutShort, match="Input/output error"):
        list(ReadRanges(broken, "image").fetch([Range(0, 1)]))
