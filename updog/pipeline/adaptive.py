"""An image from the cheapest places: already there, zero, the active partition, the network.

Nothing is remembered between runs but the partition itself: a block counts as right when its hash
says so, which is why a run that was killed goes on where it was. The order of the sources is the
order of their costs. What is here and what is not is known before the first block moves; so both
are taken care of at the same time, and the network never waits for a disk. At the end the whole
image is read back, whatever its blocks said. What came from the active partition is believed by
that digest alone: hashing its blocks as well would cost more than copying them. Where the digest
is another, every block is looked at by its own hash, and what is wrong is fetched.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass

from updog.blockmap import BLOCK, BlockMap, Span
from updog.digests import Digest
from updog.errors import CutShort, TargetMismatch
from updog.pipeline.asking import PLANNED, Request, requests_for
from updog.pipeline.cancel import Cancel
from updog.pipeline.counters import Counters
from updog.pipeline.direct import Medium
from updog.pipeline.facts import Done, ReadBack, Report, Signed, Way, silent
from updog.pipeline.frontier import Frontier
from updog.pipeline.localplan import Base as Base  # noqa: PLC0414 - part of how to call `install`
from updog.pipeline.localplan import Plan
from updog.pipeline.proof import Proof
from updog.pipeline.resume import find_fetched
from updog.pipeline.scan import find_right
from updog.pipeline.source import RangeSource
from updog.pipeline.spancutter import SpanCutter
from updog.pipeline.spandecode import SpanDecoder
from updog.pipeline.stages import Channel, Crew, stoppable

WORKERS = 2
RESUMES = 4


class MisledError(Exception):
    """The block map led to another image than the signed one; the caller fetches the whole."""


def install(  # noqa: PLR0913 - the engine's way in is shorter
    signed: Signed,
    blockmap: BlockMap,
    source: RangeSource,
    medium: Medium,
    *,
    base: Base | None = None,
    report: Report = silent,
    read_back: ReadBack = ReadBack.ALWAYS,
    cancel: Cancel | None = None,
) -> Done:
    """Make the medium hold an image, fetching only what is nowhere near.

    Args:
        signed: what is known about the image.
        blockmap: its map, verified (`scratch.receive_signed`).
        source: the published file.
        medium: where to write.
        base: the active partition, if it may hold some of the content.
        report: told what has moved.
        read_back: see `ReadBack`.
        cancel: ends the work when it is given.

    Raises:
        Cancelled: by `cancel`.
        MisledError: every block fitted, but the image did not: fetch it whole.
        TargetMismatch: the map or the published file is not what was signed.
        UpdogError: the transfer failed.
        DeviceError: a device failed.
    """
    check_map(signed, blockmap, medium)
    counters = Counters(report, cancel)
    # What is signed about the image itself comes first: its map may have been signed by others.
    expected = signed.raw_digest or blockmap.raw_digest
    filling = _Filling(signed.name, blockmap, source, medium, counters, read_back, expected)
    # Nothing but reading back proves what is copied.
    found = filling.fill(base if read_back is ReadBack.ALWAYS else None, counters)
    if found != expected and counters.moved().copied:
        # The active partition is not what its hashes say. What is right was counted when it came.
        found = filling.fill(None, Counters(cancel=counters.cancel))
    if found != expected:
        raise MisledError(f"{signed.name}: all blocks fit their hashes, but the image does not.")
    length = blockmap.whole.raw_length
    return Done(signed.name, Way.ADAPTIVE, length, expected, found, counters.moved())


@dataclass(frozen=True, slots=True)
class _Filling:
    """What the attempts at one image share."""

    name: str
    blockmap: BlockMap
    source: RangeSource
    medium: Medium
    counters: Counters
    read_back: ReadBack
    expected: Digest

    def fill(self, base: Base | None, right: Counters) -> Digest:
        """Make the medium hold every block.

        Args:
            base: the active partition, if it may hold some of the content.
            right: told what is right already.

        Returns:
            The digest of what the medium gives back.
        """
        blockmap, medium, counters = self.blockmap, self.medium, self.counters
        frontier = Frontier(blockmap.blocks)
        proof = Proof(medium, frontier, self.expected.algorithm)
        with Crew(frontier, cancel=counters.cancel) as crew:
            find_right(medium, blockmap, frontier, right)
            if self.read_back is ReadBack.ALWAYS:
                crew.start(proof.follow, "proof")
            network = _Network(self.name, blockmap, self.source, medium, frontier, counters)
            with (
                closing(Plan(blockmap, frontier, counters, base)) as plan,
                Crew(frontier, cancel=counters.cancel) as local,
            ):
                # Before the copying, which would keep the first request from being sent.
                network.skip_fetched(plan.expected)
                local.start(lambda: plan.carry_out(medium, frontier), "local")
                network.fetch_missing(plan.expected)
            # What was counted on and did not turn out to be there.
            network.fetch_missing(frontier)
            medium.flush()
            frontier.finish(blockmap.whole.raw_length)
        return proof.digest() if self.read_back is ReadBack.ALWAYS else self.expected


def check_map(signed: Signed, blockmap: BlockMap, medium: Medium) -> None:
    """Compare a map with the other signed facts, before it is used.

    Raises:
        TargetMismatch: it describes another file, or an image that does not fit.
    """
    check_facts(signed, blockmap)
    if blockmap.whole.raw_length > medium.size:
        raise TargetMismatch(f"{signed.name} does not fit: its place has {medium.size} bytes.")


def check_facts(signed: Signed, blockmap: BlockMap) -> None:
    """Compare a map with what else was signed about its image.

    Raises:
        TargetMismatch: it describes another file.
    """
    whole = blockmap.whole
    same = (
        whole.packed_length == signed.packed_length
        and signed.hashes.get("sha256") in (None, whole.packed_sha256.hex())
        and signed.raw_length in (None, whole.raw_length)
        and signed.raw_sha256 in (None, whole.raw_sha256.hex())
        and signed.raw_blake3 in (None, whole.raw_blake3.hex())
    )
    if not same:
        raise TargetMismatch(f"the block map of {signed.name} describes another file.")


class _Network:
    """What is left comes over the network: workers that receive, check, decode and write."""

    def __init__(
        self,
        name: str,
        blockmap: BlockMap,
        source: RangeSource,
        medium: Medium,
        frontier: Frontier,
        counters: Counters,
    ) -> None:
        self._name = name
        self._map = blockmap
        self._source = source
        self._medium = medium
        self._frontier = frontier
        self._todo = frontier
        self._counters = counters
        self._longest = max(blockmap.packed)
        self._planned: tuple[Request, ...] = ()

    def skip_fetched(self, todo: Frontier) -> None:
        """Mark, there as well, what an interrupted run has fetched; the rest is fetched next."""
        begins: list[int] = []
        planned: list[Request] = []
        room = PLANNED
        for request in requests_for(self._map, todo, together=self._source.whole_only):
            begins.append(todo.missing(request.place.first))
            # All those of a large, scattered image would be held for long.
            room -= len(request.ranges)
            if room >= 0:
                planned.append(request)
        found = find_fetched(self._medium, self._map, todo, begins, self._counters)
        before = todo.count_missing()
        for first, count in found:
            for marks in (self._frontier, todo):
                marks.mark(first, count)
        # Where nothing was found, as usual, the requests can be sent as they are.
        whole = len(planned) == len(begins) and todo.count_missing() == before
        self._planned = tuple(planned) if whole else ()

    def fetch_missing(self, todo: Frontier) -> None:
        """Fetch what is missing there, and mark it there as well."""
        failures = 0
        self._todo = todo
        while todo.missing() >= 0:
            before = todo.count_missing()
            try:
                self._round()
            except CutShort:
                # What came before the cut is on the medium; only the rest is asked for again.
                failures = 0 if todo.count_missing() < before else failures + 1
                if failures > RESUMES:
                    raise
            else:
                if todo.count_missing() == before:
                    raise CutShort(f"{self._name}: the server does not send what it was asked for.")

    def _round(self) -> None:
        together = self._source.whole_only
        planned, self._planned = self._planned, ()
        requests = planned or requests_for(self._map, self._todo, together=together)
        waiting: Channel[Request] = Channel(1)
        waking = stoppable(self._source)
        with Crew(waiting, *waking, cancel=self._counters.cancel) as crew:
            for number in range(WORKERS):
                crew.start(lambda: self._work(waiting), f"fetch-{number}")
            for request in requests:
                waiting.put(request)
            waiting.close()

    def _work(self, waiting: Channel[Request]) -> None:
        decode = SpanDecoder(self._map, self._name).decode
        memory = memoryview(bytearray(self._longest))
        for request in waiting:
            cutter = SpanCutter(self._wanted(request), memory)
            for piece in self._source.fetch(request.ranges):
                waiting.check()
                self._frontier.check()
                self._counters.add(received=len(piece.data))
                for span, packed in cutter.feed(piece):
                    self._write(span, decode(span, packed))
                if cutter.ended:
                    break

    def _wanted(self, request: Request) -> Iterator[Span]:
        def wanted(first: int, count: int) -> bool:
            return self._todo.missing(first, first + count) >= 0

        return self._map.spans_from(request.place, request.stop, wanted)

    def _write(self, span: Span, raw: memoryview) -> None:
        """Write the blocks of a span that are not right yet, consecutive ones together."""
        self._counters.add(decoded=len(raw))
        block = span.first
        end = span.first + span.blocks
        while (block := self._todo.missing(block, end)) >= 0:
            stop = self._todo.right(block, end)
            stop = end if stop < 0 else stop
            piece = raw[(block - span.first) * BLOCK : (stop - span.first) * BLOCK]
            self._medium.write(block * BLOCK, piece)
            self._counters.add(written=len(piece))
            for marks in {id(one): one for one in (self._frontier, self._todo)}.values():
                marks.mark(block, stop - block)
            block = stop
