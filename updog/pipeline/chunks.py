"""Bytes that arrive in chunks and are taken in other portions, each copied at most once. PURE."""

from __future__ import annotations

from collections import deque


class Chunks:
    """A queue of bytes."""

    def __init__(self) -> None:
        self._held: deque[memoryview] = deque()
        self.available = 0
        """Bytes that can be taken now."""

    def push(self, chunk: bytes | memoryview) -> None:
        """Add bytes at the end; they must not change while they are held."""
        if len(chunk):
            self._held.append(memoryview(chunk))
            self.available += len(chunk)

    def peek(self, count: int) -> bytes:
        """Up to `count` bytes from the start, which stay."""
        found = b""
        for chunk in self._held:
            found += chunk[: count - len(found)]
            if len(found) == count:
                break
        return found

    def take(self, count: int) -> bytes | memoryview:
        """Remove exactly `count` bytes, of which there must be enough."""
        first = self._held[0] if self._held else memoryview(b"")
        if len(first) >= count:
            self._shorten(first, count)
            return first[:count]
        parts = []
        left = count
        while left:
            part = self._held[0][:left]
            self._shorten(self._held[0], len(part))
            parts.append(part)
            left -= len(part)
        return b"".join(parts)

    def _shorten(self, first: memoryview, count: int) -> None:
        self.available -= count
        if count == len(first):
            if self._held:
                self._held.popleft()
        else:
            self._held[0] = first[count:]
