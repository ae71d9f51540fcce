"""Which bytes of a file an HTTP request asks for (RFC 9110, section 14).

A server may answer any Range with the whole file, so what is malformed or more than one range is
answered that way. Only a well-formed range that lies outside the file is an error, 416.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_RANGE = re.compile(r"bytes *= *(\d*) *- *(\d*)", re.ASCII | re.IGNORECASE)
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


class OutOfRange(ValueError):
    """The range lies outside the file."""


def parse(header: str | None, size: int) -> Part | None:
    """The part that a ``Range`` header asks for.

    Args:
        header: its value; None when the request has none.
        size: length of the file in bytes.

    Returns:
        the part, or None for the whole file.

    Raises:
        OutOfRange: there is no such byte.
    """
    match = _RANGE.fullmatch(header.strip()) if header else None
    if match is None or max(map(len, match.groups())) > _MAX_DIGITS:
        return None
    first, last = match.groups()
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
