from __future__ import annotations

import pytest

from updog.blockmap import BLOCK
from updog.deltaformat import (
    NEW_BLOCKS,
    PREFIX_BLOCKS,
    DeltaHeader,
    Kind,
    Record,
    built,
    dump_records,
    parse_header,
    parse_records,
)
from updog.errors import TargetMismatch

HEADER = DeltaHeader(10_000 * BLOCK, bytes(32), 10_000 * BLOCK, bytes(32))
RECORDS = (
    Record(Kind.PREFIX, 5, 9),
    Record(Kind.COPY, 7, 3),
    Record(Kind.ZERO, 1),
    Record(Kind.NEW, 2),
)


def test_header_and_records_read_back_the_same() -> None:
    assert parse_header(HEADER.dump(), "d") == HEADER
    assert parse_records(dump_records(RECORDS), 0, HEADER, "d") == RECORDS


def test_a_prefix_makes_no_blocks() -> None:
    assert built(RECORDS) == 10


@pytest.mark.parametrize(
    "records",
    [
        (),
        (Record(Kind.PREFIX, 1),),
        (Record(Kind.COPY, 0),),
        (Record(Kind.COPY, 1, 10_000),),
        (Record(Kind.COPY, 0xFFFFFFFF, 0xFFFFFFFF),),
        (Record(Kind.ZERO, 10_001),),
        (Record(Kind.ZERO, 1, 1),),
        (Record(Kind.NEW, NEW_BLOCKS + 1),),
        (Record(Kind.PREFIX, PREFIX_BLOCKS + 1), Record(Kind.NEW, 1)),
    ],
    ids=str,
)
def test_a_plan_that_lies_is_refused(records: tuple[Record, ...]) -> None:
    with pytest.raises(TargetMismatch):
        parse_records(dump_records(records), 0, HEADER, "d")


def test_a_plan_for_more_than_is_left_is_refused() -> None:
    with pytest.raises(TargetMismatch, match="than are left"):
        parse_records(dump_records(RECORDS), 9_991, HEADER, "d")


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(TargetMismatch, match="kind 4"):
        parse_records(b"\x04" + dump_records(RECORDS)[1:], 0, HEADER, "d")


def test_half_a_record_is_refused() -> None:
    with pytest.raises(TargetMismatch):
        parse_records(dump_records(RECORDS)[:-1], 0, HEADER, "d")
