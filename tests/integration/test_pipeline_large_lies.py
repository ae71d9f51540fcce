"""Maps that lie at the scale of 4 GiB, within the 0.3 % that a map may have: bounded all the same.

Every count there is as large as it may be: 320 000 spans, a million blocks. What is bounded is the
peak of resident memory, which the installing process tells itself, and the number of requests.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from array import array
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import zstandard
from blake3 import blake3

from updog.blockmap import (
    BLOCK,
    MAX_RAW,
    ZERO_HASH,
    BlockMap,
    Codec,
    Whole,
    block_hash,
    limit_for,
)
from updog.pipeline.asking import STRETCH

ROOT = Path(__file__).resolve().parents[2]
RAW = 4 << 30
BLOCKS = RAW // BLOCK
SPANS = (limit_for(RAW) - limit_for(0) - BLOCKS * 8) // 14 // 2 * 2
"""As many as the limit leaves room for."""
MEMORY = 64 << 20
"""Bytes of the whole process at the most."""
GROWTH = 22 << 20
"""Bytes that an installation adds to it: two workers have room for a span of 4 MiB each of that, as
it is stored and as it is decoded."""
FEW = 10
OTHER = b"\x01" * 8
"""The cut hash of a block that is nowhere."""

CHILD = """
import json, sys
from pathlib import Path
from partitions.errors import PartitionError
from tests.fakes.images import medium
from tests.fakes.published import MemorySource
from updog.blockmap import parse
from updog.errors import UpdogError
from updog.pipeline.engine import Offer, install
from updog.pipeline.facts import Signed, Way
from updog.pipeline.scratch import check_map_length, receive_signed

folder = Path(sys.argv[1])
facts = json.loads((folder / "facts").read_text())

def peak():
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024

source = MemorySource((folder / "packed").read_bytes())

def pieces():
    with (folder / "map").open("rb") as file:
        while piece := file.read(1 << 18):
            yield piece

before = peak()
try:
    signed = Signed("map", *facts["map"])
    check_map_length(signed, facts["image"][2])
    blockmap = parse(receive_signed(signed, pieces), "map")
    offer = Offer(Signed("image", *facts["image"]), lambda: [], source, blockmap)
    with medium(folder / "partition") as target:
        install(offer, target, None, [Way.ADAPTIVE])
    ending = "INSTALLED"
except (UpdogError, PartitionError) as error:
    ending = f"REFUSED: {error}"
