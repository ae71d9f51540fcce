from __future__ import annotations

import gc
import os
from dataclasses import replace
from pathlib import Path

import pytest

from tests.fakes.images import chunks, image, signed
from tests.fakes.published import as_zstd
from updog.blockmap import limit_for, parse
from updog.errors import StorageError, TargetMismatch
from updog.pipeline.facts import Signed
from updog.pipeline.scratch import Scratch, check_map_length, receive_signed

RAW = image(300)


@pytest.fixture
def content(tmp_path: Path) -> bytes:
    return as_zstd(tmp_path, RAW).blockmap.dump()


@pytest.fixture
def facts(content: bytes) -> Signed:
    return signed(b"", content, "root.img.blockmap")


def open_files() -> int:
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - names only


def test_a_received_map_is_the_published_one(content: bytes, facts: Signed) -> None:
    found = receive_signed(facts, lambda: chunks(content, 99))
    assert parse(found, "map").dump() == content


def test_a_map_is_let_go_with_its_file(content: bytes, facts: Signed) -> None:
    before = open_files()
    found = parse(receive_signed(facts, lambda: chunks(content)), "map")
    assert open_files() == before + 1
    del found
    gc.collect()
    assert open_files() == before


@pytest.mark.parametrize("place", [0, 20, 130, -1])
def test_a_flipped_bit_in_a_map_is_refused(content: bytes, facts: Signed, place: int) -> None:
    damaged = bytearray(content)
    damaged[place] ^= 1
    with pytest.raises(TargetMismatch, match="not the signed one"):
        receive_signed(facts, lambda: chunks(bytes(damaged)))


@pytest.mark.parametrize("length", [0, 10, 500, -1])
def test_a_map_that_ends_early_is_refused(content: bytes, facts: Signed, length: int) -> None:
    with pytest.raises(TargetMismatch, match="were signed"):
        receive_signed(facts, lambda: chunks(content[:length]))


def test_a_map_that_does_not_end_is_cut_off(content: bytes, facts: Signed) -> None:
    with pytest.raises(TargetMismatch, match="longer than"):
        receive_signed(facts, lambda: (content for _ in range(1 << 40)))


def test_a_map_above_its_share_of_the_image_is_refused(facts: Signed) -> None:
    facts = replace(facts, packed_length=limit_for(len(RAW)) + 1)
    with pytest.raises(TargetMismatch, match="make sense"):
        check_map_length(facts, len(RAW))


def test_it_has_no_name_and_lies_in_the_first_place_that_can(tmp_path: Path) -> None:
    kept = Scratch([tmp_path / "missing", tmp_path])
    kept.append(b"abc")
    assert list(tmp_path.iterdir()) == []
    assert bytes(kept[1:]) == b"bc"


def test_bytes_may_come_in_any_order() -> None:
    kept = Scratch()
    kept.write(3, b"def")
    kept.write(0, b"abc")
    assert bytes(kept[:]) == b"abcdef"


def test_no_room_is_told_of() -> None:
    kept = Scratch()
    kept.close()
    kept.close()
    with pytest.raises(StorageError, match="temporary file"):
        kept.append(b"x")
