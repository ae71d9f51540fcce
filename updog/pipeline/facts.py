"""What an installation needs to know about an image, and what it tells afterwards. PURE."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeAlias

from updog.digests import BLAKE3, SHA256, Digest
from updog.pipeline.formats import Format


class Way(StrEnum):
    """How an image gets onto a partition."""

    FULL = "full"
    ADAPTIVE = "adaptive"
    DELTA = "delta"


class ReadBack(StrEnum):
    """Whether the finished image is read from the medium again.

    Only a measurement turns it off; an installation never does.
    """

    ALWAYS = "always"
    NEVER = "never"


@dataclass(frozen=True, slots=True)
class Signed:
    """The signed facts of one image.

    Attributes:
        name: of the target, for messages.
        packed_length: bytes of the published file.
        hashes: hex digests of the published file by algorithm.
        raw_length: bytes of the image, where signed.
        raw_sha256: hex digest of the image, where signed.
        raw_blake3: the same by BLAKE3, where signed.
        format: how it is packed, where signed.
    """

    name: str
    packed_length: int
    hashes: Mapping[str, str]
    raw_length: int | None = None
    raw_sha256: str | None = None
    raw_blake3: str | None = None
    format: Format | None = None

    @property
    def raw_digest(self) -> Digest | None:
        """What the image must have when it is read back: the quickest of what was signed."""
        if self.raw_blake3 is not None:
            return Digest(BLAKE3, self.raw_blake3)
        return None if self.raw_sha256 is None else Digest(SHA256, self.raw_sha256)


@dataclass(frozen=True, slots=True)
class Moved:
    """Bytes, by where they came from and where they went.

    Attributes:
        received: from the network, of what was published.
        kept: of the image, right on the partition before.
        copied: of the image, taken from the active partition.
        zeroed: of the image, all zero and not fetched.
        decoded: of the image, from what was received.
        written: to the partition.
    """

    received: int = 0
    kept: int = 0
    copied: int = 0
    zeroed: int = 0
    decoded: int = 0
    written: int = 0


@dataclass(frozen=True, slots=True)
class Done:
    """An image that stands on its partition, proven.

    Attributes:
        name: of the target.
        way: how it got there.
        raw_length: bytes of the image.
        expected: the digest that the image must have.
        read_back: the digest of what the medium gave back; equal, or nothing was returned.
        moved: the bytes.
    """

    name: str
    way: Way
    raw_length: int
    expected: Digest
    read_back: Digest
    moved: Moved = field(default_factory=Moved)


Report: TypeAlias = Callable[[Moved], None]
"""Told, now and then and from any thread, how many bytes have moved so far."""


def silent(_moved: Moved) -> None:
    """A `Report` that nobody reads."""