print(json.dumps([ending, before, peak(), source.requests]))
"""


def counts_of(spans: int) -> array[int]:
    """Blocks of each span, so that together they make up the image."""
    few, more = divmod(BLOCKS, spans)
    return array("H", [few + 1] * more + [few] * (spans - more))


def mapped(
    lengths: array[int],
    *,
    counts: array[int] | None = None,
    hashes: bytes = OTHER * BLOCKS,
    packed: bytes = b"",
) -> tuple[BlockMap, bytes]:
    """A map of spans of those lengths, and what is published; each span has its digest."""
    packed = packed or bytes(min(sum(lengths), 1 << 20))
    spans, at = bytearray(), 0
    for length in lengths:
        spans += _digest_of(packed[at : at + length])
        at += length
    whole = Whole(RAW, bytes(32), bytes(32), sum(lengths), bytes(32))
    counts = counts or counts_of(len(lengths))
    return (
        BlockMap(whole, Codec.ZSTD, 0, lengths, counts, memoryview(spans), memoryview(hashes)),
        packed,
    )


_DIGESTS: dict[bytes, bytes] = {}


def _digest_of(packed: bytes) -> bytes:
    return _DIGESTS.get(packed) or _DIGESTS.setdefault(packed, block_hash(packed))


def single_bytes() -> tuple[BlockMap, bytes]:
    return mapped(array("I", [1] * SPANS))


def single_bytes_apart() -> tuple[BlockMap, bytes]:
    """Every other span is zero, so nothing is fetched of it, and too long to be fetched in vain."""
    lengths = array("I", [1, 300] * (SPANS // 2))
    counts = counts_of(len(lengths))
    hashes = b"".join((OTHER, ZERO_HASH)[at % 2] * count for at, count in enumerate(counts))
    return mapped(lengths, hashes=hashes)


def longest_spans() -> tuple[BlockMap, bytes]:
    """Spans as long as they may be, of a file that has nothing of them."""
    longest = (4 << 20) + (64 << 10)
    return mapped(array("I", [longest] * (MAX_RAW // longest)), packed=b"nothing")


def uneven_counts() -> tuple[BlockMap, bytes]:
    """As many blocks as there may be in the first spans, one in each of the others."""
    large = (BLOCKS - SPANS) // 1023
    counts = array("H", [1024] * large + [1] * (SPANS - large))
    counts[large] += BLOCKS - sum(counts)
    return mapped(array("I", [1] * SPANS), counts=counts)


def moved_offset() -> tuple[BlockMap, bytes]:
    """Frames that would give their blocks, of which the map says that they begin a byte later."""
    frame = zstandard.compress(bytes(BLOCKS // 1024 * BLOCK))
    lengths = array("I", [len(frame)] * 1024)
    blockmap, packed = mapped(lengths, packed=frame * 1024 + b"x")
    whole = replace(blockmap.whole, packed_length=len(packed))
    return replace(blockmap, whole=whole, start=1), packed


def last_is_another() -> tuple[BlockMap, bytes]:
    """Nothing is wrong but the very last span, which is the only one to fetch."""
    return mapped(array("I", [1] * SPANS), hashes=ZERO_HASH * (BLOCKS - 1) + OTHER)


LIES: dict[str, tuple[Callable[[], tuple[BlockMap, bytes]], int]] = {
    "spans of a byte": (single_bytes, FEW),
    "spans of a byte, far apart": (single_bytes_apart, FEW),
    "blocks in the first spans": (uneven_counts, FEW),
    "frames elsewhere": (moved_offset, FEW),
    "the last span": (last_is_another, FEW),
    # A server that does not send is asked for everything once.
    "spans that are not there": (longest_spans, 2 * MAX_RAW // STRETCH),
}
"""What lies, and the most requests that it may cost."""


def put_down(folder: Path, blockmap: BlockMap, packed: bytes, content: bytes) -> None:
    """Everything that the installing process needs."""
    (folder / "packed").write_bytes(packed)
    (folder / "map").write_bytes(content)
    whole = blockmap.whole
    facts = {
        "image": [whole.packed_length, {}, whole.raw_length],
        "map": [len(content), {"sha256": hashlib.sha256(content).hexdigest()}],
    }
    (folder / "facts").write_text(json.dumps(facts))
    with (folder / "partition").open("wb") as file:
        file.truncate(whole.raw_length)


def outcome(folder: Path) -> tuple[str, int]:
    """How the installation ended, and how often it asked; its memory is within its bounds."""
    run = subprocess.run(
        [sys.executable, "-c", CHILD, str(folder)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    ending, before, peak, requests = json.loads(run.stdout)
    assert peak <= MEMORY
    assert peak - before <= GROWTH
    return ending, requests


@pytest.mark.parametrize("name", LIES)
def test_a_large_lie_is_refused_in_little_memory_and_few_requests(
    tmp_path: Path, name: str
) -> None:
    make, most = LIES[name]
    blockmap, packed = make()
    content = blockmap.dump()
    assert len(content) <= limit_for(RAW)
    put_down(tmp_path, blockmap, packed, content)
    ending, requests = outcome(tmp_path)
    assert ending.startswith("REFUSED: ")
    assert 1 <= requests <= most


COUNTS = {
    "raw length": (16, 8),
    "packed length": (24, 8),
    "offset of the first span": (128, 8),
    "spans": (136, 4),
}
"""Where each stands in the header, and how long it is."""


@pytest.mark.parametrize("field", COUNTS)
@pytest.mark.parametrize("of_all", [1, 0.5, 1e-6])
def test_a_count_that_the_file_does_not_bear_out_is_refused_unasked(
    tmp_path: Path, field: str, of_all: float
) -> None:
    blockmap, packed = single_bytes()
    content = bytearray(blockmap.dump())
    place, size = COUNTS[field]
    content[place : place + size] = int((256**size - 1) * of_all).to_bytes(size, "little")
    put_down(tmp_path, blockmap, packed, bytes(content))
    ending, requests = outcome(tmp_path)
    assert ending.startswith("REFUSED: ")
    assert not requests


def test_a_map_above_its_share_is_not_even_received(tmp_path: Path) -> None:
    blockmap, packed = mapped(array("I", [1] * (SPANS + 10)))
    content = blockmap.dump()
    put_down(tmp_path, blockmap, packed, content)
    (tmp_path / "map").unlink()
    ending, requests = outcome(tmp_path)
    assert "no more than" in ending
    assert not requests


def test_an_honest_map_of_that_size_is_installed_within_the_same_bounds(tmp_path: Path) -> None:
    block = b"\x07" * BLOCK
    frame = zstandard.compress(bytes((counts_of(SPANS)[-1] - 1) * BLOCK) + block)
    blockmap, packed = mapped(
        array("I", [1] * (SPANS - 1) + [len(frame)]),
        hashes=ZERO_HASH * (BLOCKS - 1) + block_hash(block),
        packed=bytes(SPANS - 1) + frame,
    )
    digest = blake3()
    for _ in range(BLOCKS // 256 - 1):
        digest.update(bytes(1 << 20))
    digest.update(bytes((1 << 20) - BLOCK) + block)
    whole = replace(blockmap.whole, raw_blake3=digest.digest())
    blockmap = replace(blockmap, whole=whole)
    put_down(tmp_path, blockmap, packed, blockmap.dump())
    ending, requests = outcome(tmp_path)
    assert ending == "INSTALLED"
    assert requests == 1
