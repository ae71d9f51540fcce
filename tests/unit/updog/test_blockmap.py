from __future__ import annotations

import struct
from hashlib import sha256

import pytest
from blake3 import blake3

from updog.blockmap import (
    BLOCK,
    MAX_SPAN_BLOCKS,
    BlockMap,
    Codec,
    Whole,
    block_hash,
    limit_for,
    parse,
)
from updog.errors import TargetMismatch

RAW = bytes(range(256)) * 16 * 4 + b"tail"
COUNTS = (1, 3, 1)


def made() -> BlockMap:
    spans = (RAW[:BLOCK], RAW[BLOCK : 4 * BLOCK], RAW[4 * BLOCK :])
    hashes = b"".join(block_hash(RAW[at : at + BLOCK]) for at in range(0, len(RAW), BLOCK))
    return BlockMap(
        Whole(
            len(RAW),
            sha256(RAW).digest(),
            blake3(RAW).digest(),
            len(RAW) + 7,
            sha256(b"x").digest(),
        ),
        Codec.NONE,
        7,
        [len(span) for span in spans],
        list(COUNTS),
        memoryview(b"".join(map(block_hash, spans))),
        memoryview(hashes),
    )


def patched(offset: int, form: str, value: int) -> bytes:
    content = bytearray(made().dump())
    struct.pack_into("<" + form, content, offset, value)
    return bytes(content)


def test_a_written_map_reads_back_the_same() -> None:
    found = parse(made().dump(), "m")
    assert found.whole == made().whole
    assert list(found.packed) == made().packed
    assert list(found.counts) == made().counts
    assert found.hashes == made().hashes
    assert found.dump() == made().dump()


def test_spans_follow_each_other_in_image_and_file() -> None:
    spans = list(parse(made().dump(), "m").spans())
    assert [(span.first, span.blocks) for span in spans] == [(0, 1), (1, 3), (4, 1)]
    assert [span.offset for span in spans] == [7, 7 + BLOCK, 7 + 4 * BLOCK]
    assert spans[2].length == 4
    assert spans[0].digest == block_hash(RAW[:BLOCK])


def test_the_last_block_counts_although_it_is_short() -> None:
    found = parse(made().dump(), "m")
    assert found.blocks == 5
    assert found.hash_of(4) == block_hash(b"tail")


def test_the_limit_is_three_parts_in_a_thousand() -> None:
    assert limit_for(1 << 30) < (1 << 30) * 0.003001


@pytest.mark.parametrize(
    ("offset", "form", "value"),
    [
        (0, "B", 0),  # magic
        (8, "H", 1),  # version
        (10, "B", 13),  # block shift
        (11, "B", 4),  # hash length
        (12, "B", 3),  # codec
        (13, "B", 1),  # reserved
        (16, "Q", 0),  # raw length: none
        (16, "Q", len(RAW) + BLOCK),  # raw length: another number of blocks
        (16, "Q", 1 << 60),  # raw length: impossible
        (24, "Q", 0),  # packed length: none
        (24, "Q", 1 << 60),  # packed length: impossible
        (24, "Q", len(RAW)),  # packed length: spans end behind it
        (128, "Q", 1 << 40),  # first span behind the end
        (136, "I", 2),  # fewer spans than columns
        (136, "I", 0xFFFFFFFF),  # more spans than there is memory
        (140, "I", 1),  # reserved
        (144, "I", 0),  # an empty span
        (144, "I", 0xFFFFFFFF),  # a span larger than any
        (144, "I", BLOCK - 1),  # stored, but of another length
        (156, "H", 0),  # a span of no block
        (156, "H", 2),  # more blocks than the image has
        (156, "H", MAX_SPAN_BLOCKS + 1),
    ],
)
def test_a_map_that_lies_is_refused(offset: int, form: str, value: int) -> None:
    with pytest.raises(TargetMismatch):
        parse(patched(offset, form, value), "m")


def test_a_cut_map_is_refused_at_every_length() -> None:
    content = made().dump()
    for length in range(len(content)):
        with pytest.raises(TargetMismatch):
            parse(content[:length], "m")


def test_a_map_with_bytes_behind_it_is_refused() -> None:
    with pytest.raises(TargetMismatch):
        parse(made().dump() + b"\0", "m")


def test_a_map_without_spans_is_refused() -> None:
    content = bytearray(made().dump()[:144] + made().hashes[: len(made().hashes)])
    struct.pack_into("<I", content, 136, 0)
    with pytest.raises(TargetMismatch, match="no spans"):
        parse(bytes(content), "m")
