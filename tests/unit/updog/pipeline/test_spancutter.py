from __future__ import annotations

import pytest

from updog.blockmap import Span
from updog.pipeline.multipart import Piece
from updog.pipeline.spancutter import SpanCutter

FILE = bytes(range(200))
SPANS = [
    Span(n, n, 1, offset, length, b"")
    for n, (offset, length) in enumerate([(10, 5), (15, 20), (100, 30)])
]


def cut(pieces: list[Piece]) -> dict[int, bytes]:
    cutter = SpanCutter(SPANS, memoryview(bytearray(30)))
    found = {}
    for piece in pieces:
        for span, data in cutter.feed(piece):
            found[span.number] = bytes(data)
    assert cutter.ended == (len(found) == len(SPANS))
    return found


EXPECTED = {n: FILE[span.offset : span.offset + span.length] for n, span in enumerate(SPANS)}


@pytest.mark.parametrize("size", [1, 3, 50, 200])
def test_spans_are_cut_out_of_the_whole_file(size: int) -> None:
    assert cut([Piece(at, FILE[at : at + size]) for at in range(0, 200, size)]) == EXPECTED


def test_spans_are_cut_out_of_ranges() -> None:
    pieces = [Piece(10, FILE[10:20]), Piece(20, FILE[20:35]), Piece(100, FILE[100:130])]
    assert cut(pieces) == EXPECTED


def test_bytes_that_come_again_change_nothing() -> None:
    pieces = [Piece(10, FILE[10:30]), Piece(12, FILE[12:40]), Piece(90, FILE[90:140])]
    assert cut(pieces) == EXPECTED


def test_a_gap_inside_a_span_leaves_it_missing() -> None:
    assert cut([Piece(10, FILE[10:20]), Piece(25, FILE[25:140])]) == {0: EXPECTED[0]}
