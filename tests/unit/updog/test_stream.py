from __future__ import annotations

import hashlib
import tracemalloc
from collections.abc import Callable, Iterator

import lz4.frame
import pytest

from updog.errors import TargetMismatch
from updog.stream import PIECE, Tally, algorithms_in, cap, decompress, moved

RAW = bytes(range(256)) * 40_000
FRAME: bytes = lz4.frame.compress(
    RAW, compression_level=9, block_size=lz4.frame.BLOCKSIZE_MAX4MB, content_checksum=True
)


def cut(data: bytes, size: int = 64 << 10) -> Iterator[bytes]:
    return (data[start : start + size] for start in range(0, len(data), size))


def decode(data: bytes, size: int = 64 << 10, limit: int = 1 << 30) -> bytes:
    return b"".join(decompress(cut(data, size), limit, "image"))


def test_cap_lets_exactly_the_limit_through() -> None:
    assert b"".join(cap([b"abc", b"de"], 5, "image")) == b"abcde"


def test_cap_refuses_the_first_byte_too_many() -> None:
    stream = cap([b"abc", b"def"], 5, "image")
    assert next(stream) == b"abc"
    with pytest.raises(TargetMismatch, match="image is longer than the 5 bytes"):
        next(stream)


def test_tally_counts_and_hashes_what_flows_through() -> None:
    tally = Tally(("sha256", "sha512"))
    assert b"".join(tally.through([b"abc", b"de"])) == b"abcde"
    hashes = {name: hashlib.new(name, b"abcde").hexdigest() for name in ("sha256", "sha512")}
    tally.check("image", 5, hashes)
    assert (tally.length, tally.hex(), tally.hex("sha512")) == (5, *hashes.values())


@pytest.mark.parametrize(
    ("length", "sha256", "message"),
    [
        (4, hashlib.sha256(b"abcde").hexdigest(), "has 5 bytes, but 4 were signed"),
        (5, hashlib.sha256(b"abcdf").hexdigest(), "its sha256 is not the signed one"),
        (5, "", "its sha256 is not the signed one"),
    ],
)
def test_tally_refuses_what_was_not_signed(length: int, sha256: str, message: str) -> None:
    tally = Tally()
    tally.add(b"abcde")
    with pytest.raises(TargetMismatch, match=message):
        tally.check("image", length, {"sha256": sha256})


def test_every_known_signed_hash_is_checked() -> None:
    signed = {"sha512": "x", "blake3": "y", "sha256": "z"}
    assert algorithms_in(signed, "image") == ("sha256", "sha512")


def test_a_target_without_a_known_hash_is_refused() -> None:
    with pytest.raises(TargetMismatch, match="neither sha256 nor sha512"):
        algorithms_in({"blake3": "y"}, "image")


@pytest.mark.parametrize("size", [1 << 20, 4097, 64 << 10, len(FRAME)])
def test_a_frame_decodes_however_it_is_cut(size: int) -> None:
    assert decode(FRAME, size) == RAW


def test_a_small_frame_decodes_byte_by_byte() -> None:
    assert decode(lz4.frame.compress(RAW[:5000]), 1) == RAW[:5000]


@pytest.mark.parametrize("size", [0, 1, PIECE - 1, PIECE, PIECE + 1, 4 * PIECE])
def test_lengths_around_the_piece_size_decode(size: int) -> None:
    frame = lz4.frame.compress(bytes(size), block_size=lz4.frame.BLOCKSIZE_MAX4MB)
    assert decode(frame) == bytes(size)


def test_pieces_are_bounded() -> None:
    assert max(map(len, decompress([FRAME], 1 << 30, "image"))) <= PIECE


def test_a_bomb_stops_at_the_limit_in_bounded_memory() -> None:
    bomb = lz4.frame.compress(bytes(256 << 20))
    tracemalloc.start()
    try:
        with pytest.raises(TargetMismatch, match="more than the 8388608 bytes of its place"):
            for _ in decompress(cut(bomb), 8 << 20, "image"):
                pass
        assert tracemalloc.get_traced_memory()[1] < 16 << 20
    finally:
        tracemalloc.stop()


def test_output_of_exactly_the_limit_is_taken() -> None:
    assert decode(FRAME, limit=len(RAW)) == RAW


def test_one_byte_over_the_limit_is_refused() -> None:
    with pytest.raises(TargetMismatch, match="more than"):
        decode(FRAME, limit=len(RAW) - 1)


@pytest.mark.parametrize("kept", [0, 1, 6, 7, 20, len(FRAME) // 2, len(FRAME) - 1])
def test_a_frame_that_was_cut_is_refused(kept: int) -> None:
    with pytest.raises(TargetMismatch, match="ends in the middle of its LZ4 frame"):
        decode(FRAME[:kept])


@pytest.mark.parametrize("surplus", [b"\0", FRAME[:64], FRAME, b"\x50\x2a\x4d\x18\0\0\0\0"])
@pytest.mark.parametrize("size", [len(FRAME), 1 << 26])
def test_bytes_after_the_frame_are_refused(surplus: bytes, size: int) -> None:
    with pytest.raises(TargetMismatch, match="bytes after its LZ4 frame"):
        decode(FRAME + surplus, size)


@pytest.mark.parametrize(
    "garbage", [b"hello, this is not a frame", b"\x04\x22\x4d\x18\xff\xff\xff"]
)
def test_what_is_no_frame_is_refused(garbage: bytes) -> None:
    with pytest.raises(TargetMismatch, match="not a sound LZ4 frame"):
        decode(garbage)


def test_the_source_is_read_to_its_end() -> None:
    source = cut(FRAME, 1000)
    for _ in decompress(source, 1 << 30, "image"):
        pass
    assert next(source, None) is None


def test_moved_reports_the_running_total() -> None:
    seen: list[int] = []
    assert b"".join(moved([b"abc", b"", b"de"], seen.append)) == b"abcde"
    assert seen == [3, 3, 5]


@pytest.mark.parametrize(
    "stage",
    [
        lambda chunks: cap(chunks, 1 << 40, "image"),
        lambda chunks: decompress(chunks, 1 << 40, "image"),
        lambda chunks: Tally().through(chunks),
    ],
)
def test_an_error_of_the_source_passes_through(
    stage: Callable[[Iterator[bytes]], Iterator[bytes]],
) -> None:
    def broken() -> Iterator[bytes]:
        yield FRAME[:1000]
        raise ConnectionError("gone")

    with pytest.raises(ConnectionError, match="gone"):
        list(stage(broken()))
