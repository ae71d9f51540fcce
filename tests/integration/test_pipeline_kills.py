"""Runs that are killed at any moment: the next one goes on with what is on the partition.

Two counts are kept: what a run took from its sockets, and what left the server for it. Between them
are the kernel's buffers, which are full only where the server is faster than the client's disk, and
which no client can take along.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import pytest

from tests.fakes.images import changed, image, medium
from tests.fakes.published import Published, as_zstd
from tests.fakes.rangeserver import Served, serving
from updog.pipeline.columns import Slices
from updog.pipeline.scan import scan_all
from updog.pipeline.survey import survey

ROOT = Path(__file__).resolve().parents[2]
TWICE = 1 << 20
"""Bytes that may be fetched again after a kill."""
SHARE_THAT_FINISHES = 0.15

CHILD = """
import mmap, os, sys
from pathlib import Path
from partitions.blockio import Access
from tests.fakes.images import medium, signed
from updog.blockmap import parse
from updog.pipeline.adaptive import Base
from updog.pipeline.engine import Offer, install
from updog.pipeline.facts import Signed, Way
from updog.pipeline.httpranges import HttpRanges
from updog.pipeline.scratch import receive_signed
from updog.requestswire import RequestsWire
from updog.wire import FetchSettings

folder, url = Path(sys.argv[1]), sys.argv[2]
facts = signed((folder / "raw").read_bytes(), (folder / "packed").read_bytes())
content = (folder / "map").read_bytes()

def run():
    wire = RequestsWire(FetchSettings())
    source = HttpRanges(lambda ranges: wire.ask(url, {"Range": ranges}), "image")
    with (folder / "received").open("r+b") as file:
        board = mmap.mmap(file.fileno(), 8)

    def report(moved):
        board[:8] = moved.received.to_bytes(8, "little")

    print(os.getpid(), flush=True)
    blockmap = parse(receive_signed(signed(b"", content), lambda: [content]), "map")
    offer = Offer(facts, lambda: [], source, blockmap)
    with medium(folder / "partition") as target, medium(folder / "old", Access.READ) as old:
        done = install(offer, target, Base(old), [Way.ADAPTIVE], report=report)
    print(done.read_back, flush=True)

for _ in sys.stdin:
    process = os.fork()
    if not process:
        run()
        os._exit(0)
    os.waitid(os.P_PID, process, os.WEXITED | os.WNOWAIT)
    print("over", flush=True)
    # Whoever reads that may be about to kill: until then, the number is nobody else's.
    sys.stdin.readline()
    os.waitpid(process, 0)
"""
"""Starts a run, in a process of its own, for every other line; in between it says how it ended.

A process that begins anew would load everything again for each run.
"""


class Run:
    """A run that has just begun."""

    def __init__(self, starter: subprocess.Popen[str]) -> None:
        assert starter.stdin is not None
        assert starter.stdout is not None
        self._told = starter.stdout
        self._orders = starter.stdin
        self._order()
        self._process = int(self._told.readline())

    def end(self) -> str:
        """Wait for its end; returns what it printed."""
        told = "".join(iter(self._told.readline, "over\n"))
        self._order()
        return told

    def kill(self) -> None:
        os.kill(self._process, signal.SIGKILL)
        self.end()

    def _order(self) -> None:
        self._orders.write("\n")
        self._orders.flush()


@dataclass
class Stand:
    """A machine that is updated again and again.

    Attributes:
        folder: holds its partitions.
        new: what it updates to.
        served: where that comes from.
        old: the hashes of the active partition.
        starter: starts runs.
    """

    folder: Path
    new: Published
    served: Served
    old: Slices
    starter: subprocess.Popen[str]

    @property
    def partition(self) -> Path:
        return self.folder / "partition"

    def reset(self) -> None:
        self.partition.write_bytes(b"\xee" * len(self.new.raw))

    def run(self) -> Run:
        self.folder.joinpath("received").write_bytes(bytes(8))
        return Run(self.starter)

    def finish(self) -> float:
        """Let a run go to its end; returns its seconds."""
        run = self.run()
        start = time.perf_counter()
        told = run.end()
        assert told.strip() == self.new.signed.raw_sha256
        assert self.partition.read_bytes() == self.new.raw
        return time.perf_counter() - start

    def killed_after(self, seconds: float) -> None:
        run = self.run()
        time.sleep(seconds)
        run.kill()

    def received(self) -> int:
        """Bytes that the last run took from its sockets."""
        return int.from_bytes(self.folder.joinpath("received").read_bytes(), "little")

    def sent(self) -> int:
        """Bytes that left the server, when no more do."""
        before = -1
        while before != (before := self.served.sent):
            time.sleep(0.02)
        return before

    def wanted(self) -> int:
        """Bytes that a run would fetch now."""
        with medium(self.partition) as target:
            return survey(self.new.blockmap, target, self.old).fetched


@contextmanager
def stand(folder: Path, blocks: int) -> Iterator[Stand]:
    old = image(blocks, seed=8)
    new = as_zstd(folder, changed(old, share=0.45), [old])
    contents = {"old": old, "raw": new.raw, "packed": new.packed, "map": new.blockmap.dump()}
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    with medium(folder / "old") as active:
        hashes = scan_all(active, active.size)
    with serving(Served(new.packed)) as served, starting(folder, served) as starter:
        found = Stand(folder, new, served, hashes, starter)
        found.reset()
        yield found


@contextmanager
def starting(folder: Path, served: Served) -> Iterator[subprocess.Popen[str]]:
    """What starts runs."""
    command = [sys.executable, "-c", CHILD, str(folder), served.url]
    with subprocess.Popen(
        command, cwd=ROOT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as starter:
        try:
            yield starter
        finally:
            starter.kill()


@dataclass
class Waste:
    """Bytes that come again because of kills, one number for each.

    Attributes:
        taken: from the sockets.
        sent: by the server.
    """

    taken: list[int] = field(default_factory=list)
    sent: list[int] = field(default_factory=list)


def waste_of_kills(stand: Stand, kills: int, random: Random) -> Waste:
    """Kill run after run at any moment."""
    stand.finish()
    stand.reset()
    usual = stand.finish()
    stand.reset()
    waste = Waste()
    in_the_middle = 0
    wanted = everything = stand.wanted()
    while len(waste.sent) < kills:
        sent = stand.sent()
        stand.killed_after(random.random() * usual)
        left = stand.wanted()
        waste.taken.append(stand.received() + left - wanted)
        waste.sent.append(stand.sent() - sent + left - wanted)
        in_the_middle += 0 < left < wanted
        if not left or random.random() < SHARE_THAT_FINISHES:
            stand.finish()
            stand.reset()
            left = everything
        wanted = left
    stand.finish()
    assert in_the_middle
    return waste


def check(waste: Waste) -> None:
    assert max(waste.taken) <= TWICE, sorted(waste.taken)
    assert sum(waste.sent) / len(waste.sent) <= TWICE, sorted(waste.sent)


def test_a_killed_run_is_gone_on_with(tmp_path: Path) -> None:
    with stand(tmp_path, 4000) as found:
        check(waste_of_kills(found, 12, Random(5)))


@pytest.mark.slow(seconds=60)
def test_two_hundred_kills_cost_little_each(tmp_path: Path) -> None:
    with stand(tmp_path, 8000) as found:
        check(waste_of_kills(found, 200, Random(6)))
