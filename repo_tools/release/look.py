"""Looking at an image while its bytes flow by: length, digest, kind, telling texts. PURE.

Two texts are searched for in the plain bytes, wherever a file system keeps them: an os-release in
the root image, which says who the image is, and dm-verity root hashes in the boot image, which say
what root it will accept. Compressed file systems hide them; then nothing is found and nothing is
claimed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from hashlib import sha256

from repo_tools.release.recognise import HEAD, Kind, recognise, told_length

_AROUND = 2048
"""Bytes before and after a word that are looked at, and so the overlap of two chunks."""
_VERSION_ID = b"\nVERSION_ID="
_ID = rb'=["\']?([0-9A-Za-z.+_-]{1,80})["\']?\n'
_VERSION = re.compile(rb"\nVERSION_ID" + _ID)
_VARIANT = re.compile(rb"\nVARIANT_ID" + _ID)
_HASH_WORDS = (b"verity", b"hash")
_HASH = re.compile(rb"(?<![0-9A-Fa-f])[0-9A-Fa-f]{64}(?![0-9A-Fa-f])")


@dataclass(frozen=True, slots=True)
class Identity:
    """What an os-release says about itself."""

    variant: str
    version: str

    def __str__(self) -> str:
        return f"{self.variant} {self.version}"


@dataclass(frozen=True, slots=True)
class Sight:
    """What was seen of one image.

    Attributes:
        length: bytes of the raw image.
        sha256: of the raw image, hexadecimal.
        head: its first bytes.
        identities: of every os-release in it that names version and variant.
        hashes: texts of 64 hexadecimal digits near a word such as "verity", in lower case.
    """

    length: int
    sha256: str
    head: bytes = field(repr=False)
    identities: frozenset[Identity] = frozenset()
    hashes: frozenset[str] = frozenset()

    @property
    def kind(self) -> Kind:
        """What it is."""
        return recognise(self.head)

    @property
    def told_length(self) -> int | None:
        """The bytes that its file system says it has."""
        return told_length(self.head)


@dataclass(frozen=True, slots=True)
class Tree:
    """What a hash image says.

    Attributes:
        root_hash: of the data it covers; empty where only the data itself would tell.
        fault: why it is not a tree; empty if it is one.
        covered: bytes of the data that it covers.
        mismatch: why the root image is not that data; empty if it is, None if nobody could look.
    """

    root_hash: str = ""
    fault: str = ""
    covered: int = 0
    mismatch: str | None = None


class Onlooker:
    """Sees chunks of one image, in order, and remembers what matters."""

    def __init__(self) -> None:
        self._length = 0
        self._digest = sha256()
        self._head = bytearray()
        # A line end before the first byte: a text may begin an image.
        self._tail = b"\n"
        self._identities: set[Identity] = set()
        self._hashes: set[str] = set()

    def through(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        """Pass chunks on, looking at them first."""
        for chunk in chunks:
            self.add(chunk)
            yield chunk

    def add(self, chunk: bytes) -> None:
        """Look at the next chunk."""
        self._length += len(chunk)
        self._digest.update(chunk)
        if len(self._head) < HEAD:
            self._head += chunk[: HEAD - len(self._head)]
        window = self._tail + chunk
        self._identities.update(_identities(window))
        self._hashes.update(_hashes(window))
        self._tail = window[-2 * _AROUND :]

    def sight(self) -> Sight:
        """What was seen so far."""
        return Sight(
            self._length,
            self._digest.hexdigest(),
            bytes(self._head),
            frozenset(self._identities),
            frozenset(self._hashes),
        )


def _identities(window: bytes) -> Iterator[Identity]:
    for at in _places(window, _VERSION_ID):
        near = window[max(0, at - _AROUND) : at + _AROUND]
        # An os-release is text: what lies beyond a zero byte belongs to something else.
        middle = min(at, _AROUND)
        start = near.rfind(b"\0", 0, middle) + 1
        end = near.find(b"\0", middle)
        text = b"\n" + near[start : end if end >= 0 else None] + b"\n"
        version, variant = _VERSION.search(text), _VARIANT.search(text)
        if version and variant:
            yield Identity(variant[1].decode(), version[1].decode())


def _hashes(window: bytes) -> Iterator[str]:
    for word in _HASH_WORDS:
        for at in _places(window, word):
            for found in _HASH.finditer(window, at, at + _AROUND):
                yield found[0].decode().lower()


def _places(window: bytes, word: bytes) -> Iterator[int]:
    find: Callable[[bytes, int], int] = window.find
    at = find(word, 0)
    while at >= 0:
        yield at
        at = find(word, at + 1)
