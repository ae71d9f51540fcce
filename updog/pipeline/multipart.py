"""The body of an answer to a request for several ranges (RFC 9110, 14.6), taken apart. PURE."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from updog.errors import UnreachableError

_LONGEST_HEAD = 4096
_HEAD_END = b"\r\n\r\n"
_RANGE = re.compile(r"bytes (\d{1,19})-(\d{1,19})/(?:\d{1,19}|\*)", re.ASCII)
_PART_RANGE = re.compile(rb"\r\ncontent-range:[ \t]*([^\r\n]*)", re.IGNORECASE)
_BOUNDARY = re.compile(r'multipart/byteranges\s*;.*?boundary="?([^";,\s]{1,70})"?', re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Piece:
    """Bytes of a file, with their place."""

    offset: int
    data: bytes | memoryview


def boundary_of(content_type: str) -> bytes | None:
    """The boundary that a ``Content-Type`` names; None if it is no multipart of ranges."""
    found = _BOUNDARY.match(content_type)
    return found[1].encode() if found else None


def parse_content_range(text: str) -> tuple[int, int] | None:
    """First and last byte that a ``Content-Range`` names; None if it makes no sense."""
    found = _RANGE.fullmatch(text.strip())
    if found is None or int(found[2]) < int(found[1]):
        return None
    return int(found[1]), int(found[2])


class Multipart:
    """Takes the body in chunks and gives the bytes of its parts with their places.

    Args:
        boundary: from the answer's ``Content-Type``.
        name: of the file, for messages.
    """

    def __init__(self, boundary: bytes, name: str) -> None:
        self._mark = b"--" + boundary
        self._name = name
        self._head = b""
        self._offset = 0
        self._left = 0
        self._ended = False

    def feed(self, chunk: bytes) -> Iterator[Piece]:
        """Take the next bytes.

        Raises:
            UnreachableError: the body is not what a server may send.
        """
        view = memoryview(chunk)
        while view and not self._ended:
            if not self._left:
                view = self._read_head(view)
                continue
            data = view[: self._left]
            yield Piece(self._offset, data)
            self._offset += len(data)
            self._left -= len(data)
            view = view[len(data) :]

    def _read_head(self, view: memoryview) -> memoryview:
        """Collect the head of a part; return what follows it."""
        before = len(self._head)
        self._head += view[:_LONGEST_HEAD]
        end = self._head.find(_HEAD_END)
        if end < 0:
            self._ended = self._head.lstrip(b"\r\n").startswith(self._mark + b"--")
            if len(self._head) > _LONGEST_HEAD:
                raise self._nonsense()
            return view[:0] if len(view) <= _LONGEST_HEAD else view[_LONGEST_HEAD:]
        used = end + len(_HEAD_END)
        self._begin(self._head[:used])
        self._head = b""
        return view[used - before :]

    def _begin(self, head: bytes) -> None:
        if not head.lstrip(b"\r\n").startswith(self._mark):
            raise self._nonsense()
        told = _PART_RANGE.search(head)
        place = parse_content_range(told[1].decode("latin-1")) if told else None
        if place is None:
            raise self._nonsense()
        self._offset, self._left = place[0], place[1] - place[0] + 1

    def _nonsense(self) -> UnreachableError:
        return UnreachableError(f"{self._name}: the server's answer to a range request is garbled.")
