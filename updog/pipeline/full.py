"""A whole image in one stream: receive and hash, decode, write, read back, each on its own thread.

LZ4 frames whose blocks are independent, as every image of ours is, are decoded and written by
several workers at once. Everything else is decoded by one thread into a ring of buffers, which
another writes. Between the threads are bounded channels, so memory does not depend on the image.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from mmap import mmap

from updog.blockmap import BLOCK, blocks_in
from updog.digests import BLAKE3
from updog.errors import TargetMismatch
from updog.pipeline.buffers import PIECE, aligned
from updog.pipeline.cancel import Cancel
from updog.pipeline.counters import Counters
from updog.pipeline.decoders import decoder
from updog.pipeline.direct import Medium
from updog.pipeline.facts import Done, ReadBack, Report, Signed, Way, silent
from updog.pipeline.formats import LONGEST_MAGIC, Format, agreed
from updog.pipeline.frontier import Frontier
from updog.pipeline.looks import Looks
from updog.pipeline.lz4frame import (
    LARGEST_BLOCK,
    LONGEST_HEADER,
    Block,
    Walker,
    parse_header,
)
from updog.pipeline.lz4native import decode_into
from updog.pipeline.order import Order
from updog.pipeline.proof import Proof, check_medium, check_raw_length
from updog.pipeline.stages import Channel, Crew, stoppable
from updog.pipeline.writer import PieceWriter
from updog.stream import Tally, algorithms_in, cap

WORKERS = 2
_BLOCKS_WAITING = 1
_CHUNKS_WAITING = 4
_RING = 4
_NO_LENGTH_SIGNED = 1 << 62


class _OddBlocksError(Exception):
    """LZ4 blocks that do not decode to whole blocks of the disk: they cannot be written alone."""


@dataclass(frozen=True, slots=True)
class Task:
    """What the stages of one image share."""

    signed: Signed
    frontier: Frontier
    counters: Counters
    order: Order
    writer: Callable[[], PieceWriter]


def install(
    signed: Signed,
    receive: Callable[[], Iterable[bytes]],
    medium: Medium,
    *,
    report: Report = silent,
    read_back: ReadBack = ReadBack.ALWAYS,
    cancel: Cancel | None = None,
) -> Done:
    """Fetch a whole image and make the medium hold it.

    Args:
        signed: what is known about the image.
        receive: starts the transfer; the chunks are not trusted.
        medium: where to write.
        report: told what has moved.
        read_back: see `ReadBack`.
        cancel: ends the work when it is given.

    Raises:
        Cancelled: by `cancel`.
        TargetMismatch: length, digest or format are not what was signed.
        UpdogError: the transfer failed.
        DeviceError: the medium failed.
    """
    counters = Counters(report, cancel)
    try:
        return _install(_task(signed, medium, counters), receive, medium, read_back, _in_parallel)
    except _OddBlocksError:
        # A sound frame all the same, only an unusual one: decode it in order, from its start.
        counters = Counters(report, cancel)
        return _install(_task(signed, medium, counters), receive, medium, read_back, _in_order_lz4)


def _install(
    task: Task,
    receive: Callable[[], Iterable[bytes]],
    medium: Medium,
    read_back: ReadBack,
    independent: Callable[[Task, Iterator[bytes]], None],
) -> Done:
    """One attempt; `independent` is how to treat LZ4 frames with independent blocks."""
    signed = task.signed
    arrived = Tally(algorithms_in(signed.hashes, signed.name))
    proof = Proof(medium, task.frontier, _algorithm(signed))
    received = receive()
    waking = stoppable(received)
    with Crew(task.frontier, task.order, *waking, cancel=task.counters.cancel) as crew:
        if read_back is ReadBack.ALWAYS:
            crew.start(proof.follow, "proof")
        chunks = arrived.through(cap(received, signed.packed_length, signed.name))
        _decode_and_write(task, _counted(chunks, task.counters), independent)
        arrived.check(signed.name, signed.packed_length, signed.hashes)
        check_raw_length(signed.name, task.order.length, signed.raw_length)
        medium.flush()
        task.frontier.finish(task.order.length)
    return _done(task, proof, read_back)


def _task(signed: Signed, medium: Medium, counters: Counters) -> Task:
    limit = min(medium.size, signed.raw_length or _NO_LENGTH_SIGNED)
    frontier = Frontier(blocks_in(limit))
    looks = Looks()
    return Task(
        signed,
        frontier,
        counters,
        Order(signed.name, limit, None if signed.raw_digest else _algorithm(signed)),
        lambda: PieceWriter(medium, frontier, counters, looks),
    )


def _algorithm(signed: Signed) -> str:
    """Of the digest to compare; where none is signed, the quickest."""
    return signed.raw_digest.algorithm if signed.raw_digest else BLAKE3


def _done(task: Task, proof: Proof, read_back: ReadBack) -> Done:
    name, length = task.signed.name, task.order.length
    expected = task.signed.raw_digest or task.order.digest()
    if expected is None:
        raise AssertionError("a digest is signed, or made while decoding")
    found = proof.digest() if read_back is ReadBack.ALWAYS else expected
    check_medium(name, expected, found)
    return Done(name, Way.FULL, length, expected, found, task.counters.moved())


def _counted(chunks: Iterable[bytes], counters: Counters) -> Iterator[bytes]:
    for chunk in chunks:
        counters.add(received=len(chunk))
        yield chunk


def _decode_and_write(
    task: Task,
    chunks: Iterator[bytes],
    independent: Callable[[Task, Iterator[bytes]], None],
) -> None:
    start, chunks = _peeked(chunks, max(LONGEST_MAGIC, LONGEST_HEADER))
    kind = agreed(start, task.signed.format, task.signed.name)
    if kind is Format.LZ4:
        header = parse_header(start, task.signed.name)
        if header is not None and header.independent:
            independent(task, chunks)
            return
    _in_order(task, kind, chunks)


def _peeked(chunks: Iterator[bytes], count: int) -> tuple[bytes, Iterator[bytes]]:
    """The first bytes of a stream, and the stream as it was."""
    held = b""
    for chunk in chunks:
        held += chunk
        if len(held) >= count:
            break
    return held[:count], chain((held,), chunks)


@dataclass(frozen=True, slots=True)
class _Item:
    """One LZ4 block on its way to a worker."""

    number: int
    block: Block
    limit: int


class _Memory:
    """Memory for blocks that wait or are decoded: made when first needed, then used again."""

    def __init__(self, blocks: int) -> None:
        self.free: Channel[memoryview] = Channel(blocks)
        self._unmade = blocks
        self._taken = iter(self.free)

    def take(self, length: int) -> memoryview:
        """Wait for memory; every block of a frame gets as much as the largest may need."""
        if self._unmade:
            self._unmade -= 1
            # Untouched pages cost nothing: only as much is resident as the blocks really take.
            return memoryview(mmap(-1, max(length, LARGEST_BLOCK)))
        return next(self._taken)

    def give_back(self, block: Block) -> None:
        """Let the memory of a block be taken again."""
        self.free.put(memoryview(block.data.obj))


def _in_parallel(task: Task, chunks: Iterator[bytes]) -> None:
    """Blocks go to whichever worker is free; `Order` keeps their places."""
    blocks: Channel[_Item] = Channel(_BLOCKS_WAITING)
    memory = _Memory(WORKERS + 1)
    waking = (blocks, memory.free, task.order)
    with Crew(*waking, cancel=task.counters.cancel) as crew:
        for number in range(WORKERS):
            crew.start(lambda: _block_worker(task, blocks, memory), f"decode-{number}")
        walker = Walker(task.signed.name, memory.take)
        number = 0
        for chunk in chunks:
            for block in walker.feed(chunk):
                limit = walker.header.block_size if walker.header else 0
                blocks.put(_Item(number, block, limit))
                number += 1
        walker.check_ended()
        blocks.close()


def _block_worker(task: Task, blocks: Channel[_Item], memory: _Memory) -> None:
    writer = task.writer()
    room = aligned(0)
    for item in blocks:
        if len(room) < item.limit:
            # As much as this frame's blocks need: most have far smaller ones than they may.
            room = aligned(item.limit)
        raw = _decoded(item, room, task.signed.name)
        memory.give_back(item.block)
        offset = task.order.place(item.number, raw)
        if offset % BLOCK:
            raise _OddBlocksError
        for at in range(0, len(raw), PIECE):
            writer.put(offset + at, raw[at : at + PIECE])
        task.counters.add(decoded=len(raw))


def _decoded(item: _Item, room: memoryview, name: str) -> memoryview:
    data = item.block.data
    if item.block.stored:
        room[: len(data)] = data
        return room[: len(data)]
    try:
        return room[: decode_into(data, room[: item.limit])]
    except ValueError as error:
        raise TargetMismatch(f"{name} has a damaged LZ4 block.") from error


def _in_order_lz4(task: Task, chunks: Iterator[bytes]) -> None:
    _in_order(task, Format.LZ4, chunks)


def _in_order(task: Task, kind: Format, chunks: Iterator[bytes]) -> None:
    """One thread decodes into free buffers of a ring, another writes them."""
    arrived: Channel[bytes] = Channel(_CHUNKS_WAITING)
    full: Channel[tuple[int, memoryview, memoryview]] = Channel(_RING)
    free: Channel[memoryview] = Channel(_RING)
    for _ in range(_RING):
        free.put(aligned(PIECE))
    with Crew(arrived, full, free, cancel=task.counters.cancel) as crew:
        crew.start(lambda: _decode(task, kind, arrived, free, full), "decode")
        crew.start(lambda: _write(task, full, free), "write")
        for chunk in chunks:
            arrived.put(chunk)
        arrived.close()


def _decode(
    task: Task,
    kind: Format,
    arrived: Channel[bytes],
    free: Channel[memoryview],
    full: Channel[tuple[int, memoryview, memoryview]],
) -> None:
    source = decoder(kind, iter(arrived), task.signed.name)
    for number, buffer in enumerate(free):
        count = source.read_into(buffer)
        if not count:
            break
        piece = buffer[:count]
        full.put((task.order.place(number, piece), piece, buffer))
        task.counters.add(decoded=count)
    full.close()
    # A decoder that is content before the end must not leave the rest unhashed.
    deque(arrived, maxlen=0)


def _write(
    task: Task,
    full: Channel[tuple[int, memoryview, memoryview]],
    free: Channel[memoryview],
) -> None:
    writer = task.writer()
    for offset, piece, buffer in full:
        writer.put(offset, piece)
        free.put(buffer)
