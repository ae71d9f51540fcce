"""Digests by name: those of hashlib, and BLAKE3. PURE.

What TUF signs about a published file is its SHA-256, which every client knows. The image itself,
three times as large, is read back from the medium as well; BLAKE3 is as strong and takes a quarter
of the time there, or less, so an image of ours has both.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Protocol

from blake3 import blake3

SHA256 = "sha256"
BLAKE3 = "blake3"
IMAGE = (SHA256, BLAKE3)
"""What a publisher of ours makes of an image itself."""


class Hash(Protocol):
    """A digest while it is made."""

    @property
    def name(self) -> str:
        """Of its algorithm."""

    def update(self, data: bytes | memoryview, /) -> object:
        """Take more."""

    def hexdigest(self) -> str:
        """The digest so far, in hex."""


@dataclass(frozen=True, slots=True)
class Digest:
    """A digest, and of which kind it is.

    Attributes:
        algorithm: `BLAKE3`, or a name that hashlib knows.
        hex: the digest, hexadecimal.
    """

    algorithm: str
    hex: str

    def __str__(self) -> str:
        return f"{self.algorithm}:{self.hex}"


def parse(text: str) -> Digest | None:
    """Read what ``str`` wrote of a digest of an image; None where it is of another kind."""
    algorithm, _, digits = text.partition(":")
    return Digest(algorithm, digits) if algorithm in IMAGE else None


def so_far(made: Hash) -> Digest:
    """The digest of what was taken until now."""
    return Digest(made.name, made.hexdigest())


def new(algorithm: str) -> Hash:
    """Begin a digest.

    Raises:
        ValueError: there is no such algorithm.
    """
    return blake3() if algorithm == BLAKE3 else hashlib.new(algorithm)
