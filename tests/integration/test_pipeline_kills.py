"""Runs that are killed at any moment: the next one goes on with what is on the partition.

Two counts are kept: what a run took from its sockets, and what left the server for it. Between them
are the kernel's buffers, which are full only where the server is faster than the client's disk, and
which no client can take along.

A whole file and a delta are streams: there the next run begins anew, and only the end is looked at.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import pytest
from lz4.frame import BLOCKSIZE_MAX256KB

from repo_tools.deltas import write_delta
from tests.fakes.images import changed, image, medium
from tests.fakes.killable import Board, Phase
from tests.fakes.published import Published, as_lz4, as_zstd
from tests.fakes.rangeserver import Served, serving
from updog.pipeline.columns import Slices
from updog.pipeline.facts import Way
from updog.pipeline.scan import scan_all
from updog.pipeline.survey import survey

ROOT = Path(__file__).resolve().parents[2]
TWICE = 1 << 20
"""Bytes that may be fetched again after a kill."""
SHARE_THAT_FINISHES = 0.15

CONNECTIONS = 2
KILLS = {"zstd": 110, "lz4": 90}
"""200 in all of runs that go by a map."""
RESTARTS = 15


def socket_buffers() -> int:
    """Bytes that the kernel may hold between the server and the client, on all connections.

    The server asks for 64 KiB on its side, of which the kernel makes twice as much; the client's
    side grows by itself up to what is set for the machine.
    """
    most = int(Path("/proc/sys/net/ipv4/tcp_rmem").read_text().split()[2])
    return CONNECTIONS * (2 * (64 << 10) + most)


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
        board: where the last one said what it was at.
        way: of all of them.
    """

    folder: Path
    new: Published
    served: Served
    old: Slices
    starter: subprocess.Popen[str]
    board: Board
    way: Way

    @property
    def partition(self) -> Path:
        return self.folder / "partition"

    def reset(self) -> None:
        self.partition.write_bytes(b"\xee" * len(self.new.raw))

    def run(self) -> Run:
        self.board.clear()
        return Run(self.starter)

    def finish(self) -> float:
        """Let a run go to its end; returns its seconds."""
        run = self.run()
        start = time.perf_counter()
        told = run.end()
        assert told.split() == [self.way, str(self.new.blockmap.raw_digest)]
        assert self.partition.read_bytes() == self.new.raw
        return time.perf_counter() - start

    def killed_after(self, seconds: float, at: Phase = Phase.OTHER, latest: float = 0) -> None:
        """Kill a run then; or, to hit a phase, in that one, and at `latest` after then."""
        run = self.run()
        time.sleep(seconds)
        end = time.perf_counter() + (latest if at else 0)
        while at not in self.board.phases and time.perf_counter() < end:
            pass
        run.kill()

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
def stand(folder: Path, blocks: int, kind: str, way: Way = Way.ADAPTIVE) -> Iterator[Stand]:
    old = image(blocks, seed=8)
    raw = changed(old, share=0.45)
    new = as_zstd(folder, raw, [old]) if kind == "zstd" else as_lz4(folder, raw, BLOCKSIZE_MAX256KB)
    contents = {"old": old, "raw": new.raw, "packed": new.packed, "map": new.blockmap.dump()}
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    with (folder / "delta").open("wb") as sink:
        if way is Way.DELTA:
            write_delta(folder / "raw", folder / "old", sink, level=1)
    published = folder / ("delta" if way is Way.DELTA else "packed")
    with medium(folder / "old") as active:
        hashes = scan_all(active, active.size)
    board = Board.create(folder / "board")
    with (
        serving(Served(published.read_bytes())) as served,
        starting(folder, served, way) as starter,
    ):
        found = Stand(folder, new, served, hashes, starter, board, way)
        found.reset()
        yield found


@contextmanager
def starting(folder: Path, served: Served, way: Way) -> Iterator[subprocess.Popen[str]]:
    """What starts runs."""
    code = "from tests.fakes.killable import main; main()"
    command = [sys.executable, "-c", code, str(folder), served.url, way]
    with subprocess.Popen(
        command, cwd=ROOT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as starter:
        try:
            yield starter
        finally:
            starter.kill()


@dataclass
class Waste:
    """Bytes that come again because of kills, one number for each, and what each of them hit.

    Attributes:
        taken: from the sockets.
        sent: by the server.
        hit: how many kills met a thread in that phase.
    """

    taken: list[int] = field(default_factory=list)
    sent: list[int] = field(default_factory=list)
    hit: Counter[Phase] = field(default_factory=Counter)


def waste_of_kills(stand: Stand, kills: int, random: Random) -> Waste:
    """Kill run after run at any moment, and at any moment of each phase."""
    stand.finish()
    stand.reset()
    usual = stand.finish()
    stand.reset()
    waste = Waste()
    in_the_middle = 0
    wanted = everything = stand.wanted()
    while len(waste.sent) < kills:
        sent = stand.sent()
        stand.killed_after(random.random() * usual, random.choice(list(Phase)), latest=usual / 2)
        left = stand.wanted()
        waste.hit.update(stand.board.phases)
        waste.taken.append(stand.board.received + left - wanted)
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
    assert max(waste.sent) <= TWICE + socket_buffers(), sorted(waste.sent)
    assert sum(waste.sent) / len(waste.sent) <= TWICE, sorted(waste.sent)


@pytest.mark.parametrize("kind", KILLS)
def test_a_killed_run_is_gone_on_with(tmp_path: Path, kind: str) -> None:
    with stand(tmp_path, 4000, kind) as found:
        check(waste_of_kills(found, 8, Random(5)))


@pytest.mark.slow(seconds=60)
@pytest.mark.parametrize("kind", KILLS)
def test_two_hundred_kills_in_every_phase_cost_little_each(tmp_path: Path, kind: str) -> None:
    with stand(tmp_path, 8000, kind) as found:
        waste = waste_of_kills(found, KILLS[kind], Random(6))
    check(waste)
    assert set(waste.hit) == set(Phase) - {Phase.OTHER}


@pytest.mark.slow(seconds=15)
@pytest.mark.parametrize("way", [Way.FULL, Way.DELTA])
def test_a_stream_that_was_killed_begins_anew_and_ends_right(tmp_path: Path, way: Way) -> None:
    random = Random(7)
    with stand(tmp_path, 8000, "lz4", way) as found:
        found.finish()
        usual = found.finish()
        found.reset()
        for number in range(RESTARTS):
            found.killed_after(random.random() * usual)
            if number % 3 == 2:
                found.finish()
                found.reset()
