"""dm-verity hash trees: build one, and check data against one.

The format is version 1 with a superblock, sha256, blocks of 4096 bytes for data and hashes; the
bytes are those of ``veritysetup format`` with the same salt and UUID.

    block 0      superblock
    block 1      top of the tree: one block
    ...          every level below it, down to the digests of the data blocks

A digest is sha256(salt + block). A hash block is 128 digests, the last one of a level filled up
with zeros. The root hash is the digest of the top block; for data of one block there is no tree
and it is the digest of that block. Data and tree are streamed in one pass: memory does not depend
on their size.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, TypeAlias
from uuid import UUID

from partitions.blockio import Access, BlockIO, Extent
from partitions.device import open_device
from partitions.superblock import BLOCK, MAX_SALT, Superblock, VerityError

__all__ = [
    "BLOCK",
    "MAX_SALT",
    "Superblock",
    "VerityError",
    "build_tree",
    "hash_image_size",
    "matches",
    "read_root_hash",
    "verify",
]

_DIGEST = 32
_PER_BLOCK = BLOCK // _DIGEST

_Sink: TypeAlias = Callable[[int, bytes], None]
"""Takes a hash block and its number."""


def hash_image_size(data_size: int) -> int:
    """Return the bytes of the hash image for so many bytes of data, superblock included."""
    return BLOCK * (1 + sum(_level_sizes(data_size // BLOCK)))


def read_root_hash(start: bytes) -> str:
    """Return the root hash that a hash image stands for, told from its beginning alone.

    It says which data the tree belongs to, not that data or tree are sound; `verify` does that.

    Args:
        start: the first 8192 bytes of a hash image, or of the partition that it was written to.

    Raises:
        VerityError: not a hash image, or a tree of a kind that we do not make; or its data is one
            block, whose digest stands nowhere.
    """
    superblock = Superblock.from_block(start[:BLOCK])
    top = start[BLOCK : 2 * BLOCK]
    if superblock.data_blocks <= 1 or len(top) < BLOCK:
        raise VerityError("the hash image ends before the top of its tree")
    return hashlib.sha256(superblock.salt + top).hexdigest()


def build_tree(data: Path, tree: Path, *, salt: bytes, uuid: UUID) -> str:
    """Write the hash image of a file; an existing hash image is replaced.

    Args:
        data: image of the data, a whole number of blocks.
        tree: the hash image to write.
        salt: at most 256 bytes; empty is allowed.
        uuid: name of the hash image.

    Returns:
        The root hash, 64 hexadecimal digits.

    Raises:
        VerityError: the data is empty or not a whole number of blocks, or the salt is too long.
        DeviceError: the data cannot be read.
        OSError: the hash image cannot be written.
    """
    if len(salt) > MAX_SALT:
        raise VerityError(f"a salt of {len(salt)} bytes does not fit; at most {MAX_SALT}")
    with open_device(Extent(data), Access.READ) as source:
        if source.size == 0 or source.size % BLOCK:
            raise VerityError(
                f"{data} has {source.size} bytes, not a whole number of blocks of {BLOCK}"
            )
        superblock = Superblock(uuid.bytes, salt, source.size // BLOCK)
        with tree.open("wb") as out:
            out.write(superblock.to_block())
            return _hash_all(source, superblock, lambda number, block: _put(out, number, block))


def verify(data: BlockIO, tree: BlockIO, root_hash: str) -> Superblock:
    """Check every byte of the data and of the tree against the root hash.

    The data may be followed by other bytes, as on a partition larger than its image, and so may
    the tree; neither the kernel nor this reads those. The UUID is the one thing in the hash image
    that nothing covers; the caller may compare it in what is returned.

    Args:
        data: the data: a partition, or an image file opened by ``partitions.device``.
        tree: the hash image.
        root_hash: hexadecimal digits, in either case.

    Returns:
        What the superblock says.

    Raises:
        VerityError: something differs; the message says which block.
        DeviceError: reading failed.
    """
    if tree.size < BLOCK:
        raise VerityError(f"{tree.path} is too small for a dm-verity superblock")
    superblock = Superblock.from_block(tree.pread(0, BLOCK))
    _check_sizes(superblock, data, tree)

    def compare(number: int, block: bytes) -> None:
        if tree.pread(number * BLOCK, BLOCK) != block:
            raise VerityError(
                f"block {number} of {tree.path} is not what {data.path} hashes to; the data or the"
                " tree was changed"
            )

    found = _hash_all(data, superblock, compare)
    if not hmac.compare_digest(found.encode(), root_hash.lower().encode()):
        raise VerityError(f"the root hash of {data.path} is {found}, expected {root_hash.lower()}")
    return superblock


def matches(data: BlockIO, tree: BlockIO, root_hash: str) -> bool:
    """Tell whether dm-verity would accept every block; see ``verify`` for the reason if not.

    Raises:
        DeviceError: reading failed.
    """
    try:
        verify(data, tree, root_hash)
    except VerityError:
        return False
    return True


def _check_sizes(superblock: Superblock, data: BlockIO, tree: BlockIO) -> None:
    available = data.size // BLOCK
    if not 0 < superblock.data_blocks <= available:
        raise VerityError(
            f"{tree.path} covers {superblock.data_blocks} blocks, {data.path} has {available}"
        )
    needed = hash_image_size(superblock.data_blocks * BLOCK)
    if tree.size < needed:
        raise VerityError(f"{tree.path} was cut: it has {tree.size} bytes of {needed}")


def _put(out: BinaryIO, number: int, block: bytes) -> None:
    out.seek(number * BLOCK)
    out.write(block)


def _level_sizes(data_blocks: int) -> list[int]:
    """Return the hash blocks of each level, the lowest first; none for a single data block."""
    sizes = []
    below = data_blocks
    while below > 1:
        below = -(-below // _PER_BLOCK)
        sizes.append(below)
    return sizes


def _hash_all(data: BlockIO, superblock: Superblock, sink: _Sink) -> str:
    """Hash all data, hand every hash block to ``sink``, and return the root hash."""
    sizes = _level_sizes(superblock.data_blocks)
    # The highest level lies first, right behind the superblock.
    starts = [1 + sum(sizes[level + 1 :]) for level in range(len(sizes))]
    salted = hashlib.sha256(superblock.salt)
    levels = _Levels(starts, salted, sink)
    for digests in _data_digests(data, superblock.data_blocks, salted):
        levels.add(0, digests)
    return levels.finish().hex()


def _data_digests(data: BlockIO, blocks: int, salted: hashlib._Hash) -> Iterator[bytes]:
    """Yield the digests of 128 data blocks at a time, of fewer at the end."""
    fork = salted.copy
    for first in range(0, blocks, _PER_BLOCK):
        count = min(blocks - first, _PER_BLOCK)
        piece = memoryview(data.pread(first * BLOCK, count * BLOCK))
        digests = []
        for at in range(0, count * BLOCK, BLOCK):
            block = fork()
            block.update(piece[at : at + BLOCK])
            digests.append(block.digest())
        yield b"".join(digests)


class _Levels:
    """The open block of every level; a full one goes to the sink and its digest one level up."""

    def __init__(self, starts: list[int], salted: hashlib._Hash, sink: _Sink) -> None:
        self._open = [bytearray() for _ in starts]
        self._next = list(starts)
        self._salted = salted
        self._sink = sink
        self._root = b""

    def add(self, level: int, digests: bytes) -> None:
        """Append digests; they never cross a block boundary."""
        if level == len(self._open):
            self._root = digests
            return
        block = self._open[level]
        block += digests
        if len(block) == BLOCK:
            self._close(level)

    def finish(self) -> bytes:
        """Close what is open, the lowest level first, and return the root hash."""
        for level, block in enumerate(self._open):
            if block:
                self._close(level)
        return self._root

    def _close(self, level: int) -> None:
        block = bytes(self._open[level]).ljust(BLOCK, b"\0")
        self._open[level].clear()
        self._sink(self._next[level], block)
        self._next[level] += 1
        digest = self._salted.copy()
        digest.update(block)
        self.add(level + 1, digest.digest())
