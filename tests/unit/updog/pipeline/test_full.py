from __future__ import annotations

import gzip
import hashlib
import lzma
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import zstandard
from blake3 import blake3
from lz4 import frame

from partitions.errors import DeviceError
from tests.fakes.images import chunks, image, medium, signed
from updog.digests import BLAKE3, SHA256, Digest
from updog.errors import CutShort, TargetMismatch
from updog.pipeline.buffers import PIECE
from updog.pipeline.direct import Medium
from updog.pipeline.facts import ReadBack, Signed, Way
from updog.pipeline.formats import Format
from updog.pipeline.full import install

RAW = image(900, tail=1234)
PACKED = {
    "lz4": frame.compress(RAW, block_linked=False, block_size=frame.BLOCKSIZE_MAX1MB),
    "lz4 linked": frame.compress(RAW, block_linked=True),
    "zstd": zstandard.compress(RAW),
    "xz": lzma.compress(RAW, preset=0),
    "gzip": gzip.compress(RAW),
    "raw": RAW,
}


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    path = tmp_path / "partition"
    path.write_bytes(b"\xee" * (len(RAW) + 3 * PIECE))
    return path


def put(disk: Path, facts: Signed, packed: bytes) -> object:
    with medium(disk) as target:
        return install(facts, lambda: chunks(packed), target)


@pytest.mark.parametrize("name", PACKED)
def test_an_image_of_any_format_gets_onto_the_partition(disk: Path, name: str) -> None:
    with medium(disk) as target:
        done = install(signed(RAW, PACKED[name]), lambda: chunks(PACKED[name]), target)
    content = disk.read_bytes()
    assert content[: len(RAW)] == RAW
    assert content[len(RAW) :] == b"\xee" * (3 * PIECE)
    assert done.way is Way.FULL
    assert done.read_back == done.expected == Digest(BLAKE3, blake3(RAW).hexdigest())
    assert done.moved.received == len(PACKED[name])
    assert done.moved.decoded == len(RAW) == done.moved.written + done.moved.kept


def test_an_image_that_is_signed_by_sha256_alone_is_read_back_by_that(disk: Path) -> None:
    facts = replace(signed(RAW, PACKED["lz4"]), raw_blake3=None)
    with medium(disk) as target:
        done = install(facts, lambda: chunks(PACKED["lz4"]), target)
    assert done.read_back == Digest(SHA256, hashlib.sha256(RAW).hexdigest())


@pytest.mark.parametrize("name", PACKED)
def test_without_signed_raw_facts_what_was_decoded_is_compared(disk: Path, name: str) -> None:
    facts = replace(signed(RAW, PACKED[name]), raw_length=None, raw_sha256=None, raw_blake3=None)
    with medium(disk) as target:
        done = install(facts, lambda: chunks(PACKED[name]), target)
    assert done.expected == Digest(BLAKE3, blake3(RAW).hexdigest())
    assert disk.read_bytes()[: len(RAW)] == RAW


@pytest.mark.parametrize("name", PACKED)
def test_the_same_image_again_writes_nothing(disk: Path, name: str) -> None:
    put(disk, signed(RAW, PACKED[name]), PACKED[name])
    with medium(disk) as target:
        done = install(signed(RAW, PACKED[name]), lambda: chunks(PACKED[name]), target)
    assert done.moved.written == 0
    assert done.moved.kept == len(RAW)


def test_lz4_blocks_of_odd_lengths_are_written_in_order(disk: Path) -> None:
    # Sound, and what a compressor makes that is flushed in mid-block.
    packer = frame.LZ4FrameCompressor(block_linked=False, auto_flush=True, block_size=4)
    packed = packer.begin() + b"".join(map(packer.compress, chunks(RAW, 1001))) + packer.flush()
    put(disk, signed(RAW, packed), packed)
    assert disk.read_bytes()[: len(RAW)] == RAW


