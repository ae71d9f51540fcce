"""The stages between the network and a partition: each takes chunks and gives chunks on. PURE.

They are stacked from small parts: cap → tally → moved → decompress → tally. Memory stays bounded
whatever the image says, and the compressed stream is always read to its end, because a decoder that
is content with the frame would leave the rest unhashed (formats 8, D6).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import TracebackType
from typing import Protocol, Self

from lz4.frame import LZ4FrameDecompressor

from updog.errors import CutShort, TargetMismatch

PIECE = 1 << 20
KNOWN_HASHES = ("sha256", "sha512")


def cap(chunks: Iterable[bytes], limit: int, name: str) -> Iterator[bytes]:
    """Pass chunks on until they exceed `limit` bytes.

    Raises:
        TargetMismatch: there are more; the surplus is not passed on.
    """
    left = limit
    for chunk in chunks:
        left -= len(chunk)
        if left < 0:
            raise TargetMismatch(f"{name} is longer than the {limit} bytes that were signed.")
        yield chunk


class Tally:
    """Counts and hashes what flows through it.

    Args:
        algorithms: which digests to make, of sha256 and sha512.
    """

    def __init__(self, algorithms: Iterable[str] = ("sha256",)) -> None:
        self.length = 0
        self._digests = {name: hashlib.new(name) for name in algorithms}

    def through(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        """Pass chunks on, taking them into the tally first."""
        for chunk in chunks:
            self.add(chunk)
            yield chunk

    def add(self, chunk: bytes) -> None:
        """Take one chunk into the tally."""
        self.length += len(chunk)
        for digest in self._digests.values():
            digest.update(chunk)

    def hex(self, algorithm: str = "sha256") -> str:
        """The digest so far, in hex."""
        return self._digests[algorithm].hexdigest()

    def check(self, name: str, length: int, hashes: Mapping[str, str]) -> None:
        """Compare with what was signed; every digest that this tally makes must agree.

        Raises:
            TargetMismatch: length or digest differ, or nothing comparable was signed.
        """
        if self.length != length:
            raise TargetMismatch(f"{name} has {self.length} bytes, but {length} were signed.")
        for algorithm in self._digests:
            if self.hex(algorithm) != hashes.get(algorithm):
                raise TargetMismatch(f"{name}: its {algorithm} is not the signed one.")


def algorithms_in(hashes: Mapping[str, str], name: str) -> tuple[str, ...]:
    """Those of the signed hash algorithms that we can check.

    Raises:
        TargetMismatch: there is none, so the target could not be checked at all.
    """
    known = tuple(algorithm for algorithm in KNOWN_HASHES if algorithm in hashes)
    if not known:
        raise TargetMismatch(f"{name} is signed with neither sha256 nor sha512.")
    return known


def decompress(chunks: Iterable[bytes], limit: int, name: str) -> Iterator[bytes]:
    """Decode exactly one LZ4 frame into pieces of at most `PIECE` bytes.

    Args:
        chunks: the frame, cut anywhere.
        limit: most bytes that may come out, such as the size of the partition.
        name: for messages.

    Raises:
        TargetMismatch: the frame is damaged, cut short, too long when decoded, or not alone.
    """
    frame = _Frame(name)
    left = limit
    for chunk in chunks:
        for piece in frame.feed(chunk):
            left -= len(piece)
            if left < 0:
                raise TargetMismatch(f"{name} decodes to more than the {limit} bytes of its place.")
            yield piece
    if not frame.ended:
        raise TargetMismatch(f"{name} ends in the middle of its LZ4 frame.")


class _Frame:
    """One LZ4 frame being decoded; refuses whatever follows it."""

    def __init__(self, name: str) -> None:
        self.ended = False
        self._name = name
        self._decoder = LZ4FrameDecompressor()

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """Decode all that `chunk` makes available, in bounded pieces."""
        while chunk and not self.ended:
            piece = self._decode(chunk)
            chunk = b""
            yield piece
            # A full piece can leave decoded bytes in the decoder even when it took all its input.
            while not self.ended and (not self._decoder.needs_input or len(piece) == PIECE):
                piece = self._decode(b"")
                yield piece
        if chunk or self._decoder.unused_data:
            raise TargetMismatch(f"{self._name} has bytes after its LZ4 frame.")

    def _decode(self, data: bytes) -> bytes:
        try:
            piece = bytes(self._decoder.decompress(data, max_length=PIECE))
        except (RuntimeError, ValueError) as error:
            raise TargetMismatch(f"{self._name} is not a sound LZ4 frame: {error}") from error
        self.ended = bool(self._decoder.eof)
        return piece


def moved(chunks: Iterable[bytes], report: Callable[[int], None]) -> Iterator[bytes]:
    """Pass chunks on and report how many bytes went through so far."""
    done = 0
    for chunk in chunks:
        yield chunk
        done += len(chunk)
        report(done)


class Part(Protocol):
    """A transfer from `offset` on, which is 0 where the server ignored the wish for another."""

    @property
    def offset(self) -> int:
        """The first byte that really comes."""
        ...

    def __iter__(self) -> Iterator[bytes]: ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
        /,
    ) -> None: ...


def resumed(open_at: Callable[[int], Part], retries: int) -> Iterator[bytes]:
    """Read a transfer to its end, taking it up again where it broke off.

    Args:
        open_at: starts the transfer at that byte.
        retries: how often in a row it may break off without giving one new byte.

    Raises:
        CutShort: it broke off once too often.
    """
    done, left = 0, retries
    while True:
        try:
            with open_at(done) as part:
                for chunk in _from(part, done):
                    done, left = done + len(chunk), retries
                    yield chunk
                return
        except CutShort:
            if not left:
                raise
            left -= 1


def _from(part: Part, start: int) -> Iterator[bytes]:
    """The bytes of a transfer from `start` on, dropping those that came again."""
    if part.offset > start:
        raise CutShort(f"The server sent byte {part.offset} and following instead of {start}.")
    surplus = start - part.offset
    for chunk in part:
        if len(chunk) > surplus:
            yield chunk[surplus:]
        surplus = max(0, surplus - len(chunk))
