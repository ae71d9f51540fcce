"""Installations that are ended from outside: soon, with our error, leaving nothing behind."""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from random import Random

import pytest

from tests.fakes.images import changed, chunks, image, medium, signed
from tests.fakes.published import MemorySource, Published, as_delta, as_lz4, as_zstd
from updog.errors import CutShort
from updog.pipeline.adaptive import Base
from updog.pipeline.cancel import Cancel, Cancelled
from updog.pipeline.delta import Delta
from updog.pipeline.engine import Offer, install
from updog.pipeline.facts import Done, Moved, Way
from updog.pipeline.httpranges import HttpRanges
from updog.pipeline.multipart import Piece
from updog.pipeline.ranges import Range
from updog.wire import WireError

OLD = image(1500, seed=3)
NEW = changed(OLD, share=0.4)
SOON = 1.0
WAYS = list(Way)


@pytest.fixture(scope="module")
def new(tmp_path_factory: pytest.TempPathFactory) -> Published:
    return as_zstd(tmp_path_factory.mktemp("new"), NEW, [OLD])


@pytest.fixture(scope="module")
def delta(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return as_delta(tmp_path_factory.mktemp("delta"), NEW, OLD)


class Stalled:
    """A transfer that gives something, and then waits for its server until it is stopped."""

    def __init__(self, content: bytes) -> None:
        self.waits = threading.Event()
        self._content = iter(chunks(content[: len(content) // 2], 50_000))
        self._stopped = threading.Event()

    def __iter__(self) -> Iterator[bytes]:
        yield from self._content
        self.waits.set()
        assert self._stopped.wait(30)
        raise CutShort("stopped")

    def stop(self) -> None:
        self._stopped.set()


class StalledSource(MemorySource):
    """Ranges that never come completely."""

    def __init__(self, content: bytes) -> None:
        super().__init__(content)
        self.waits = threading.Event()
        self._stopped = threading.Event()

    def fetch(self, wanted: Sequence[Range]) -> Iterator[Piece]:
        yield from list(super().fetch(wanted))[:2]
        self.waits.set()
        assert self._stopped.wait(30)
        raise CutShort("stopped")

    def stop(self) -> None:
        self._stopped.set()


@contextmanager
def nothing_left() -> Iterator[None]:
    def files() -> int:
        return len(list(Path("/proc/self/fd").iterdir()))

    # What an earlier failure still holds would be given back in the midst of this.
    gc.collect()
    threads, descriptors = threading.active_count(), files()
    yield
    # The traceback of the error holds what the stages held.
    gc.collect()
    assert threading.active_count() == threads
    assert files() == descriptors


def put(
    folder: Path,
    offer: Offer,
    way: Way,
    cancel: Cancel,
    report: Callable[[Moved], None] = lambda _moved: None,
) -> Done:
    disk, active = folder / "disk", folder / "active"
    disk.write_bytes(b"\xee" * len(NEW))
    active.write_bytes(OLD)
    with medium(disk) as target, medium(active) as base:
        return install(offer, target, Base(base), [way], cancel=cancel, report=report)


def offered(new: Published, delta: bytes) -> Offer:
    found = Delta(signed(b"", delta, "delta"), lambda: chunks(delta))
    return Offer(new.signed, lambda: chunks(new.packed), new.source, new.blockmap, found)


@pytest.mark.parametrize("way", WAYS)
def test_a_run_that_waits_for_its_server_ends_soon(
    tmp_path: Path, new: Published, delta: bytes, way: Way
) -> None:
    whole, source, short = Stalled(new.packed), StalledSource(new.packed), Stalled(delta)
    offer = Offer(
        new.signed,
        lambda: whole,
        source,
        new.blockmap,
        Delta(signed(b"", delta, "delta"), lambda: short),
    )
    waits = {Way.FULL: whole.waits, Way.ADAPTIVE: source.waits, Way.DELTA: short.waits}[way]
    cancel, ended = Cancel(), []

    def end() -> None:
        assert waits.wait(20)
        ended.append(time.perf_counter())
        cancel()

    with nothing_left():
        other = threading.Thread(target=end)
        other.start()
        with pytest.raises(Cancelled, match="cancelled"):
            put(tmp_path, offer, way, cancel)
        assert time.perf_counter() - ended[0] < SOON
        other.join()


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("seed", range(5))
def test_a_busy_run_ends_soon_at_any_moment(
    tmp_path: Path, new: Published, delta: bytes, way: Way, seed: int
) -> None:
    cancel = Cancel()
    left = Random(seed).randrange(1, 40)
    begun: list[float] = []

    def report(_moved: Moved) -> None:
        nonlocal left
        left -= 1
        if not left:
            begun.append(time.perf_counter())
            threading.Thread(target=cancel).start()

    with nothing_left():
        try:
            put(tmp_path, offered(new, delta), way, cancel, report)
        except Cancelled:
            took = time.perf_counter() - begun[0]
        else:
            took = 0
            assert (tmp_path / "disk").read_bytes() == NEW
    assert took < SOON


@pytest.mark.parametrize("way", WAYS)
def test_what_was_cancelled_before_does_not_begin(
    tmp_path: Path, new: Published, delta: bytes, way: Way
) -> None:
    cancel = Cancel()
    cancel()
    with nothing_left(), pytest.raises(Cancelled):
        put(tmp_path, offered(new, delta), way, cancel)
    assert (tmp_path / "disk").read_bytes() == b"\xee" * len(NEW)


@pytest.mark.parametrize("way", WAYS)
def test_an_interruption_from_the_keyboard_ends_every_stage(
    tmp_path: Path, new: Published, delta: bytes, way: Way
) -> None:
    left = 12

    def interrupt(_moved: Moved) -> None:
        nonlocal left
        left -= 1
        if not left:
            raise KeyboardInterrupt

    with nothing_left(), pytest.raises(KeyboardInterrupt):
        put(tmp_path, offered(new, delta), way, Cancel(), interrupt)


def test_lz4_blocks_in_parallel_end_soon_too(tmp_path: Path) -> None:
    new = as_lz4(tmp_path, NEW)
    whole = Stalled(new.packed)
    cancel = Cancel()

    def end() -> None:
        assert whole.waits.wait(20)
        cancel()

    with nothing_left():
        other = threading.Thread(target=end)
        other.start()
        with pytest.raises(Cancelled):
            put(tmp_path, Offer(new.signed, lambda: whole), Way.FULL, cancel)
        other.join()


class Waiting:
    """An answer that waits until it is stopped."""

    status = 206

    def __init__(self) -> None:
        self.waits = threading.Event()
        self.closed = False
        self._stopped = threading.Event()

    def header(self, name: str) -> str:
        return "bytes 0-99/100" if name == "Content-Range" else ""

    def read1(self, _amount: int) -> bytes:
        self.waits.set()
        assert self._stopped.wait(30)
        raise WireError("shut down")

    def close(self) -> None:
        self.closed = True

    def stop(self) -> None:
        self._stopped.set()


def test_ranges_that_are_stopped_wake_their_reader() -> None:
    answer = Waiting()
    ranges = HttpRanges(lambda _header: answer, "image")

    def end() -> None:
        assert answer.waits.wait(20)
        ranges.stop()

    other = threading.Thread(target=end)
    other.start()
    with pytest.raises(CutShort):
        list(ranges.fetch([Range(0, 100)]))
    other.join()
    assert answer.closed
