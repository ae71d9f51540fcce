"""An image from a known base: new content comes with the delta, copies from the active set.

Memory is one segment and its part of the base, whatever the delta says. The base is not hashed
first: if it is another one, the image that comes out is not the signed one, and is fetched another
way.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain

import zstandard

from updog.blockmap import BLOCK, blocks_in
from updog.deltaformat import (
    HEADER_LENGTH,
    MAX_PLAN,
    PREFIX_BLOCKS,
    SEGMENT_LENGTH,
    DeltaHeader,
    Kind,
    Record,
    built,
    parse_header,
    parse_records,
    parse_segment,
)
from updog.digests import SHA256, Digest
from updog.errors import TargetMismatch
from updog.pipeline.adaptive import MisledError
from updog.pipeline.buffers import PIECE, aligned
from updog.pipeline.cancel import Cancel
from updog.pipeline.counters import Counters
from updog.pipeline.decoders import WINDOW, PieceDecoder
from updog.pipeline.direct import Medium
from updog.pipeline.facts import Done, ReadBack, Report, Signed, Way, silent
from updog.pipeline.frontier import Frontier
from updog.pipeline.looks import Looks
from updog.pipeline.proof import Proof
from updog.pipeline.stages import Channel, Crew, stoppable
from updog.pipeline.writer import PieceWriter
from updog.stream import Tally, algorithms_in, cap

_CHUNKS_WAITING = 4


@dataclass(frozen=True, slots=True)
class Delta:
    """A delta target.

    Attributes:
        signed: its own length and hashes.
        receive: starts the transfer.
    """

    signed: Signed
    receive: Callable[[], Iterable[bytes]]


def install(
    image: Signed,
    delta: Delta,
    base: Medium,
    medium: Medium,
    *,
    report: Report = silent,
    read_back: ReadBack = ReadBack.ALWAYS,
    cancel: Cancel | None = None,
) -> Done:
    """Make the medium hold an image, from a base and its delta.

    Args:
        image: the signed facts of the image.
        delta: the delta.
        base: the active partition.
        medium: where to write.
        report: told what has moved.
        read_back: see `ReadBack`.
        cancel: ends the work when it is given.

    Raises:
        Cancelled: by `cancel`.
        MisledError: another image came out, so the base is not what the delta was made for.
        TargetMismatch: the delta is not what was signed.
        UpdogError: the transfer failed.
        DeviceError: a device failed.
    """
    name = delta.signed.name
    counters = Counters(report, cancel)
    arrived = Tally(algorithms_in(delta.signed.hashes, name))
    received = delta.receive()
    chunks = _counted(cap(received, delta.signed.packed_length, name), arrived, counters)
    start, chunks = _split(chunks, HEADER_LENGTH)
    header = parse_header(start, name)
    _check_images(header, image, base, medium, name)
    frontier = Frontier(blocks_in(header.raw_length))
    expected = image.raw_digest or Digest(SHA256, header.raw_sha256.hex())
    proof = Proof(medium, frontier, expected.algorithm)
    writer = PieceWriter(medium, frontier, counters, Looks())
    builder = _Builder(header, name, base, writer, counters)
    waiting: Channel[bytes] = Channel(_CHUNKS_WAITING)
    waking = stoppable(received)
    with Crew(frontier, waiting, *waking, cancel=counters.cancel) as crew:
        if read_back is ReadBack.ALWAYS:
            crew.start(proof.follow, "proof")
        with Crew(waiting, cancel=counters.cancel) as building:
            building.start(lambda: builder.run(waiting), "build")
            for chunk in chunks:
                waiting.put(chunk)
            waiting.close()
        arrived.check(name, delta.signed.packed_length, delta.signed.hashes)
        medium.flush()
        frontier.finish(header.raw_length)
    found = proof.digest() if read_back is ReadBack.ALWAYS else expected
    if found != expected:
        raise MisledError(f"{name}: another image came out of it; its base is not the one here.")
    return Done(image.name, Way.DELTA, header.raw_length, expected, found, counters.moved())


def _counted(chunks: Iterable[bytes], arrived: Tally, counters: Counters) -> Iterator[bytes]:
    for chunk in arrived.through(chunks):
        counters.add(received=len(chunk))
        yield chunk


def _split(chunks: Iterator[bytes], count: int) -> tuple[bytes, Iterator[bytes]]:
    """The first bytes of a stream, and what follows them."""
    held = b""
    for chunk in chunks:
        held += chunk
        if len(held) >= count:
            break
    return held[:count], chain((held[count:],) if held[count:] else (), chunks)


def _check_images(
    header: DeltaHeader, image: Signed, base: Medium, medium: Medium, name: str
) -> None:
    same = image.raw_length in {None, header.raw_length}
    if not same or image.raw_sha256 not in {None, header.raw_sha256.hex()}:
        raise TargetMismatch(f"{name} makes another image than {image.name}.")
    if header.raw_length > medium.size:
        raise TargetMismatch(f"{image.name} does not fit: its place has {medium.size} bytes.")
    if header.base_length > base.size:
        raise TargetMismatch(f"{name} needs a base of {header.base_length} bytes.")


class _Builder:
    """Carries the segments out, one after the other."""

    def __init__(
        self,
        header: DeltaHeader,
        name: str,
        base: Medium,
        writer: PieceWriter,
        counters: Counters,
    ) -> None:
        self._header = header
        self._name = name
        self._base = base
        self._writer = writer
        self._counters = counters
        self._buffer = aligned(PIECE)
        self._prefix = aligned(PREFIX_BLOCKS * BLOCK)
        self._done = 0

    def run(self, waiting: Channel[bytes]) -> None:
        """Make the image, and take the stream to its end."""
        chunks = iter(waiting)
        stream = PieceDecoder(chunks)
        while self._done < blocks_in(self._header.raw_length):
            plan_length, content_length = parse_segment(
                self._exactly(stream, SEGMENT_LENGTH), self._name
            )
            plan = self._unpacked(self._exactly(stream, plan_length), MAX_PLAN)
            records = parse_records(plan, self._done, self._header, self._name)
            self._carry_out(records, self._content(records, stream, content_length))
        if stream.read_into(self._buffer):
            raise TargetMismatch(f"{self._name} goes on after the end of its image.")
        deque(chunks, maxlen=0)

    def _content(
        self, records: tuple[Record, ...], stream: PieceDecoder, length: int
    ) -> memoryview:
        """The new bytes of a segment, unpacked against its part of the base."""
        packed = self._exactly(stream, length)
        wanted = self._new_length(records)
        filled = 0
        for record in records:
            if record.kind is Kind.PREFIX:
                size = record.count * BLOCK
                place = self._prefix[filled : filled + size]
                self._base.read(record.source * BLOCK, size, place)
                filled += size
        content = self._unpacked(packed, wanted, self._prefix[:filled]) if packed else b""
        if len(content) != wanted:
            raise MisledError(f"{self._name}: a segment has another length than its plan says.")
        self._counters.add(decoded=wanted)
        return memoryview(content)

    def _new_length(self, records: tuple[Record, ...]) -> int:
        end = (self._done + built(records)) * BLOCK
        blocks = sum(one.count for one in records if one.kind is Kind.NEW)
        last_is_new = bool(records) and records[-1].kind is Kind.NEW
        return blocks * BLOCK - (max(0, end - self._header.raw_length) if last_is_new else 0)

    def _carry_out(self, records: tuple[Record, ...], content: memoryview) -> None:
        for record in records:
            if record.kind is Kind.PREFIX:
                continue
            start = self._done * BLOCK
            end = min(start + record.count * BLOCK, self._header.raw_length)
            for offset in range(start, end, PIECE):
                count = min(PIECE, end - offset)
                self._writer.put(offset, self._piece(record, content, offset - start, count))
            if record.kind is Kind.NEW:
                content = content[end - start :]
            self._done += record.count

    def _piece(self, record: Record, content: memoryview, at: int, count: int) -> memoryview:
        piece = self._buffer[:count]
        if record.kind is Kind.COPY:
            piece = self._base.read(record.source * BLOCK + at, count, self._buffer)
            self._counters.add(copied=count)
        elif record.kind is Kind.ZERO:
            piece[:] = bytes(count)
            self._counters.add(zeroed=count)
        else:
            piece[:] = content[at : at + count]
        return piece

    def _unpacked(self, packed: bytes, most: int, prefix: bytes | memoryview = b"") -> bytes:
        """Decode one frame of at most that many bytes.

        The library makes room for as much as the frame says, so the frame is asked first.
        """
        try:
            if not 0 <= zstandard.frame_content_size(packed) <= most:
                raise TargetMismatch(f"{self._name} has a frame of an impossible size.")
            return _context(prefix).decompress(packed)
        except zstandard.ZstdError as error:
            # The base takes part in decoding, so this can be its fault as well as the delta's.
            raise MisledError(
                f"{self._name} cannot be unpacked with the base that is here."
            ) from error

    def _exactly(self, stream: PieceDecoder, length: int) -> bytes:
        found = bytearray(length)
        with memoryview(found) as view:
            if stream.read_into(view) != length:
                raise TargetMismatch(f"{self._name} ends before its image does.")
        return bytes(found)


def _context(prefix: bytes | memoryview) -> zstandard.ZstdDecompressor:
    if not prefix:
        return zstandard.ZstdDecompressor(max_window_size=WINDOW)
    reference = zstandard.ZstdCompressionDict(prefix, dict_type=zstandard.DICT_TYPE_RAWCONTENT)
    return zstandard.ZstdDecompressor(dict_data=reference, max_window_size=WINDOW)
