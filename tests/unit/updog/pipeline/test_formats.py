from __future__ import annotations

import gzip
import lzma

import pytest
import zstandard
from lz4 import frame

from updog.errors import TargetMismatch
from updog.pipeline.formats import LONGEST_MAGIC, Format, agreed, detect


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
