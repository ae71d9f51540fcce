"""What a cache on the way may do with each published file. PURE.

A name that carries a version number or a hash never gets other bytes, so caches may keep it for
ever. ``timestamp.json`` alone is replaced in place: were it kept for long, the fleet would not see
a release, nor its recall, and in the end believe that the repository has expired.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta

SHORT = timedelta(minutes=1)
"""How long ``timestamp.json`` may be served without asking again."""
_YEAR = timedelta(days=365)
_VERSIONED = re.compile(r"(?:[0-9]+\.[A-Za-z0-9_-]+\.json|[0-9a-f]{64}\..+)", re.ASCII)


@dataclass(frozen=True, slots=True)
class Headers:
    """The two headers that a store keeps with a file.

    Attributes:
        content_type: what it is. Compressed images are just bytes: with a Content-Encoding, a
            client might unpack them before they are checked.
        cache_control: who may keep it, and how long.
    """

    content_type: str
    cache_control: str


def headers_of(name: str, short: timedelta = SHORT) -> Headers:
    """The headers of a published file.

    Args:
        name: with or without folders.
        short: how long a file that is replaced in place may be kept.
    """
    file_name = name.rpartition("/")[2]
    kind = "application/json" if file_name.endswith(".json") else "application/octet-stream"
    if _VERSIONED.fullmatch(file_name):
        # no-transform: some networks of caches compress again what they take for text.
        keep = f"public, max-age={_seconds(_YEAR)}, immutable, no-transform"
    else:
        keep = f"public, max-age={_seconds(short)}, must-revalidate, no-transform"
    return Headers(kind, keep)


def _seconds(span: timedelta) -> int:
    return int(span.total_seconds())
