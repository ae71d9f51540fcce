"""The range of seeds, for those who need no schedule."""

from __future__ import annotations

MAX_SEED = 2048
"""Seeds are 0 to ``MAX_SEED - 1``; a wave that begins here holds no host, it only ends a window."""
