"""Whether to look at a partition before writing to it. PURE, apart from being shared by threads.

Reading costs about as much as writing. It pays where much is there already: the same image again,
or one that was cut off. So a run begins by looking, and goes on for as long as that finds
something; after a few misses it looks only now and then, to notice where the old content begins
again.
"""

from __future__ import annotations

PATIENCE = 4
"""Misses in a row, after which looking has stopped to pay."""
EVERY = 16
"""After that, one piece in so many is looked at."""


class Looks:
    """Decides piece by piece; a race between threads costs one look, never a byte."""

    def __init__(self) -> None:
        self._misses = 0
        self._since = 0

    def wanted(self) -> bool:
        """Whether to look at the next piece."""
        if self._misses < PATIENCE:
            return True
        self._since = (self._since + 1) % EVERY
        return self._since == 0

    def saw(self, *, same: bool) -> None:
        """Learn what a look has found."""
        self._misses = 0 if same else self._misses + 1
