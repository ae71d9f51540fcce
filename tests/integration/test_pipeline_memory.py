"""Peak memory of a whole installation, as a process of its own, for images of any size."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random

import pytest

from repo_tools.deltas import write_delta
from tests.fakes.large_images import MIB, as_lz4, as_zstd, digest
from tests.fakes.nginx import Site, free_port, nginx
from updog import kept
from updog.blockmap import BLOCK, BlockMap
from updog.pipeline.facts import Way
from updog.pipeline.scan import hashes_of

ROOT = Path(__file__).resolve().parents[2]
SIZES = (256, 1024, 4096)
LIMIT = 64 * MIB
SPREAD = 2 * MIB
MOVED = bytes(3 * BLOCK)

CHILD = """
import json, sys
from contextlib import ExitStack
from pathlib import Path
from partitions.blockio import Access
from tests.fakes.images import medium
from updog import kept
from updog.blockmap import parse
from updog.pipeline.adaptive import Base
from updog.pipeline.delta import Delta
from updog.pipeline.engine import Offer, install
from updog.pipeline.facts import Signed, Way
from updog.pipeline.httpranges import HttpRanges
from updog.pipeline.scratch import receive_signed
from updog.requestswire import RequestsWire
from updog.wire import FetchSettings

folder, url, way, based, remembered = Path(sys.argv[1]), *sys.argv[2:]
facts = json.loads((folder / "facts").read_text())
wire = RequestsWire(FetchSettings())

def receive(name):
    answer = wire.ask(f"{url}/{name}", {})
    while chunk := answer.read1(1 << 18):
        yield chunk

def signed(name):
    return Signed(name, *facts[name])

source = HttpRanges(lambda r: wire.ask(f"{url}/packed", {"Range": r}), "image")
with ExitStack() as stack:
    blockmap = delta = base = None
    if way == "adaptive":
        blockmap = parse(receive_signed(signed("map"), lambda: receive("map")), "map")
    if way == "delta":
        delta = Delta(signed("delta"), lambda: receive("delta"))
    offer = Offer(signed("packed"), lambda: receive("packed"), source, blockmap, delta)
    if based:
        hashes = kept.recall(folder / "kept", "A", "root") if remembered else None
        base = Base(stack.enter_context(medium(folder / "old", Access.READ)), hashes)
    target = stack.enter_context(medium(folder / "partition"))
    done = install(offer, target, base, [Way(way)])
assert done.way == way, done
status = Path("/proc/self/status").read_text()
peak = next(line for line in status.splitlines() if line.startswith("VmHWM"))
print(int(peak.split()[1]) * 1024, done.moved.copied)
"""


@dataclass(frozen=True, slots=True)
class Row:
    """One way to install."""

    name: str
    way: Way
    based: bool = False
    remembered: bool = False


STREAM = Row("stream", Way.FULL)
BY_MAP = Row("by its map", Way.ADAPTIVE)
SCANNED = Row("beside a scanned base", Way.ADAPTIVE, based=True)
KEPT = Row("beside a known base", Way.ADAPTIVE, based=True, remembered=True)
DELTA = Row("by a delta", Way.DELTA, based=True)


def pieces(size: int, seed: int, *, other_tenth: bool = False) -> Iterator[bytes]:
    """MiBs of an image: half of each block is noise; on demand every tenth MiB is another."""
    for number in range(size):
        old = other_tenth and number % 10 == 5
        noise = Random(f"{seed} {number} {old}").randbytes(MIB // 2)
        filler = b"half of this block " * 108
        yield b"".join(
            noise[at : at + BLOCK // 2] + filler[: BLOCK // 2]
            for at in range(0, len(noise), BLOCK // 2)
        )


def publish(
    folder: Path, size: int, pack: Callable[[Path, Path], BlockMap], rows: tuple[Row, ...]
) -> None:
    """The image, its map, and a delta from what runs, if that is wanted."""
    folder.mkdir()
    raw, packed = folder / "raw", folder / "packed"
    with raw.open("wb") as file:
        file.writelines(pieces(size, 7))
    blockmap = pack(raw, packed)
    (folder / "map").write_bytes(blockmap.dump())
    if any(row.based for row in rows):
        run_here_before(folder, size)
    if DELTA in rows:
        with (folder / "delta").open("wb") as sink:
            write_delta(raw, folder / "old", sink, level=1)
    raw.unlink()
    whole = blockmap.whole
    raw_facts = [whole.raw_length, whole.raw_sha256.hex(), whole.raw_blake3.hex()]
    facts = {
        path.name: [path.stat().st_size, {"sha256": digest(path)}]
        for path in folder.iterdir()
        if path.name in {"map", "delta", "packed"}
    }
    facts["packed"] += raw_facts
    (folder / "facts").write_text(json.dumps(facts))


def run_here_before(folder: Path, size: int) -> None:
    """The active partition: most of the image, moved, and the hashes kept of it."""
    hashes = bytearray(hashes_of(memoryview(MOVED)))
    with (folder / "old").open("wb") as file:
        file.write(MOVED)
        for piece in pieces(size, 7, other_tenth=True):
            file.write(piece)
            hashes += hashes_of(memoryview(piece))
    kept.remember(folder / "kept", "A", "root", memoryview(hashes))


def peak_of(folder: Path, size: int, row: Row) -> int:
    """Bytes of memory at the most."""
    with (folder / "partition").open("wb") as file:
        file.truncate(size * MIB)
    address = f"127.0.0.1:{free_port()}"
    flags = ["yes" if flag else "" for flag in (row.based, row.remembered)]
    command = [sys.executable, "-c", CHILD, str(folder), f"http://{address}", row.way, *flags]
    with nginx(folder / "nginx", Site(folder), address):
        run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    (folder / "partition").unlink()
    assert not run.returncode, run.stderr
    peak, copied = map(int, run.stdout.split())
    assert bool(copied) == row.based
    return peak


@pytest.mark.slow(seconds=200)
@pytest.mark.parametrize(
    ("pack", "rows"),
    [
        pytest.param(as_zstd, (STREAM, BY_MAP, SCANNED, KEPT), id="zstd"),
        pytest.param(as_lz4, (STREAM, BY_MAP, KEPT), id="lz4"),
        pytest.param(as_lz4, (DELTA,), id="delta"),
    ],
)
def test_memory_does_not_depend_on_the_image(
    tmp_path: Path, pack: Callable[[Path, Path], BlockMap], rows: tuple[Row, ...]
) -> None:
    peaks: dict[str, list[int]] = {row.name: [] for row in rows}
    for size in SIZES:
        folder = tmp_path / str(size)
        publish(folder, size, pack, rows)
        for row in rows:
            # Stages may happen to meet so that more is held at once: the least of three is needed.
            peaks[row.name].append(min(peak_of(folder, size, row) for _ in range(3)))
        shutil.rmtree(folder)
    for each in peaks.values():
        assert max(each) <= LIMIT, peaks
        assert max(each) - min(each) <= SPREAD, peaks
