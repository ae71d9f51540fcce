"""Which bytes of a file an HTTP request asks for, and how several ranges are sent (RFC 9110, 14).

A server may answer any Range with the whole file, so what is malformed is answered that way, and
what asks for too many ranges or for more bytes than there are, as only an attacker would. Ranges
that lie outside the file are left out; if all of them do, that is an error, 416.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

MOST_RANGES = 1000
"""Our own client asks for a third of that."""
_UNIT = re.compile(r"bytes *= *(.*)", re.ASCII | re.IGNORECASE)
_RANGE = re.compile(r"(\d*) *- *(\d*)", re.ASCII)
_MAX_DIGITS = 19


@dataclass(frozen=True, slots=True)
class Part:
    """Bytes ``first`` to ``last``, both included."""

    first: int
    last: int

    @property
    def length(self) -> int:
        """How many bytes that is."""
        return self.last - self.first + 1


@dataclass(frozen=True, slots=True)
class Multipart:
    """The body that carries several parts of a file.

    Attributes:
        parts: of the file, in the order of the request.
        size: of the file, in bytes.
        boundary: a text that nobody can foresee, and so no file contains.
    """

    parts: Sequence[Part]
    size: int
    boundary: str

    @property
    def content_type(self) -> str:
        """The media type of the whole."""
        return f"multipart/byteranges; boundary={self.boundary}"

    @property
    def end(self) -> bytes:
        """What follows the last part."""
        return f"\r\n--{self.boundary}--\r\n".encode()

    def head(self, part: Part) -> bytes:
        """What goes before the bytes of a part."""
        lines = (
            "",
            f"--{self.boundary}",
            "Content-Type: application/octet-stream",
            f"Content-Range: {content_range(part, self.size)}",
            "",
            "",
        )
        return "\r\n".join(lines).encode()

    @property
    def length(self) -> int:
        """Of the body, in bytes."""
        return sum(len(self.head(part)) + part.length for part in self.parts) + len(self.end)


def content_range(part: Part, size: int) -> str:
    """The value of ``Content-Range`` for a part of a file of ``size`` bytes."""
    return f"bytes {part.first}-{part.last}/{size}"


class OutOfRange(ValueError):
    """All ranges lie outside the file."""


def parse(header: str | None, size: int) -> tuple[Part, ...] | None:
    """The parts that a ``Range`` header asks for.

    Args:
        header: its value; None when the request has none.
        size: length of the file in bytes.

    Returns:
        the parts, at least one; or None for the whole file.

    Raises:
        OutOfRange: there is no such byte.
    """
    unit = _UNIT.fullmatch(header.strip()) if header else None
    # RFC 9110 5.6.1: empty members of a list count for nothing.
    asked = [one for text in unit[1].split(",") if (one := text.strip())] if unit else []
    if not 0 < len(asked) <= MOST_RANGES:
        return None
    found = []
    for text in asked:
        match = _RANGE.fullmatch(text)
        if match is None or max(map(len, match.groups())) > _MAX_DIGITS:
            return None
        first, last = match.groups()
        try:
            part = _part(first, last, size)
        except OutOfRange:
            continue
        if part is None:
            return None
        found.append(part)
    if not found:
        raise OutOfRange
    return tuple(found) if sum(part.length for part in found) <= size else None


def _part(first: str, last: str, size: int) -> Part | None:
    if first:
        return _from_start(int(first), int(last) if last else size - 1, size, open_end=not last)
    return _from_end(int(last), size) if last else None


def _from_start(first: int, last: int, size: int, *, open_end: bool) -> Part | None:
    if not open_end and last < first:
        return None
    if first >= size:
        raise OutOfRange
    return Part(first, min(last, size - 1))


def _from_end(count: int, size: int) -> Part:
    if count == 0 or size == 0:
        raise OutOfRange
    return Part(max(0, size - count), size - 1)
