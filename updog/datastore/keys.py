"""Names of settings and of the files they lie in (formats 12). PURE.

A key is a row of parts: ``settings.ntp.servers``. A part may hold any character; one that holds
more than ASCII letters, digits, ``_`` and ``-`` is written as a JSON string, as in
``settings.labels."example.com/tier"``, and percent-encoded where it names a file. So a dot in a
file name can only stand before the name of a metadata entry.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

from updog.datastore.errors import StoreError

MAX_KEY = 255
"""Bytes of a key, written with dots."""

MAX_FILE_NAME = 255
"""Bytes of a file name on Linux."""

_PLAIN = re.compile(r"[A-Za-z0-9_-]+")
_CODED = re.compile(r"(?:[A-Za-z0-9_-]|%[0-9A-F]{2})+")
_DECODER = json.JSONDecoder()


@dataclass(frozen=True, slots=True, order=True)
class Key:
    """The name of one setting.

    Attributes:
        parts: from the outermost to the setting itself; at least one, none empty.
    """

    parts: tuple[str, ...]

    def __post_init__(self) -> None:
        if not self.parts or not all(self.parts):
            raise StoreError(f"the key {'.'.join(self.parts)!r} has an empty part")
        try:
            length = len(str(self).encode())
        except UnicodeEncodeError as error:
            raise StoreError(f"the key {self.parts!r} has no UTF-8 form") from error
        if length > MAX_KEY:
            raise StoreError(f"the key {str(self)[:60]}... is longer than {MAX_KEY} bytes")

    @classmethod
    def parse(cls, text: str) -> Self:
        """The key that ``text`` writes.

        Raises:
            StoreError: it is none.
        """
        return cls(tuple(_parts(text)))

    def __str__(self) -> str:
        return ".".join(map(_written, self.parts))

    def is_at_or_below(self, other: Key) -> bool:
        """Whether this is `other` or a setting inside it."""
        return self.parts[: len(other.parts)] == other.parts

    def moved(self, old: Key, new: Key) -> Key:
        """The name this has when `old`, which it is at or below, is called `new`."""
        return Key((*new.parts, *self.parts[len(old.parts) :]))


def encode(part: str) -> str:
    """The file name of one part of a key.

    Raises:
        StoreError: it is too long for one, or has no UTF-8 form.
    """
    try:
        coded = "".join(_coded(byte) for byte in part.encode())
    except UnicodeEncodeError as error:
        raise StoreError(f"the name {part!r} has no UTF-8 form") from error
    if len(coded) > MAX_FILE_NAME:
        raise StoreError(f"the name {part[:40]!r}... is too long for a file")
    return coded


def decode(name: str) -> str:
    """The part of a key that a file name stands for.

    Raises:
        StoreError: `encode` makes no such name; two files could otherwise be one setting.
    """
    if _CODED.fullmatch(name):
        raw = re.sub(rb"%(..)", lambda match: bytes.fromhex(match[1].decode()), name.encode())
        try:
            part = raw.decode()
        except UnicodeDecodeError:
            part = ""
        if part and encode(part) == name:
            return part
    raise StoreError(f"{name!r} is no encoded name")


def _coded(byte: int) -> str:
    letter = chr(byte)
    return letter if byte < 128 and _PLAIN.fullmatch(letter) else f"%{byte:02X}"  # noqa: PLR2004 - the end of ASCII


def _written(part: str) -> str:
    return part if _PLAIN.fullmatch(part) else json.dumps(part, ensure_ascii=False)


def _parts(text: str) -> Iterator[str]:
    position = 0
    while True:
        part, position = _part(text, position)
        yield part
        if position == len(text):
            return
        if text[position] != ".":
            raise StoreError(f"{text[:80]!r} is no key: a dot is missing after {part[:80]!r}")
        position += 1


def _part(text: str, position: int) -> tuple[str, int]:
    if match := _PLAIN.match(text, position):
        return match[0], match.end()
    if text[position : position + 1] == '"':
        try:
            part, end = _DECODER.raw_decode(text, position)
        except ValueError:
            part, end = "", position
        if part:
            return part, end
    raise StoreError(
        f"{text[:80]!r} is no key: character {position + 1} begins no plain and no quoted part"
    )
