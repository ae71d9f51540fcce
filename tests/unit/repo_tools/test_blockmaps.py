from __future__ import annotations

import hashlib
import io
import subprocess
from pathlib import Path

import pytest
import zstandard
from lz4 import frame

from repo_tools.blockmaps import map_lz4, pack_zstd
from repo_tools.errors import ImageError
from tests.fakes.images import changed, image
from updog.blockmap import BLOCK, BlockMap, Codec, block_hash, limit_for, parse

RAW = image(500, tail=99)


def lz4_file(tmp_path: Path, **options: object) -> Path:
    path = tmp_path / "image.lz4"
    settings: dict[str, object] = {"block_linked": False, "block_size": frame.BLOCKSIZE_MAX256KB}
    path.write_bytes(frame.compress(RAW, **(settings | options)))
    return path


def check(found: BlockMap, raw: bytes, packed: bytes) -> None:
    assert found.whole.raw_sha256 == hashlib.sha256(raw).digest()
    assert found.whole.packed_sha256 == hashlib.sha256(packed).digest()
    assert found.whole.packed_length == len(packed)
    for number in range(found.blocks):
        assert found.hash_of(number) == block_hash(raw[number * BLOCK : (number + 1) * BLOCK])
    for span in found.spans():
        assert span.digest == block_hash(packed[span.offset : span.offset + span.length])


def test_the_map_of_an_lz4_file_says_what_it_holds(tmp_path: Path) -> None:
    path = lz4_file(tmp_path)
    found = map_lz4(path)
    check(found, RAW, path.read_bytes())
    assert found.codec is Codec.LZ4
    assert parse(found.dump(), "m").dump() == found.dump()


def test_the_map_of_what_the_lz4_tool_makes_is_small(tmp_path: Path) -> None:
    raw = tmp_path / "image"
    raw.write_bytes(RAW * 4)
    subprocess.run(["lz4", "-9", "-q", str(raw), f"{raw}.lz4"], check=True)
    assert len(map_lz4(Path(f"{raw}.lz4")).dump()) <= limit_for(4 * len(RAW))


@pytest.mark.parametrize(
    "options", [{"block_linked": True}, {"block_checksum": True}], ids=lambda o: next(iter(o))
)
def test_a_frame_that_cannot_be_entered_is_refused(
    tmp_path: Path, options: dict[str, object]
) -> None:
    with pytest.raises(ImageError):
        map_lz4(lz4_file(tmp_path, **options))


def test_a_damaged_frame_is_refused(tmp_path: Path) -> None:
    path = lz4_file(tmp_path)
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(ImageError, match="not a sound"):
        map_lz4(path)


def test_blocks_of_odd_lengths_are_refused(tmp_path: Path) -> None:
    packer = frame.LZ4FrameCompressor(block_linked=False, auto_flush=True)
    path = tmp_path / "odd.lz4"
    path.write_bytes(packer.begin() + packer.compress(b"abc") * 2 + packer.flush())
    with pytest.raises(ImageError, match="odd"):
        map_lz4(path)


def packed(tmp_path: Path, raw: bytes, *bases: bytes) -> tuple[BlockMap, bytes]:
    (tmp_path / "raw").write_bytes(raw)
    paths = []
    for number, base in enumerate(bases):
        paths.append(tmp_path / f"base-{number}")
        paths[-1].write_bytes(base)
    sink = io.BytesIO()
    return pack_zstd(tmp_path / "raw", sink, bases=paths, level=1), sink.getvalue()


def test_zstd_frames_are_one_file_for_every_tool(tmp_path: Path) -> None:
    found, content = packed(tmp_path, RAW)
    check(found, RAW, content)
    run = subprocess.run(["zstd", "-dc"], input=content, capture_output=True, check=True)
    assert run.stdout == RAW
    reader = zstandard.ZstdDecompressor().stream_reader(content, read_across_frames=True)
    assert reader.read() == RAW


def test_frames_end_where_a_client_begins_to_lack_something(tmp_path: Path) -> None:
    old = image(300, seed=5)
    new = changed(old)
    found, content = packed(tmp_path, new, old)
    check(found, new, content)
    has = {old[at : at + BLOCK] for at in range(0, len(old), BLOCK)}
    for span in found.spans():
        blocks = range(span.first, span.first + span.blocks)
        assert len({new[n * BLOCK : (n + 1) * BLOCK] in has for n in blocks}) == 1


def test_an_empty_image_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="empty"):
        packed(tmp_path, b"")


def test_an_image_cut_into_too_many_spans_is_refused(tmp_path: Path) -> None:
    raw = image(2000, seed=5)
    odd = b"".join(raw[at : at + BLOCK] for at in range(0, len(raw), 2 * BLOCK))
    with pytest.raises(ImageError, match="too large"):
        packed(tmp_path, raw, odd)
