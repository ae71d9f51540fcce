"""Peak memory of a whole installation, as a process of its own, for images of any size."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from repo_tools.blockmaps import pack_zstd
from tests.fakes.nginx import Site, free_port, nginx
from updog.blockmap import BLOCK, BlockMap, Codec, Whole
from updog.pipeline.facts import Way
from updog.pipeline.scan import hashes_of

ROOT = Path(__file__).resolve().parents[2]
MIB = 1 << 20
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
from updog.pipeline.adaptive import Base
from updog.pipeline.engine import Offer, install
from updog.pipeline.facts import Signed, Way
from updog.pipeline.httpranges import HttpRanges
from updog.pipeline.scratch import kept_hashes, receive_map
from updog.requestswire import RequestsWire
from updog.wire import FetchSettings

folder, url, way, old, kept = Path(sys.argv[1]), *sys.argv[2:]
facts = json.loads((folder / "facts").read_text())
wire = RequestsWire(FetchSettings())

def receive(name):
    answer = wire.ask(f"{url}/{name}", {})
    while chunk := answer.read1(1 << 18):
        yield chunk

signed = Signed("image", *facts["image"])
source = HttpRanges(lambda r: wire.ask(f"{url}/packed", {"Range": r}), "image")
with ExitStack() as stack:
    blockmap = None
    if way == "adaptive":
        blockmap = receive_map(Signed("map", *facts["map"]), lambda: receive("map"))
    offer = Offer(signed, lambda: receive("packed"), source, blockmap)
    base = None
    if old:
        hashes = kept_hashes(Path(kept)) if kept else None
        base = Base(stack.enter_context(medium(Path(old), Access.READ)), hashes)
    target = stack.enter_context(medium(folder / "partition"))
    done = install(offer, target, base, [Way(way)])
assert done.way == way
status = Path("/proc/self/status").read_text()
peak = next(line for line in status.splitlines() if line.startswith("VmHWM"))
print(int(peak.split()[1]) * 1024, done.moved.copied)
"""


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


def publish(folder: Path, size: int) -> None:
    folder.mkdir()
    raw = folder / "raw"
    with raw.open("wb") as file:
        file.writelines(pieces(size, 7))
    with (folder / "packed").open("wb") as sink:
        blockmap = pack_zstd(raw, sink, level=1)
    (folder / "map").write_bytes(blockmap.dump())
    raw.unlink()
    whole = blockmap.whole
    signed_map = hashlib.sha256((folder / "map").read_bytes()).hexdigest()
    facts = {
        "image": [
            whole.packed_length,
            {"sha256": whole.packed_sha256.hex()},
            whole.raw_length,
            whole.raw_sha256.hex(),
        ],
        "map": [(folder / "map").stat().st_size, {"sha256": signed_map}],
    }
    (folder / "facts").write_text(json.dumps(facts))


def run_here_before(folder: Path, size: int) -> None:
    """The active partition: most of the image, moved, and the map kept of it."""
    hashes = bytearray(hashes_of(memoryview(MOVED)))
    with (folder / "old").open("wb") as file:
        file.write(MOVED)
        for piece in pieces(size, 7, other_tenth=True):
            file.write(piece)
            hashes += hashes_of(memoryview(piece))
    length = size * MIB + len(MOVED)
    spans = length // BLOCK
    kept = BlockMap(
        Whole(length, bytes(32), length, bytes(32)),
        Codec.NONE,
        0,
        [BLOCK] * spans,
        [1] * spans,
        memoryview(bytes(8 * spans)),
        memoryview(hashes),
    )
    (folder / "kept").write_bytes(kept.dump())


def peak_of(folder: Path, size: int, way: Way, old: str = "", kept: str = "") -> int:
    """Bytes of memory at the most."""
    with (folder / "partition").open("wb") as file:
        file.truncate(size * MIB)
    address = f"127.0.0.1:{free_port()}"
    names = [str(folder / name) if name else "" for name in (old, kept)]
    command = [sys.executable, "-c", CHILD, str(folder), f"http://{address}", way.value, *names]
    with nginx(folder / "nginx", Site(folder), address):
        run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    peak, copied = map(int, run.stdout.split())
    assert bool(copied) == bool(old)
    return peak


@pytest.mark.slow(seconds=120)
def test_memory_does_not_depend_on_the_image(tmp_path: Path) -> None:
    peaks: dict[str, list[int]] = {}
    for size in SIZES:
        folder = tmp_path / str(size)
        publish(folder, size)
        run_here_before(folder, size)
        for name, way, old, kept in (
            ("full", Way.FULL, "", ""),
            ("map", Way.ADAPTIVE, "", ""),
            ("scanned", Way.ADAPTIVE, "old", ""),
            ("kept", Way.ADAPTIVE, "old", "kept"),
        ):
            # Stages may happen to meet so that more is held at once: the lesser of two is needed.
            found = min(peak_of(folder, size, way, old, kept) for _ in range(2))
            peaks.setdefault(name, []).append(found)
        shutil.rmtree(folder)
    for each in peaks.values():
        assert max(each) <= LIMIT, peaks
        assert max(each) - min(each) <= SPREAD, peaks
