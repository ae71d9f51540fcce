from __future__ import annotations

import pytest
from lz4 import block as lz4_block
from lz4 import frame

from tests.fakes.images import image
from updog.errors import TargetMismatch
from updog.pipeline.lz4frame import MAGIC, Walker, parse_header

RAW = image(200)


def packed(**options: object) -> bytes:
    settings: dict[str, object] = {
        "block_size": frame.BLOCKSIZE_MAX64KB,
        "block_linked": False,
        "content_checksum": True,
        "store_size": False,
    }
    return bytes(frame.compress(RAW, **(settings | options)))


def walked(content: bytes, chunk: int) -> bytes:
    walker = Walker("x")
    raw = b""
    for at in range(0, len(content), chunk):
        for block in walker.feed(content[at : at + chunk]):
            assert walker.header is not None
            size = walker.header.block_size
            data = bytes(block.data)
            raw += data if block.stored else lz4_block.decompress(data, uncompressed_size=size)
    walker.check_ended()
    return raw


@pytest.mark.parametrize("chunk", [1, 7, 4096, 1 << 30])
@pytest.mark.parametrize(
    "options",
    [{}, {"store_size": True}, {"block_checksum": True}, {"content_checksum": False}],
    ids=str,
)
def test_blocks_are_cut_wherever_the_chunks_end(chunk: int, options: dict[str, object]) -> None:
    assert walked(packed(**options), chunk) == RAW


def test_a_block_knows_its_place_in_the_frame() -> None:
    content = packed(block_checksum=True)
    walker = Walker("x")
    for block in walker.feed(content):
        size = int.from_bytes(content[block.offset : block.offset + 4], "little") & 0x7FFFFFFF
        assert block.length == 4 + size + 4
        assert content[block.offset + 4 : block.offset + 4 + size] == block.data


def test_memory_of_the_caller_is_used() -> None:
    memory = memoryview(bytearray(1 << 20))
    walker = Walker("x", lambda _size: memory)
    assert all(block.data.obj is memory.obj for block in walker.feed(packed()))


@pytest.mark.parametrize("length", [0, 3, 6, 7, 12, 100, -8, -4, -1])
def test_a_cut_frame_is_refused(length: int) -> None:
    with pytest.raises(TargetMismatch, match="middle"):
        walked(packed()[:length], 4096)


def test_bytes_after_the_frame_are_refused() -> None:
    with pytest.raises(TargetMismatch, match="after"):
        walked(packed() + b"\0", 4096)


def test_a_second_frame_is_refused() -> None:
    with pytest.raises(TargetMismatch, match="after"):
        walked(packed() * 2, 4096)


@pytest.mark.parametrize(
    "start",
    [
        b"\x04\x22\x4d\x19" + bytes(9),
        MAGIC + b"\xa4\x70" + bytes(9),
        MAGIC + b"\x66\x70" + bytes(9),
        MAGIC + b"\x64\x30" + bytes(9),
        MAGIC + b"\x64\x71" + bytes(9),
        MAGIC + b"\x65\x70" + bytes(9),
    ],
    ids=["magic", "version", "reserved flag", "block size", "reserved size", "dictionary"],
)
def test_a_header_that_makes_no_sense_is_refused(start: bytes) -> None:
    with pytest.raises(TargetMismatch):
        parse_header(start, "x")


def test_a_header_that_is_not_complete_is_waited_for() -> None:
    content = packed(store_size=True)
    assert all(parse_header(content[:count], "x") is None for count in range(15))
    header = parse_header(content[:15], "x")
    assert header is not None
    assert header.length == 15


def test_a_block_larger_than_the_frame_allows_is_refused() -> None:
    content = bytearray(packed())
    content[7:11] = (70_000).to_bytes(4, "little")
    with pytest.raises(TargetMismatch, match="more than its frame"):
        walked(bytes(content), 4096)


def test_an_empty_block_is_refused() -> None:
    content = bytearray(packed())
    content[7:11] = (1 << 31).to_bytes(4, "little")
    with pytest.raises(TargetMismatch, match="empty"):
        walked(bytes(content), 4096)
