from __future__ import annotations

import pytest

from updog.errors import UnreachableError
from updog.pipeline.multipart import Multipart, boundary_of, parse_content_range

BODY = (
    b"--B\r\nContent-Type: x\r\nContent-Range: bytes 2-4/100\r\n\r\nabc"
    b"\r\n--B\r\ncontent-range: bytes 10-10/*\r\n\r\nd\r\n--B--\r\n"
)


def taken(body: bytes, size: int) -> dict[int, int]:
    parts = Multipart(b"B", "x")
    found: dict[int, int] = {}
    for at in range(0, len(body), size):
        for piece in parts.feed(body[at : at + size]):
            found |= {piece.offset + n: byte for n, byte in enumerate(piece.data)}
    return found


@pytest.mark.parametrize("size", [1, 2, 3, 17, 1000])
def test_each_byte_gets_its_place_wherever_the_chunks_end(size: int) -> None:
    assert taken(BODY, size) == {2: ord("a"), 3: ord("b"), 4: ord("c"), 10: ord("d")}


def test_what_follows_the_end_is_passed_over() -> None:
    assert len(taken(BODY + b"epilogue", 1000)) == 4


@pytest.mark.parametrize(
    "body",
    [
        b"--C\r\nContent-Range: bytes 0-1/9\r\n\r\nab",
        b"--B\r\nContent-Type: x\r\n\r\nab",
        b"--B\r\nContent-Range: bytes 4-1/9\r\n\r\nab",
        b"--B\r\nContent-Range: bytes x-1/9\r\n\r\nab",
        b"--B\r\nX: " + b"y" * 9000,
    ],
    ids=["boundary", "no range", "backward", "no number", "endless head"],
)
def test_a_garbled_answer_is_refused(body: bytes) -> None:
    with pytest.raises(UnreachableError, match="garbled"):
        taken(body, 100)


def test_a_boundary_may_be_quoted() -> None:
    assert boundary_of('multipart/byteranges; boundary="ab"') == b"ab"
    assert boundary_of("Multipart/ByteRanges;charset=x; boundary=ab") == b"ab"
    assert boundary_of("text/html") is None


def test_a_content_range_is_both_ends() -> None:
    assert parse_content_range("bytes 0-9/10") == (0, 9)
    assert parse_content_range("bytes */10") is None
