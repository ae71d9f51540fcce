"""One installation by our pipeline, as a process of its own, so that its memory can be measured.

    python -m benchmarks.pipeline_child WAY URL NAME DEVICE BASE KEPT

WAY is full, map, adaptive or delta; with ``+fast`` behind it, without reading back. BASE is a
device or ``-``; KEPT is the folder where its hashes were kept (`keep`) or ``-``.
"""

from __future__ import annotations

import gc

from updog.lean import START_UP_OBJECTS

# As the process of the command begins, before it loads anything else.
gc.set_threshold(START_UP_OBJECTS)

# ruff: noqa: E402
import json
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import asdict
from functools import partial
from pathlib import Path

from partitions.blockio import Access, Extent
from partitions.device import open_device
from updog import kept
from updog.blockmap import BlockMap, parse
from updog.fetch import HttpFetcher
from updog.pipeline import adaptive, delta, full
from updog.pipeline.direct import Medium, open_medium
from updog.pipeline.facts import Done, ReadBack, Signed
from updog.pipeline.httpranges import HttpRanges
from updog.pipeline.scratch import check_map_length, receive_signed
from updog.wire import FetchSettings

_PLACE = ("A", "root")


class Run:
    """What one run shares."""

    def __init__(self, url: str, name: str, facts: dict[str, dict[str, object]]) -> None:
        self.fetcher = HttpFetcher(FetchSettings())
        self.url = url
        self.name = name
        self.facts = facts

    def signed(self, name: str) -> Signed:
        """The facts of one file."""
        told = self.facts[name]
        return Signed(
            name,
            int(str(told["length"])),
            {"sha256": str(told["sha256"])},
            int(str(told["raw_length"])),
            str(told["raw_sha256"]),
            str(told["raw_blake3"]),
        )

    def receive(self, name: str) -> Iterator[bytes]:
        """Begin to receive one file."""
        yield from self.fetcher.open(f"{self.url}/{name}")

    def blockmap(self) -> BlockMap:
        """The map of the image, verified."""
        name = f"{self.name}.blockmap"
        signed = self.signed(name)
        check_map_length(signed, signed.raw_length)
        return parse(receive_signed(signed, lambda: self.receive(name)), name)

    def source(self) -> HttpRanges:
        """The image in ranges."""
        return HttpRanges(partial(self.fetcher.ask, f"{self.url}/{self.name}"), self.name)


def main() -> None:
    """Install once and print what moved, as JSON."""
    way, url, name, device, base, folder = sys.argv[1:]
    way, _, fast = way.partition("+")
    read_back = ReadBack.NEVER if fast else ReadBack.ALWAYS
    facts = HttpFetcher(FetchSettings()).get(f"{url}/facts.json", max_bytes=1 << 20)
    run = Run(url, name, json.loads(facts))
    with ExitStack() as stack:
        target = _medium(stack, device, Access.WRITE)
        active = _medium(stack, base, Access.READ) if base != "-" else None
        done = install(run, way, target, (active, folder), read_back)
    print(json.dumps(asdict(done.moved) | {"peak": _peak()}))


def install(
    run: Run, way: str, target: Medium, base: tuple[Medium | None, str], read_back: ReadBack
) -> Done:
    """Install by one way."""
    signed = run.signed(run.name)
    active, folder = base
    if way == "full":
        return full.install(signed, lambda: run.receive(run.name), target, read_back=read_back)
    if way == "delta" and active is not None:
        name = f"{run.name}.delta"
        found = delta.Delta(run.signed(name), lambda: run.receive(name))
        return delta.install(signed, found, active, target, read_back=read_back)
    blockmap = run.blockmap()
    hashes = kept.recall(Path(folder), *_PLACE) if folder != "-" else None
    place = adaptive.Base(active, hashes) if active is not None else None
    return adaptive.install(signed, blockmap, run.source(), target, base=place, read_back=read_back)


def keep(folder: Path, blockmap: BlockMap) -> None:
    """Keep the hashes of an image as its installation would, for a run that has it as its base."""
    kept.remember(folder, *_PLACE, blockmap.hashes)


def _peak() -> int:
    """The most bytes of memory that this program had.

    The figure of ``getrusage`` begins with what the parent had when it started us.
    """
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) << 10


def _medium(stack: ExitStack, path: str, access: Access) -> Medium:
    extent = Extent(Path(path))
    io = stack.enter_context(open_device(extent, access))
    return stack.enter_context(open_medium(io, extent, access))


if __name__ == "__main__":
    main()
