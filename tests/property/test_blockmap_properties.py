"""Maps, deltas and range answers that were written by anyone, cut anywhere, or damaged."""

from __future__ import annotations

import contextlib
from hashlib import sha256
from itertools import pairwise

import pytest
from blake3 import blake3
from hypothesis import given, settings
from hypothesis import strategies as st
from lz4 import block as lz4_block
from lz4 import frame

from updog.blockmap import BLOCK, BlockMap, Codec, Whole, block_hash, parse
from updog.deltaformat import DeltaHeader, parse_header, parse_records
from updog.errors import TargetMismatch, UnreachableError
from updog.pipeline.lz4frame import Walker
from updog.pipeline.multipart import Multipart
from updog.pipeline.ranges import Range, coalesce

pytestmark = pytest.mark.property


@st.composite
def maps(draw: st.DrawFn) -> BlockMap:
    counts = draw(st.lists(st.integers(1, 9), min_size=1, max_size=20))
    packed = draw(st.lists(st.integers(1, 50_000), min_size=len(counts), max_size=len(counts)))
    start = draw(st.integers(0, 1000))
    raw_length = sum(counts) * BLOCK - draw(st.integers(0, BLOCK - 1))
    end = start + sum(packed) + draw(st.integers(0, 1000))
    hashes = b"".join(block_hash(bytes([n % 256])) for n in range(sum(counts)))
    digests = b"".join(block_hash(bytes([n])) for n in range(len(counts)))
    raw = (sha256(b"r").digest(), blake3(b"r").digest())
    whole = Whole(raw_length, *raw, end, sha256(b"p").digest())
    columns = (packed, counts, memoryview(digests), memoryview(hashes))
    return BlockMap(whole, draw(st.sampled_from([Codec.LZ4, Codec.ZSTD])), start, *columns)


@given(maps())
@settings(max_examples=100, deadline=None)
def test_every_map_reads_back_as_it_was_written(made: BlockMap) -> None:
    found = parse(made.dump(), "m")
    assert found.dump() == made.dump()
    assert list(found.spans()) == list(made.spans())
    assert sum(span.blocks for span in found.spans()) == found.blocks


@given(maps(), st.data())
@settings(max_examples=300, deadline=None)
def test_a_damaged_map_is_refused_or_stays_within_its_file(
    made: BlockMap, data: st.DataObject
) -> None:
    content = bytearray(made.dump())
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(TargetMismatch):
        found = parse(bytes(content), "m")
        spans = list(found.spans())
        assert spans[-1].offset + spans[-1].length <= found.whole.packed_length
        assert spans[-1].first + spans[-1].blocks == found.blocks


@given(st.binary(max_size=400))
@settings(max_examples=200, deadline=None)
def test_no_bytes_make_a_parser_fail_otherwise(content: bytes) -> None:
    with contextlib.suppress(TargetMismatch):
        parse(b"updogmap\x01\x00\x0c\x08" + content, "m")
    with contextlib.suppress(TargetMismatch):
        parse_header(b"updogdlt\x01\x00" + content, "d")
    with contextlib.suppress(TargetMismatch):
        header = DeltaHeader(100 * BLOCK, bytes(32), 100 * BLOCK, bytes(32))
        parse_records(content, 0, header, "d")
    with contextlib.suppress(TargetMismatch):
        walker = Walker("x")
        list(walker.feed(b"\x04\x22\x4d\x18\x64\x40\xa7" + content))
        walker.check_ended()
    with contextlib.suppress(UnreachableError):
        list(Multipart(b"B", "x").feed(b"--B\r\n" + content))


@given(st.binary(max_size=300_000), st.lists(st.integers(1, 90_000), min_size=1), st.booleans())
@settings(max_examples=50, deadline=None)
def test_a_frame_walks_the_same_however_it_is_cut(raw: bytes, cuts: list[int], sums: bool) -> None:  # noqa: FBT001 - drawn
    content = frame.compress(raw, block_linked=False, block_size=4, block_checksum=sums)
    walker, found, at, turn = Walker("x"), b"", 0, 0
    while at < len(content):
        size = cuts[turn % len(cuts)]
        for block in walker.feed(content[at : at + size]):
            data = bytes(block.data)
            found += data if block.stored else lz4_block.decompress(data, uncompressed_size=65536)
        at, turn = at + size, turn + 1
    walker.check_ended()
    assert found == raw


@st.composite
def ascending(draw: st.DrawFn) -> list[Range]:
    found, at = [], 0
    for gap, length in draw(st.lists(st.tuples(st.integers(0, 500), st.integers(1, 500)))):
        found.append(Range(at + gap, length))
        at += gap + length
    return found


@given(ascending(), st.integers(1, 12), st.integers(0, 300))
@settings(max_examples=200, deadline=None)
def test_joined_ranges_cover_what_is_wanted_within_the_limit(
    wanted: list[Range], limit: int, gap: int
) -> None:
    found = coalesce(wanted, limit=limit, gap=gap)
    assert len(found) <= limit
    assert all(before.end < after.offset for before, after in pairwise(found))
    covered = {byte for item in found for byte in range(item.offset, item.end)}
    assert covered >= {byte for item in wanted for byte in range(item.offset, item.end)}
    if wanted:
        assert found[0].offset == wanted[0].offset
        assert found[-1].end == wanted[-1].end


@given(
    st.lists(st.tuples(st.integers(0, 10**6), st.binary(min_size=1, max_size=300))),
    st.integers(1, 99),
)
@settings(max_examples=100, deadline=None)
def test_parts_arrive_whole_however_they_are_cut(parts: list[tuple[int, bytes]], size: int) -> None:
    body = b""
    for offset, data in parts:
        end = offset + len(data) - 1
        body += f"\r\n--B\r\nContent-Range: bytes {offset}-{end}/*\r\n\r\n".encode() + data
    body += b"\r\n--B--\r\n"
    parser, found = Multipart(b"B", "x"), b""
    for at in range(0, len(body), size):
        found += b"".join(bytes(piece.data) for piece in parser.feed(body[at : at + size]))
    assert found == b"".join(data for _, data in parts)