@pytest.mark.parametrize("name", PACKED)
def test_a_flipped_bit_is_never_taken(disk: Path, name: str) -> None:
    facts = signed(RAW, PACKED[name])
    damaged = bytearray(PACKED[name])
    damaged[len(damaged) // 2] ^= 1
    with pytest.raises(TargetMismatch):
        put(disk, facts, bytes(damaged))


@pytest.mark.parametrize("name", PACKED)
def test_a_file_that_ends_early_is_never_taken(disk: Path, name: str) -> None:
    with pytest.raises(TargetMismatch):
        put(disk, signed(RAW, PACKED[name]), PACKED[name][:-5])


@pytest.mark.parametrize("name", PACKED)
def test_a_file_that_does_not_end_is_never_taken(disk: Path, name: str) -> None:
    with pytest.raises(TargetMismatch):
        put(disk, signed(RAW, PACKED[name]), PACKED[name] + b"more")


def test_an_image_larger_than_its_partition_is_stopped_at_its_end(tmp_path: Path) -> None:
    path = tmp_path / "small"
    path.write_bytes(bytes(PIECE))
    facts = replace(signed(RAW, PACKED["zstd"]), raw_length=None)
    with pytest.raises(TargetMismatch, match="more than"):
        put(path, facts, PACKED["zstd"])
    assert path.stat().st_size == PIECE


def test_another_length_than_the_signed_one_is_refused(disk: Path) -> None:
    facts = replace(signed(RAW, PACKED["lz4"]), raw_length=len(RAW) + 1)
    with pytest.raises(TargetMismatch, match="were signed"):
        put(disk, facts, PACKED["lz4"])


def test_another_format_than_the_signed_one_is_refused(disk: Path) -> None:
    facts = replace(signed(RAW, PACKED["xz"]), format=Format.LZ4)
    with pytest.raises(TargetMismatch, match="begins like xz"):
        put(disk, facts, PACKED["xz"])


def test_an_image_of_nothing_is_refused(disk: Path) -> None:
    packed = frame.compress(b"")
    facts = replace(signed(b"", packed), raw_length=None, raw_sha256=None, raw_blake3=None)
    with pytest.raises(TargetMismatch, match="no data at all"):
        put(disk, facts, packed)


@pytest.mark.parametrize("name", PACKED)
def test_a_transfer_that_breaks_off_ends_every_stage(disk: Path, name: str) -> None:
    def broken() -> Iterator[bytes]:
        yield PACKED[name][: len(PACKED[name]) // 2]
        raise CutShort("gone")

    with medium(disk) as target, pytest.raises(CutShort, match="gone"):
        install(signed(RAW, PACKED[name]), broken, target)


class Faulty:
    """A medium with a fault."""

    def __init__(self, real: Medium, *, write_fails: bool = False, lies: bool = False) -> None:
        self.size = real.size
        self.past_cache = real.past_cache
        self._real = real
        self._write_fails = write_fails
        self._lies = lies

    def write(self, offset: int, data: memoryview) -> None:
        if self._write_fails and offset >= PIECE:
            raise DeviceError("cannot write")
        self._real.write(offset, data)

    def read(self, offset: int, length: int, buffer: memoryview) -> memoryview:
        found = self._real.read(offset, length, buffer)
        if self._lies and offset + length > PIECE:
            found[-1] ^= 1
        return found

    def flush(self) -> None:
        self._real.flush()


@pytest.mark.parametrize("name", PACKED)
def test_a_failed_write_ends_every_stage(disk: Path, name: str) -> None:
    facts = signed(RAW, PACKED[name])
    with medium(disk) as target, pytest.raises(DeviceError, match="cannot write"):
        install(facts, lambda: chunks(PACKED[name]), Faulty(target, write_fails=True))


@pytest.mark.parametrize("name", PACKED)
def test_a_medium_that_gives_back_other_bytes_is_found_out(disk: Path, name: str) -> None:
    facts = signed(RAW, PACKED[name])
    with medium(disk) as target, pytest.raises(DeviceError, match="the medium is failing"):
        install(facts, lambda: chunks(PACKED[name]), Faulty(target, lies=True))


def test_a_measurement_may_leave_the_reading_back_out(disk: Path) -> None:
    facts = signed(RAW, PACKED["lz4"])
    with medium(disk) as target:
        done = install(facts, lambda: chunks(PACKED["lz4"]), target, read_back=ReadBack.NEVER)
    assert done.moved.decoded == len(RAW)
