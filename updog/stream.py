"""The stages between the network and a partition: each takes chunks and gives chunks on. PURE.

They are stacked from small parts: cap → tally → moved → decompress → tally. Memory stays bounded
whatever the image says, and the compressed stream is always read to its end, because a decoder that
is content with the frame would leave the rest unhashed (formats 8, D6).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

from lz4.frame import LZ4FrameDecompressor

from updog import digests
from updog.errors import TargetMismatch

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
        algorithms: which digests to make, by the names of `updog.digests`.
    """

    def __init__(self, algorithms: Iterable[str] = ("sha256",)) -> None:
        self.length = 0
        self._digests = {name: digests.new(name) for name in algorithms}

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
            raise TargetMismatch(f"{self._name} is not a sound LZ4 frame.") from error
        self.ended = bool(self._decoder.eof)
        return piece


def moved(chunks: Iterable[bytes], report: Callable[[int], None]) -> Iterator[bytes]:
    """Pass chunks on and report how many bytes went through so far."""
    done = 0
    for chunk in chunks:
        yield chunk
        done += len(chunk)
        report(done)
