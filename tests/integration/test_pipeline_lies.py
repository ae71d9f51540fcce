"""Validly signed targets that lie: refused within a bound of memory and time, set by the kernel.

A map or a file that lies ends the installation; a delta that lies costs the next way, which is an
honest one here, and the image has to be right in the end.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import lzma
import os
import resource
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import zstandard
from blake3 import blake3
from lz4 import frame

from partitions.errors import DeviceError
from repo_tools.blockmaps import pack_zstd
from tests.fakes.images import chunks, image, medium, signed
from tests.fakes.published import MemorySource
from updog.blockmap import BLOCK, BlockMap, Codec, Whole, block_hash, parse
from updog.deltaformat import DeltaHeader, Kind, Record, dump_records, dump_segment
from updog.errors import TargetMismatch, UpdogError
from updog.pipeline.adaptive import Base
from updog.pipeline.delta import Delta
from updog.pipeline.engine import Offer, install
from updog.pipeline.facts import Signed, Way
from updog.pipeline.scan import hashes_of

ROOT = Path(__file__).resolve().parents[2]
RAW = image(64)
MEMORY = 192 << 20
"""Bytes of address space for the installation, threads and their stacks included."""
SECONDS = 20
"""Processor seconds for all of it; the kernel ends it there."""
BOMB = 1 << 30


def frame_that_says(size: int) -> bytes:
    """A small zstd frame whose header tells of that much content."""
    head = b"\x28\xb5\x2f\xfd\xe0" + size.to_bytes(8, "little")
    return head + (len(RAW) << 3 | 2 | 1).to_bytes(3, "little") + b"\0"


def one_span(stored: bytes, codec: Codec, blocks: int = 64) -> Offer:
    """An image of one span, told to be the blocks of `RAW`."""
    raw = (hashlib.sha256(RAW).digest(), blake3(RAW).digest())
    whole = Whole(len(RAW), *raw, len(stored), _digest(stored))
    return _offer(
        BlockMap(
            whole,
            codec,
            0,
            [len(stored)],
            [blocks],
            memoryview(block_hash(stored)),
            memoryview(hashes_of(memoryview(RAW))),
        ),
        stored,
    )


def _digest(content: bytes) -> bytes:
    return hashlib.sha256(content).digest()


def _offer(blockmap: BlockMap, packed: bytes) -> Offer:
    facts = signed(RAW, packed)
    again = parse(blockmap.dump(), "map")
    return Offer(facts, lambda: chunks(packed), MemorySource(packed), again)


def honest(folder: Path) -> tuple[BlockMap, bytes]:
    (folder / "raw").write_bytes(RAW)
    sink = io.BytesIO()
    return pack_zstd(folder / "raw", sink, level=1), sink.getvalue()


def moved_spans(folder: Path) -> Offer:
    blockmap, packed = honest(folder)
    lengths = list(blockmap.packed)
    lengths[3], lengths[4] = lengths[3] + lengths[4] - 1, 1
    return _offer(replace(blockmap, packed=lengths), packed)


def other_counts(folder: Path) -> Offer:
    blockmap, packed = honest(folder)
    counts = list(blockmap.counts)
    counts[3], counts[4] = counts[3] + 2, counts[4] - 2
    return _offer(replace(blockmap, counts=counts), packed)


def overlapping(folder: Path) -> Offer:
    blockmap, packed = honest(folder)
    lengths = list(blockmap.packed)
    lengths[-1] += 10
    return _offer(replace(blockmap, packed=lengths, start=0), packed)


def larger_than_any(folder: Path) -> Offer:
    blockmap, packed = honest(folder)
    content = bytearray(blockmap.dump())
    content[16:24] = (1 << 34).to_bytes(8, "little")
    return Offer(
        signed(RAW, packed),
        lambda: chunks(packed),
        MemorySource(packed),
        parse(bytes(content), "m"),
    )


def lz4_bomb(_folder: Path) -> Offer:
    whole = frame.compress(bytes(4 << 20), block_size=7, block_linked=False, store_size=False)
    block = whole[7:-4]
    return one_span(block[: 4 + int.from_bytes(block[:4], "little")], Codec.LZ4)


MAPS: dict[str, Callable[[Path], Offer]] = {
    "spans that lie elsewhere": moved_spans,
    "spans of other counts": other_counts,
    "spans behind the end": overlapping,
    "an image larger than its place": larger_than_any,
    "a frame that says it is huge": lambda _: one_span(frame_that_says(BOMB), Codec.ZSTD),
    "a frame that gives something else": lambda _: one_span(frame_that_says(len(RAW)), Codec.ZSTD),
    "a frame that gives more": lambda _: one_span(zstandard.compress(bytes(BOMB // 8)), Codec.ZSTD),
    "a block that gives more": lz4_bomb,
    "a block that reaches out": lambda _: one_span(b"\xff\xff\xff\x7f" + b"x" * 99, Codec.LZ4),
    "bytes that are nothing": lambda _: one_span(b"nothing at all", Codec.ZSTD),
}


def full_bomb(packed: bytes) -> Offer:
    return Offer(signed(RAW, packed), lambda: chunks(packed))


def zstd_window_bomb() -> bytes:
    parameters = zstandard.ZstdCompressionParameters.from_level(1, window_log=30)
    packer = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    return packer.compress(bytes(16 << 20)) + packer.flush()


FILES: dict[str, Callable[[], bytes]] = {
    "zstd": lambda: zstandard.compress(bytes(BOMB // 4)),
    "zstd, frame after frame": lambda: zstandard.compress(bytes(1 << 20)) * 1000,
    "zstd, window": zstd_window_bomb,
    "gzip": lambda: gzip.compress(bytes(BOMB // 8), 1),
    "xz": lambda: lzma.compress(bytes(BOMB // 16), preset=0),
    "lz4": lambda: frame.compress(bytes(BOMB // 8), block_linked=False),
    "lz4, linked": lambda: frame.compress(bytes(BOMB // 8), block_linked=True),
}


def delta_offer(folder: Path, segments: bytes) -> Offer:
    """A delta, and beside it the honest image, published whole."""
    header = DeltaHeader(len(RAW), _digest(RAW), len(RAW), _digest(RAW)).dump()
    content = header + segments
    _, packed = honest(folder)
    return Offer(
        signed(RAW, packed),
        lambda: chunks(packed),
        delta=Delta(signed(b"", content, "delta"), lambda: chunks(content)),
    )


def plan(*records: Record) -> bytes:
    return zstandard.compress(dump_records(records))


DELTAS: dict[str, Callable[[], bytes]] = {
    "a plan that says it is huge": lambda: dump_segment(frame_that_says(BOMB), b""),
    "a plan that is huge": lambda: dump_segment(zstandard.compress(bytes(BOMB // 8)), b""),
    "content that says it is huge": lambda: dump_segment(
        plan(Record(Kind.NEW, 64)), frame_that_says(BOMB)
    ),
    "content of another length": lambda: dump_segment(
        plan(Record(Kind.NEW, 64)), zstandard.compress(b"short")
    ),
    "more blocks than the image has": lambda: dump_segment(plan(Record(Kind.ZERO, 1 << 31)), b""),
    "copies from behind the base": lambda: dump_segment(plan(Record(Kind.COPY, 64, 1)), b""),
    "segments without end": lambda: dump_segment(plan(Record(Kind.PREFIX, 1, 0)), b"") * 1000,
    "another image": lambda: dump_segment(plan(Record(Kind.ZERO, 64)), b""),
}


def case(folder: Path, kind: str, name: str) -> tuple[Offer, Way]:
    """What is offered, and the way that it lies to."""
    if kind == "map":
        return MAPS[name](folder), Way.ADAPTIVE
    if kind == "file":
        return full_bomb(FILES[name]()), Way.FULL
    return delta_offer(folder, DELTAS[name]()), Way.DELTA


def ending(folder: Path, kind: str, name: str) -> str:
    """Install it under the bounds; returns the error, or why a way was left for the next one."""
    try:
        offer, way = case(folder, kind, name)
    except TargetMismatch as error:
        return f"REFUSED: {error}"
    disk, active = folder / "disk", folder / "active"
    disk.write_bytes(b"\xee" * len(RAW))
    active.write_bytes(RAW[::-1])
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY, used + MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
    left: list[str] = []
    try:
        with medium(disk) as target, medium(active) as base:
            install(
                offer,
                target,
                Base(base),
                [way],
                changed=lambda way, why: left.append(f"LEFT {way}: {why}"),
            )
    except (UpdogError, DeviceError) as error:
        return f"REFUSED: {error}"
    assert disk.read_bytes() == RAW
    return left[0] if left else "INSTALLED"


CASES = [
    (kind, name)
    for kind, names in (("map", MAPS), ("file", FILES), ("delta", DELTAS))
    for name in names
]


@pytest.mark.parametrize(("kind", "name"), CASES, ids=lambda text: text)
def test_a_lie_is_refused_within_its_bounds(tmp_path: Path, kind: str, name: str) -> None:
    code = (
        "import sys; from pathlib import Path;"
        "from tests.integration.test_pipeline_lies import ending;"
        "print(ending(Path(sys.argv[1]), *sys.argv[2:]))"
    )
    run = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path), kind, name],
        cwd=ROOT,
        # Without it the C library sets 64 MiB of addresses aside for each thread, and uses none.
        env={**os.environ, "MALLOC_ARENA_MAX": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=10 * SECONDS,
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout.startswith("LEFT delta: " if kind == "delta" else "REFUSED: ")


def test_the_honest_one_is_installed_within_the_same_bounds(tmp_path: Path) -> None:
    blockmap, packed = honest(tmp_path)
    offer = _offer(blockmap, packed)
    disk = tmp_path / "disk"
    disk.write_bytes(bytes(len(RAW) + BLOCK))
    with medium(disk) as target:
        done = install(offer, target, None, [Way.ADAPTIVE])
    assert done.way is Way.ADAPTIVE
    assert isinstance(offer.signed, Signed)
