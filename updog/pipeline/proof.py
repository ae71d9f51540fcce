"""The last stage, on every way: the image is read from the medium, and must have its signed digest.

It follows the writers at a distance: O_DIRECT writes are past the page cache when they return, so
reading them again asks the device itself. Where only the page cache can be written, it waits for
the flush at the end, after which the cached pages are dropped before each read. One thread reads
while another hashes: what is left when the last byte is written is what everybody waits for.
"""

from __future__ import annotations

from partitions.errors import DeviceError
from updog import digests
from updog.digests import Digest
from updog.errors import TargetMismatch
from updog.pipeline.buffers import aligned
from updog.pipeline.direct import Medium
from updog.pipeline.frontier import Frontier
from updog.pipeline.stages import Channel, Crew

_BUFFERS = 2
_PIECE = 2 << 20
"""Larger than elsewhere: each time that it changes hands, busy stages may keep it waiting."""


class Proof:
    """The digest of what the medium gives back.

    Args:
        medium: where the image is.
        frontier: how far it is there.
        algorithm: of the digest.
    """

    def __init__(self, medium: Medium, frontier: Frontier, algorithm: str) -> None:
        self.length = 0
        self._medium = medium
        self._frontier = frontier
        self._digest = digests.new(algorithm)

    def follow(self) -> None:
        """Read the image as it becomes right, until it is complete.

        Raises:
            Stopped: the work was given up.
            DeviceError: the device failed.
        """
        filled: Channel[tuple[memoryview, memoryview]] = Channel(_BUFFERS)
        free: Channel[memoryview] = Channel(_BUFFERS)
        with Crew(filled, free) as crew:
            for _ in range(_BUFFERS):
                free.put(aligned(_PIECE))
            crew.start(lambda: self._read(free, filled), "read-back")
            for data, buffer in filled:
                self._digest.update(data)
                self.length += len(data)
                free.put(buffer)

    def _read(
        self, free: Channel[memoryview], filled: Channel[tuple[memoryview, memoryview]]
    ) -> None:
        if not self._medium.past_cache:
            self._frontier.wait_finished()
        offset = 0
        for buffer in free:
            count = self._frontier.wait(offset, _PIECE)
            if not count:
                break
            filled.put((self._medium.read(offset, count, buffer), buffer))
            offset += count
        filled.close()

    def digest(self) -> Digest:
        """Of everything that was read."""
        return digests.so_far(self._digest)


def check_raw_length(name: str, length: int, signed: int | None) -> None:
    """Compare the decoded length with the signed one.

    Raises:
        TargetMismatch: they differ, or there is no data at all.
    """
    if not length:
        raise TargetMismatch(f"{name} holds no data at all.")
    if signed is not None and length != signed:
        raise TargetMismatch(f"{name} decodes to {length} bytes, but {signed} were signed.")


def check_medium(name: str, expected: Digest, read_back: Digest) -> None:
    """Compare what the medium gave back with the image that it must hold.

    Raises:
        DeviceError: they differ, although the file that arrived was the signed one.
    """
    if expected != read_back:
        raise DeviceError(
            f"the partition does not give back the signed content of {name}: the medium is failing,"
            " or its publisher signed another image's digest. The set stays unbootable"
        )
