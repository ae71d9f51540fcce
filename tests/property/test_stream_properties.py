from __future__ import annotations

import lz4.frame
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from updog.errors import TargetMismatch
from updog.stream import Tally, cap, decompress

pytestmark = pytest.mark.property

raws = st.binary(max_size=4096).flatmap(
    lambda unit: st.integers(1, 200).map(lambda times: unit * times)
)
frame_options = st.fixed_dictionaries(
    {
        "block_size": st.sampled_from(
            [
                lz4.frame.BLOCKSIZE_MAX64KB,
                lz4.frame.BLOCKSIZE_MAX256KB,
                lz4.frame.BLOCKSIZE_MAX1MB,
                lz4.frame.BLOCKSIZE_MAX4MB,
            ]
        ),
        "block_linked": st.booleans(),
        "store_size": st.booleans(),
        "content_checksum": st.booleans(),
        "block_checksum": st.booleans(),
    }
)


def cut(data: bytes, size: int) -> list[bytes]:
    return [data[start : start + size] for start in range(0, len(data), size)]


@given(raws, frame_options, st.integers(1, 100_000))
@settings(max_examples=150, deadline=None)
def test_every_frame_decodes_to_what_was_packed(
    raw: bytes, options: dict[str, object], chunk: int
) -> None:
    frame = lz4.frame.compress(raw, **options)
    assume(len(frame) // chunk < 2000)
    assert b"".join(decompress(cut(frame, chunk), len(raw), "image")) == raw


@given(raws, st.data())
@settings(max_examples=150, deadline=None)
def test_a_damaged_frame_never_raises_a_foreign_exception(raw: bytes, data: st.DataObject) -> None:
    frame = bytearray(lz4.frame.compress(raw, content_checksum=True))
    for _ in range(data.draw(st.integers(1, 8))):
        frame[data.draw(st.integers(0, len(frame) - 1))] = data.draw(st.integers(0, 255))
    try:
        out = b"".join(decompress(cut(bytes(frame), 4096), len(raw) + 10, "image"))
    except TargetMismatch:
        return
    assert len(out) <= len(raw) + 10


@given(st.binary(max_size=2000))
@settings(max_examples=200, deadline=None)
def test_any_bytes_at_all_give_data_or_our_own_error(data: bytes) -> None:
    for prefix in (b"", b"\x04\x22\x4d\x18", b"\x50\x2a\x4d\x18"):
        try:
            out = b"".join(decompress(cut(prefix + data, 100), 1 << 20, "image"))
        except TargetMismatch:
            continue
        assert len(out) <= 1 << 20


@given(st.lists(st.binary(max_size=50)), st.integers(0, 500))
@settings(max_examples=150)
def test_cap_never_lets_more_than_the_limit_through(chunks: list[bytes], limit: int) -> None:
    out = b""
    try:
        for chunk in cap(chunks, limit, "image"):
            out += chunk
    except TargetMismatch:
        assert sum(map(len, chunks)) > limit
    else:
        assert out == b"".join(chunks)
    assert len(out) <= limit


@given(st.lists(st.binary(max_size=50)))
@settings(max_examples=100)
def test_a_tally_does_not_depend_on_how_the_bytes_are_cut(chunks: list[bytes]) -> None:
    pieces, whole = Tally(), Tally()
    assert b"".join(pieces.through(chunks)) == b"".join(chunks)
    whole.add(b"".join(chunks))
    assert (pieces.length, pieces.hex()) == (whole.length, whole.hex())
