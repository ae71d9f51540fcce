"""No damage to an LZ4 file gets past the publisher, and no request past the server's ranges."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lz4 import frame

from repo_tools import imagebuild
from repo_tools.byterange import OutOfRange, parse
from repo_tools.errors import ImageError

pytestmark = pytest.mark.property

RAW = bytes(range(256)) * 8 + b"end of the image"
WHOLE = frame.compress(RAW, content_checksum=True, block_linked=False, store_size=False)

some = settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


def build(folder: Path, name: str, data: bytes) -> tuple[imagebuild.Built, bytes]:
    path = folder / name
    path.write_bytes(data)
    sink = io.BytesIO()
    return imagebuild.build(path, sink), sink.getvalue()


@some
@given(raw=st.binary(min_size=1, max_size=5000).filter(lambda raw: raw[:1] != b"\x04"))
def test_what_we_compress_is_taken_back_as_it_is(tmp_path: Path, raw: bytes) -> None:
    built, packed = build(tmp_path, "image", raw)
    assert frame.decompress(packed) == raw
    assert build(tmp_path, "image.lz4", packed) == (built, packed)


@some
@given(place=st.integers(0, len(WHOLE) - 1), bit=st.integers(0, 7))
def test_flipped_bit_is_refused_or_changes_nothing(tmp_path: Path, place: int, bit: int) -> None:
    # A few frames say the same in other words: a match that is copied from elsewhere, for example.
    whole, _ = build(tmp_path, "whole.lz4", WHOLE)
    data = bytearray(WHOLE)
    data[place] ^= 1 << bit
    try:
        built, _ = build(tmp_path, "image.lz4", bytes(data))
    except ImageError:
        return
    assert built.raw_sha256 == whole.raw_sha256


@some
@given(length=st.integers(0, len(WHOLE) - 1))
def test_cut_file_is_refused(tmp_path: Path, length: int) -> None:
    with pytest.raises(ImageError):
        build(tmp_path, "image.lz4", WHOLE[:length])


@some
@given(tail=st.binary(min_size=1, max_size=200))
def test_anything_after_the_frame_is_refused(tmp_path: Path, tail: bytes) -> None:
    with pytest.raises(ImageError):
        build(tmp_path, "image.lz4", WHOLE + tail)


@settings(max_examples=500, deadline=None)
@given(
    header=st.text(max_size=30)
    | st.from_regex(r"bytes=([0-9]{0,25}-[0-9]{0,25},? ?){1,5}", fullmatch=True),
    size=st.integers(0, 1 << 40) | st.integers(0, 1000),
)
def test_parts_always_lie_inside_the_file_and_are_never_more_than_it(
    header: str, size: int
) -> None:
    try:
        parts = parse(header, size)
    except OutOfRange:
        return
    for part in parts or ():
        assert 0 <= part.first <= part.last < size
    assert parts is None or 0 < sum(part.length for part in parts) <= size
