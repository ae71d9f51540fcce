from __future__ import annotations

import struct

import pytest
import zstandard

from tests.fakes.images import chunks, image
from updog.errors import TargetMismatch
from updog.pipeline.zstdframe import MAGIC, ZstdWalker

RAW = image(200, tail=99)
WINDOW = 8 << 20


def packed(raw: bytes = RAW, *, write_checksum: bool = False) -> bytes:
    return zstandard.ZstdCompressor(write_checksum=write_checksum).compress(raw)


def streamed(raw: bytes = RAW) -> bytes:
    packer = zstandard.ZstdCompressor().compressobj()
    return packer.compress(raw) + packer.flush()


SKIPPED = struct.pack("<II", 0x184D2A53, 5) + b"12345"
FRAMES = {
    "one": packed(),
    "with checksum": packed(write_checksum=True),
    "without its size": streamed(),
    "two": packed(RAW[:5000]) + packed(RAW[5000:]),
    "skipped between": packed() + SKIPPED + packed(b"x"),
    "empty skipped": struct.pack("<II", 0x184D2A50, 0) + packed(),
    "tiny": packed(b"x" * 300),
    "zeros": packed(bytes(1 << 20)),
    "nothing": packed(b""),
}


def walk(content: bytes, size: int = 4096, window: int = WINDOW) -> None:
    walker = ZstdWalker("x", window)
    for chunk in chunks(content, size):
        walker.feed(chunk)
    walker.check_ended()


@pytest.mark.parametrize("name", FRAMES)
@pytest.mark.parametrize("size", [1, 7, 4096, 1 << 30])
def test_a_sound_file_ends_where_it_ends(name: str, size: int) -> None:
    walk(FRAMES[name], size)


@pytest.mark.parametrize("name", FRAMES)
@pytest.mark.parametrize("length", [1, 3, 4, 5, 6, -4, -1])
def test_a_cut_file_ends_in_the_middle(name: str, length: int) -> None:
    content = FRAMES[name][:length]
    with pytest.raises(TargetMismatch, match="ends in the middle of its zstd stream"):
        walk(content)


@pytest.mark.parametrize("rest", [b"more", b"\0\0\0\0\0", SKIPPED[1:]])
def test_other_bytes_after_a_frame_are_refused(rest: bytes) -> None:
    with pytest.raises(TargetMismatch, match="not zstd"):
        walk(packed() + rest)


@pytest.mark.parametrize("log", [10, 17, 20, 23])
def test_a_window_as_large_as_allowed_is_taken(log: int) -> None:
    walk(with_window(log), window=1 << log)


@pytest.mark.parametrize("log", [10, 17, 20, 23])
def test_a_window_above_it_is_refused(log: int) -> None:
    with pytest.raises(TargetMismatch, match="window"):
        walk(with_window(log), window=(1 << log) - 1)


def with_window(log: int) -> bytes:
    return MAGIC + bytes([0, log - 10 << 3]) + b"\x01\0\0"


@pytest.mark.parametrize("length", [100, 255, 256, 257, 65536 + 255, 65536 + 256, 1 << 20])
def test_the_window_of_a_single_segment_is_its_size(length: int) -> None:
    content = packed(bytes(length))
    assert content[4] & 0x20
    walk(content, window=length)
    with pytest.raises(TargetMismatch, match="window"):
        walk(content, window=length - 1)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"\x28\xb5\x2f\xfe", "not zstd"),
        (MAGIC + b"\x08", "makes no sense"),
        (MAGIC + b"\x00\x00\x07\0\0", "makes no sense"),
        (MAGIC + b"\x01\x00\x05", "dictionary"),
    ],
)
def test_what_makes_no_sense_is_refused(content: bytes, why: str) -> None:
    with pytest.raises(TargetMismatch, match=why):
        walk(content)
