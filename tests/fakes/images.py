"""Small raw images with the variety of real ones: text, zeros, noise, moved content."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random

from blake3 import blake3

from partitions.blockio import Access, Extent
from partitions.device import open_device
from updog.blockmap import BLOCK
from updog.pipeline.direct import Medium, open_medium
from updog.pipeline.facts import Signed


def image(blocks: int, seed: int = 1, tail: int = 0) -> bytes:
    """An image of that many blocks and a short one; equal seeds give equal images."""
    random = Random(seed)
    words = [random.randbytes(random.randrange(3, 12)).hex().encode() for _ in range(300)]
    kinds = [
        lambda: bytes(BLOCK),
        lambda: random.randbytes(BLOCK),
        lambda: b" ".join(random.choices(words, k=BLOCK // 3))[:BLOCK],
        lambda: b" ".join(random.choices(words, k=BLOCK // 3))[:BLOCK],
    ]
    content = b"".join(random.choice(kinds)() for _ in range(blocks))
    return content + random.randbytes(tail)


def changed(content: bytes, seed: int = 2, share: float = 0.1) -> bytes:
    """A later version: some blocks replaced, the rest moved on by three blocks."""
    random = Random(seed)
    blocks = [content[at : at + BLOCK] for at in range(0, len(content), BLOCK)]
    middle = len(blocks) // 2
    moved = blocks[:middle] + blocks[-4:-1] + blocks[middle:-4] + blocks[-1:]
    for at in range(middle, middle + max(1, int(len(moved) * share))):
        moved[at] = random.randbytes(len(moved[at]))
    return b"".join(moved)


def signed(raw: bytes, packed: bytes, name: str = "root.img") -> Signed:
    """The signed facts of an image."""
    digest = hashlib.sha256(packed).hexdigest()
    image = (hashlib.sha256(raw).hexdigest(), blake3(raw).hexdigest())
    return Signed(name, len(packed), {"sha256": digest}, len(raw), *image)


@contextmanager
def medium(path: Path, access: Access = Access.WRITE) -> Iterator[Medium]:
    """A file as the pipeline uses it."""
    extent = Extent(path)
    with open_device(extent, access) as io, open_medium(io, extent, access) as found:
        yield found


def chunks(content: bytes, size: int = 70_001) -> Iterator[bytes]:
    """Bytes as they arrive: in pieces that fit nothing."""
    for at in range(0, len(content), size):
        yield content[at : at + size]
