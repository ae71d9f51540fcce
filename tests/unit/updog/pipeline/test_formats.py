from __future__ import annotations

import gzip
import lzma

import pytest
import zstandard
from lz4 import frame

from updog.errors import TargetMismatch
from updog.pipeline.formats import LONGEST_MAGIC, Format, agreed, detect, least_raw


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (frame.compress(b"x"), Format.LZ4),
        (zstandard.compress(b"x"), Format.ZSTD),
        (lzma.compress(b"x"), Format.XZ),
        (gzip.compress(b"x"), Format.GZIP),
        (b"plain", Format.NONE),
        (b"", Format.NONE),
    ],
    ids=["lz4", "zstd", "xz", "gzip", "none", "nothing"],
)
def test_a_format_is_told_by_its_first_bytes(content: bytes, expected: Format) -> None:
    assert detect(content[:LONGEST_MAGIC]) is expected


def test_a_signed_format_that_differs_is_refused() -> None:
    with pytest.raises(TargetMismatch, match="signed as xz but begins like none"):
        agreed(b"plain", Format.XZ, "x")


def test_an_image_signed_as_raw_may_begin_like_anything() -> None:
    assert agreed(zstandard.compress(b"x")[:6], Format.NONE, "x") is Format.NONE


def test_without_a_signed_format_the_bytes_decide() -> None:
    assert agreed(b"plain", None, "x") is Format.NONE


RAW = bytes(100_000)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (frame.compress(RAW, store_size=True), 100_000),
        (frame.compress(RAW, store_size=False), 0),
        (zstandard.compress(RAW), 100_000),
        (zstandard.compress(RAW) + zstandard.compress(RAW), 100_000),
        (zstandard.ZstdCompressor(write_content_size=False).compress(RAW), 0),
        (lzma.compress(RAW), 0),
        (gzip.compress(RAW), 0),
        (b"plain", 5),
    ],
    ids=["lz4", "lz4 unsized", "zstd", "two frames", "zstd unsized", "xz", "gzip", "none"],
)
def test_the_first_bytes_tell_how_long_it_gets_at_least(content: bytes, expected: int) -> None:
    assert least_raw(content[:20], len(content)) == expected


@pytest.mark.parametrize("packed", [frame.compress(RAW), zstandard.compress(RAW)])
def test_a_header_that_is_cut_or_makes_no_sense_tells_nothing(packed: bytes) -> None:
    assert [least_raw(packed[:count], len(packed)) for count in (4, 5)] == [0, 0]
    assert least_raw(packed[:4] + b"\xff" * 30, len(packed)) == 0
