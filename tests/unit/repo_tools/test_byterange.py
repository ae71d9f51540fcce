from __future__ import annotations

import pytest

from repo_tools.byterange import OutOfRange, Part, parse


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("bytes=0-0", Part(0, 0)),
        ("bytes=0-9", Part(0, 9)),
        ("bytes=3-5", Part(3, 5)),
        ("bytes=3-", Part(3, 9)),
        ("bytes=3-99", Part(3, 9)),
        ("bytes=9-", Part(9, 9)),
        ("bytes=-4", Part(6, 9)),
        ("bytes=-99", Part(0, 9)),
        ("BYTES = 2 - 3 ", Part(2, 3)),
    ],
)
def test_range_inside_the_file(header: str, expected: Part) -> None:
    assert parse(header, 10) == expected


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "bytes",
        "bytes=",
        "bytes=-",
        "bytes=5-3",
        "bytes=99-3",
        "bytes=a-b",
        "bytes=0-1,3-4",
        "items=0-1",
        "bytes=0x1-",
        "bytes=" + "9" * 5000 + "-",
        "bytes=\u0661-",
    ],
)
def test_whole_file_answers_what_is_not_one_range(header: str | None) -> None:
    assert parse(header, 10) is None


@pytest.mark.parametrize("header", ["bytes=10-", "bytes=10-12", "bytes=999-", "bytes=-0"])
def test_range_outside_the_file(header: str) -> None:
    with pytest.raises(OutOfRange):
        parse(header, 10)


@pytest.mark.parametrize("header", ["bytes=0-", "bytes=0-0", "bytes=-1"])
def test_no_range_lies_in_an_empty_file(header: str) -> None:
    with pytest.raises(OutOfRange):
        parse(header, 0)


def test_length_counts_both_ends() -> None:
    assert Part(3, 5).length == 3
