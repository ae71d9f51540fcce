"""A block map that does not describe its image is found, whatever is wrong with it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from repo_tools.blockmaps import map_lz4
from repo_tools.imagebuild import build
from repo_tools.validate.mapcheck import MapCheck
from repo_tools.validate.targets import decoded
from updog.blockmap import BlockMap, parse
from updog.digests import IMAGE
from updog.stream import Tally

HEADER = 144
Made = tuple[Path, BlockMap]


@pytest.fixture
def made(tmp_path: Path) -> Made:
    raw, published = tmp_path / "image", tmp_path / "image.lz4"
    raw.write_bytes(Random(7).randbytes(5 << 20) + bytes(4 << 20) + b"end")
    with published.open("wb") as sink:
        build(raw, sink)
    return published, map_lz4(published)


def faults(published: Path, found: BlockMap, piece: int = 1 << 16) -> list[str]:
    check, tally = MapCheck(found), Tally(IMAGE)
    data = published.read_bytes()
    chunks = iter([data[at : at + piece] for at in range(0, len(data), piece)])
    for out in tally.through(decoded(check.packed(chunks), "image.lz4")):
        check.raw(out)
    return list(check.faults(tally))


def damaged(found: BlockMap, at: int) -> BlockMap:
    """The map with one bit changed."""
    data = bytearray(found.dump())
    data[at] ^= 1
    return parse(bytes(data), "image.lz4.blockmap")


@pytest.mark.parametrize("piece", [1 << 12, 100_003, 1 << 24])
def test_a_right_map_has_no_faults(made: Made, piece: int) -> None:
    assert faults(*made, piece) == []


def test_a_wrong_block_is_counted(made: Made) -> None:
    published, found = made
    end = len(found.dump())
    assert faults(published, damaged(found, end - 8 * 100)) == [
        "1 of its blocks are not those of the image"
    ]


def test_a_wrong_span_is_counted(made: Made) -> None:
    published, found = made
    start_of_digests = HEADER + 6 * len(found.packed)
    assert faults(published, damaged(found, start_of_digests)) == [
        "1 of its spans are not in the published file"
    ]


def test_the_map_of_another_image_is_told(made: Made) -> None:
    published, found = made
    other = replace(found, whole=replace(found.whole, raw_sha256=bytes(32)))
    assert faults(published, other) == ["it is the map of another image"]
    other = replace(found, whole=replace(found.whole, raw_blake3=bytes(32)))
    assert faults(published, other) == ["it is the map of another image"]
    other = replace(found, whole=replace(found.whole, packed_sha256=bytes(32)))
    assert faults(published, other) == ["it is the map of another published file"]
