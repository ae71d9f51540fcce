from __future__ import annotations

import struct
from pathlib import Path

import pytest
from blake3 import blake3

from tests.fakes.images import changed, chunks, image, medium, signed
from tests.fakes.published import as_delta
from updog.blockmap import BLOCK
from updog.deltaformat import HEADER_LENGTH, target_name
from updog.digests import BLAKE3, Digest
from updog.errors import TargetMismatch
from updog.pipeline.adaptive import MisledError
from updog.pipeline.delta import Delta, install
from updog.pipeline.facts import Done, Signed, Way

OLD = image(900, seed=3)
NEW = changed(OLD) + b"a short end"


@pytest.fixture
def packed(tmp_path: Path) -> bytes:
    return made(tmp_path, NEW, OLD)


def made(tmp_path: Path, new: bytes, old: bytes) -> bytes:
    return as_delta(tmp_path, new, old, level=3)


def put(
    tmp_path: Path, packed: bytes, *, facts: Signed | None = None, base: bytes = OLD
) -> tuple[Done, bytes]:
    disk, active = tmp_path / "disk", tmp_path / "active"
    disk.write_bytes(b"\xee" * (len(NEW) + 3 * BLOCK))
    active.write_bytes(base)
    facts = facts or signed(b"", packed, "delta")
    with medium(disk) as target, medium(active) as source:
        done = install(
            signed(NEW, b"published"), Delta(facts, lambda: chunks(packed)), source, target
        )
    return done, disk.read_bytes()


def test_a_delta_and_its_base_make_the_image(tmp_path: Path, packed: bytes) -> None:
    done, content = put(tmp_path, packed)
    assert content[: len(NEW)] == NEW
    assert content[len(NEW) :] == b"\xee" * 3 * BLOCK
    assert done.way is Way.DELTA
    assert done.read_back == Digest(BLAKE3, blake3(NEW).hexdigest())
    assert done.moved.received == len(packed)
    assert done.moved.copied > 0.5 * len(NEW)


def test_an_edited_file_costs_about_as_much_as_its_edits(tmp_path: Path) -> None:
    edited = bytearray(OLD)
    for at in range(0, len(edited), 3 * BLOCK + 17):
        edited[at] ^= 0xFF
    assert len(made(tmp_path, bytes(edited), OLD)) < len(OLD) // 20


def test_an_image_without_anything_new_is_nearly_nothing(tmp_path: Path) -> None:
    assert len(made(tmp_path, OLD, OLD)) < 4096


def test_another_base_leads_to_another_image_and_is_found_out(
    tmp_path: Path, packed: bytes
) -> None:
    other = bytearray(OLD)
    other[5 * BLOCK] ^= 1
    other[600 * BLOCK] ^= 1
    with pytest.raises(MisledError):
        put(tmp_path, packed, base=bytes(other))


def test_a_base_that_is_too_small_is_refused_before_a_write(tmp_path: Path, packed: bytes) -> None:
    with pytest.raises(TargetMismatch, match="needs a base"):
        put(tmp_path, packed, base=OLD[: 10 * BLOCK])
    assert (tmp_path / "disk").read_bytes() == b"\xee" * (len(NEW) + 3 * BLOCK)


def test_a_delta_to_another_image_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TargetMismatch, match="another image"):
        put(tmp_path, made(tmp_path, OLD, OLD))


@pytest.mark.parametrize("place", [0.001, 0.3, 0.6, 0.9, 0.999])
def test_a_flipped_bit_is_never_taken(tmp_path: Path, packed: bytes, place: float) -> None:
    facts = signed(b"", packed, "delta")
    damaged = bytearray(packed)
    damaged[int(len(damaged) * place)] ^= 4
    with pytest.raises((TargetMismatch, MisledError)):
        put(tmp_path, bytes(damaged), facts=facts)


@pytest.mark.parametrize("length", [0, 50, HEADER_LENGTH, HEADER_LENGTH + 3, 3000, -1])
def test_a_delta_that_ends_early_is_never_taken(tmp_path: Path, packed: bytes, length: int) -> None:
    cut = packed[:length]
    with pytest.raises(TargetMismatch):
        put(tmp_path, cut, facts=signed(b"", packed, "delta"))


def test_bytes_behind_the_last_segment_are_refused(tmp_path: Path, packed: bytes) -> None:
    with pytest.raises(TargetMismatch, match="goes on"):
        put(tmp_path, packed + b"x")


@pytest.mark.parametrize(
    ("offset", "form", "value"),
    [
        (0, "B", 0),  # magic
        (8, "H", 2),  # version
        (10, "B", 1),  # reserved
        (16, "Q", 0),  # no image
        (16, "Q", 1 << 60),  # an impossible image
        (56, "Q", 0),  # no base
        (56, "Q", 1 << 60),
        (HEADER_LENGTH, "I", 0),  # no plan
        (HEADER_LENGTH, "I", 0xFFFFFFFF),  # a plan larger than memory
        (HEADER_LENGTH + 4, "I", 0xFFFFFFFF),  # content larger than memory
    ],
)
def test_a_delta_that_lies_is_refused(
    tmp_path: Path, packed: bytes, offset: int, form: str, value: int
) -> None:
    lying = bytearray(packed)
    struct.pack_into("<" + form, lying, offset, value)
    with pytest.raises(TargetMismatch):
        put(tmp_path, bytes(lying))


def test_a_delta_is_named_after_image_and_base() -> None:
    assert target_name("a.ext4.lz4", "00ff") == "a.ext4.lz4.from-00ff.delta"
