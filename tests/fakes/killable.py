"""Runs of an installation that say at every moment what they are at, so that kills can be counted.

What a run says stands in memory that it shares with whoever kills it, and outlives it there.
"""

from __future__ import annotations

import mmap
import os
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from enum import IntEnum
from pathlib import Path

from partitions.blockio import Access
from tests.fakes.images import medium, signed
from updog.blockmap import parse
from updog.pipeline.adaptive import Base
from updog.pipeline.delta import Delta
from updog.pipeline.direct import Medium
from updog.pipeline.engine import Offer, install
from updog.pipeline.facts import Moved, Way
from updog.pipeline.httpranges import HttpRanges
from updog.pipeline.multipart import Piece
from updog.pipeline.ranges import Range
from updog.pipeline.scratch import receive_signed
from updog.pipeline.source import Guarded
from updog.requestswire import RequestsWire
from updog.wire import FetchSettings

_NUMBER = 8
_READER = "read-back"
_THREADS = ("fetch-0", "fetch-1", "copy-0", "copy-1", "zeros", _READER)


class Phase(IntEnum):
    """What a thread is at."""

    OTHER = 0
    DOWNLOAD = 1
    DECODE = 2
    """Cutting, checking and decoding what came."""
    WRITE = 3
    READ_BACK = 4


class Board:
    """What a run has received, and what each of its threads that count is at.

    Args:
        path: a file; what it holds is what was said last.
    """

    def __init__(self, path: Path) -> None:
        with path.open("r+b") as file:
            self._memory = mmap.mmap(file.fileno(), _NUMBER + len(_THREADS))

    def clear(self) -> None:
        self._memory[:] = bytes(len(self._memory))

    def count(self, moved: Moved) -> None:
        self._memory[:_NUMBER] = moved.received.to_bytes(_NUMBER, "little")

    @property
    def received(self) -> int:
        return int.from_bytes(self._memory[:_NUMBER], "little")

    @property
    def phases(self) -> set[Phase]:
        return {Phase(said) for said in self._memory[_NUMBER:]} - {Phase.OTHER}

    def say(self, phase: Phase) -> Phase:
        """Tell what this thread is at; returns what it was at."""
        name = threading.current_thread().name
        if name not in _THREADS:
            return Phase.OTHER
        place = _NUMBER + _THREADS.index(name)
        before, self._memory[place] = Phase(self._memory[place]), phase
        return before

    @contextmanager
    def during(self, phase: Phase) -> Iterator[None]:
        before = self.say(phase)
        try:
            yield
        finally:
            self.say(before)

    @staticmethod
    def create(path: Path) -> Board:
        path.write_bytes(bytes(_NUMBER + len(_THREADS)))
        return Board(path)


class WatchedMedium:
    """A medium of which the board is told."""

    def __init__(self, inner: Medium, board: Board) -> None:
        self.size = inner.size
        self.past_cache = inner.past_cache
        self.flush = inner.flush
        self._inner = inner
        self._board = board

    def write(self, offset: int, data: memoryview) -> None:
        with self._board.during(Phase.WRITE):
            self._inner.write(offset, data)

    def read(self, offset: int, length: int, buffer: memoryview) -> memoryview:
        reader = threading.current_thread().name == _READER
        with self._board.during(Phase.READ_BACK if reader else Phase.OTHER):
            return self._inner.read(offset, length, buffer)


class WatchedSource(Guarded):
    """A source of which the board is told."""

    def __init__(self, inner: HttpRanges, board: Board) -> None:
        super().__init__(inner, lambda: None)
        self._board = board

    def fetch(self, wanted: Sequence[Range]) -> Iterator[Piece]:
        pieces = super().fetch(wanted)
        try:
            self._board.say(Phase.DOWNLOAD)
            for piece in pieces:
                self._board.say(Phase.DECODE)
                yield piece
                self._board.say(Phase.DOWNLOAD)
        finally:
            self._board.say(Phase.OTHER)


class Runner:
    """Installs what a folder holds and a server has.

    Args:
        folder: with the partitions and the signed facts.
        url: of the published file, or of the delta.
        way: to install by.
    """

    def __init__(self, folder: Path, url: str, way: Way) -> None:
        self._folder = folder
        self._url = url
        self._way = way
        contents = {
            name: (folder / name).read_bytes() for name in ("raw", "packed", "map", "delta")
        }
        self._facts = signed(contents["raw"], contents["packed"])
        self._map = contents["map"]
        self._delta = signed(b"", contents["delta"], "delta")

    def run(self) -> None:
        """Install, and say what was read back."""
        board = Board(self._folder / "board")
        wire = RequestsWire(FetchSettings())

        def receive() -> Iterator[bytes]:
            answer = wire.ask(self._url, {})
            while chunk := answer.read1(1 << 18):
                yield chunk

        source = HttpRanges(lambda ranges: wire.ask(self._url, {"Range": ranges}), "image")
        _tell(str(os.getpid()))
        offer = self._offer(WatchedSource(source, board), receive)
        with (
            medium(self._folder / "partition") as target,
            medium(self._folder / "old", Access.READ) as old,
        ):
            watched = WatchedMedium(target, board)
            done = install(offer, watched, Base(old), [self._way], report=board.count)
        _tell(f"{done.way} {done.read_back}")

    def _offer(self, source: WatchedSource, receive: Callable[[], Iterator[bytes]]) -> Offer:
        if self._way is Way.DELTA:
            return Offer(self._facts, list, delta=Delta(self._delta, receive))
        if self._way is Way.FULL:
            return Offer(self._facts, receive)
        kept = receive_signed(signed(b"", self._map), lambda: [self._map])
        return Offer(self._facts, list, source, parse(kept, "map"))


def _tell(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main() -> None:
    """Start a run, in a process of its own, for every other line; then say that it is over.

    A process that begins anew would load everything again for each run.
    """
    runner = Runner(Path(sys.argv[1]), sys.argv[2], Way(sys.argv[3]))
    for _ in sys.stdin:
        process = os.fork()
        if not process:
            runner.run()
            os._exit(0)
        os.waitid(os.P_PID, process, os.WEXITED | os.WNOWAIT)
        _tell("over")
        # Whoever reads that may be about to kill: until then, the number is nobody else's.
        sys.stdin.readline()
        os.waitpid(process, 0)
