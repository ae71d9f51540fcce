from __future__ import annotations

from email import message_from_bytes

import pytest
from hypothesis import given
from hypothesis import strategies as st

from repo_tools.byterange import MOST_RANGES, Multipart, OutOfRange, Part, content_range, parse
from updog.pipeline.asking import RANGES_EACH
from updog.pipeline.multipart import Multipart as TakenApart
from updog.pipeline.multipart import boundary_of


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
    assert parse(header, 10) == (expected,)


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
        "bytes=,",
        "bytes=0-1,5-3",
        "bytes=0-1,x",
        "bytes=0-8,1-9",
        "bytes=" + ",".join(["0-0"] * (MOST_RANGES + 1)),
        "items=0-1",
        "bytes=0x1-",
        "bytes=" + "9" * 5000 + "-",
        "bytes=\u0661-",
    ],
)
def test_whole_file_answers_what_no_honest_client_asks(header: str | None) -> None:
    assert parse(header, 10) is None


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("bytes=0-1,3-4", (Part(0, 1), Part(3, 4))),
        ("bytes=3-4, 0-1,,-1", (Part(3, 4), Part(0, 1), Part(9, 9))),
        ("bytes=0-1,10-12", (Part(0, 1),)),
        ("bytes=5-,0-4", (Part(5, 9), Part(0, 4))),
    ],
)
def test_several_ranges_in_the_order_of_the_request(
    header: str, expected: tuple[Part, ...]
) -> None:
    assert parse(header, 10) == expected


def test_as_many_ranges_as_our_client_asks_for() -> None:
    assert RANGES_EACH <= MOST_RANGES
    asked = ",".join(f"{2 * number}-{2 * number}" for number in range(MOST_RANGES))
    assert len(parse(f"bytes={asked}", 2 * MOST_RANGES) or ()) == MOST_RANGES


@given(
    size=st.integers(1, 400),
    cuts=st.lists(st.integers(0, 400), min_size=2, max_size=12),
    at=st.integers(1, 60),
)
def test_our_client_takes_apart_what_is_sent(size: int, cuts: list[int], at: int) -> None:
    content = bytes(number % 251 for number in range(size))
    parts = [Part(cut % size, min(size - 1, cut % size + 7)) for cut in cuts]
    many = Multipart(parts, size, "b0undary")
    body = b"".join(many.head(p) + content[p.first : p.last + 1] for p in parts) + many.end
    assert len(body) == many.length
    reader = TakenApart(boundary_of(many.content_type) or b"", "file")
    found: dict[int, bytes] = {}
    chunks = (body[begin : begin + at] for begin in range(0, len(body), at))
    for piece in (piece for chunk in chunks for piece in reader.feed(chunk)):
        for place, value in enumerate(bytes(piece.data), piece.offset):
            found[place] = bytes([value])
    wanted = {place for part in parts for place in range(part.first, part.last + 1)}
    assert found == {place: content[place : place + 1] for place in wanted}


def test_other_readers_take_it_for_a_message_in_parts() -> None:
    many = Multipart((Part(0, 1), Part(4, 6)), 10, "b0undary")
    body = b"".join(many.head(p) + b"0123456789"[p.first : p.last + 1] for p in many.parts)
    text = f"Content-Type: {many.content_type}\r\n\r\n".encode() + body + many.end
    message = message_from_bytes(text)
    assert [one.get_payload(decode=True) for one in message.walk()][1:] == [b"01", b"456"]
    assert [one["Content-Range"] for one in message.walk()][1:] == [
        content_range(part, 10) for part in many.parts
    ]


@pytest.mark.parametrize(
    "header", ["bytes=10-,-0", "bytes=10-", "bytes=10-12", "bytes=999-", "bytes=-0"]
)
def test_range_outside_the_file(header: str) -> None:
    with pytest.raises(OutOfRange):
        parse(header, 10)


@pytest.mark.parametrize("header", ["bytes=0-", "bytes=0-0", "bytes=-1"])
def test_no_range_lies_in_an_empty_file(header: str) -> None:
    with pytest.raises(OutOfRange):
        parse(header, 0)


def test_length_counts_both_ends() -> None:
    assert Part(3, 5).length == 3
