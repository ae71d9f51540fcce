"""The first block of a dm-verity hash image: version 1, sha256, blocks of 4096 bytes. PURE.

Apart from `partitions.verity`, which hashes: the boot stage reads a superblock and leaves the
hashing to the kernel.
"""

from __future__ import annotations

import struct
from typing import NamedTuple, Self

from partitions.errors import EX_DATAERR, PartitionError

BLOCK = 4096
MAX_SALT = 256

_SUPERBLOCK = struct.Struct("<8sII16s32sIIQH6x256s168x")
_MAGIC = b"verity\0\0"
_VERSION = 1
_NORMAL_HASH = 1  # 0 is the older Chrome OS order of salt and data
_ALGORITHM = b"sha256"


class VerityError(PartitionError):
    """Data and hash tree do not belong together, or the tree is not one of ours."""

    exit_code = EX_DATAERR


class Superblock(NamedTuple):
    """What a hash image says about itself.

    Attributes:
        uuid: name of the hash image, 16 bytes; no digest covers it.
        salt: bytes put before every block when it is hashed, at most 256.
        data_blocks: blocks of data that the tree covers.
    """

    uuid: bytes
    salt: bytes
    data_blocks: int

    @classmethod
    def from_block(cls, block: bytes) -> Self:
        """Take the first block of a hash image apart.

        Raises:
            VerityError: not a superblock, or of a kind that we do not make.
        """
        if len(block) < BLOCK or not block.startswith(_MAGIC):
            raise VerityError("the hash image does not begin with a dm-verity superblock")
        fields = _SUPERBLOCK.unpack_from(block)
        (_, version, hash_type, uuid, algorithm, data_size, hash_size, blocks, salted, salt) = (
            fields
        )
        kind = (version, hash_type, algorithm.rstrip(b"\0"), data_size, hash_size)
        if kind != (_VERSION, _NORMAL_HASH, _ALGORITHM, BLOCK, BLOCK):
            raise VerityError(
                f"the hash image is not dm-verity version 1 with sha256 and blocks of {BLOCK}"
                f" bytes: {kind}"
            )
        found = cls(uuid, salt[:salted], blocks)
        if salted > MAX_SALT or found.to_block() != block[:BLOCK]:
            raise VerityError("the superblock of the hash image has bytes where none belong")
        return found

    def to_block(self) -> bytes:
        """Return the block as it lies in the hash image."""
        packed = _SUPERBLOCK.pack(
            _MAGIC,
            _VERSION,
            _NORMAL_HASH,
            self.uuid,
            _ALGORITHM,
            BLOCK,
            BLOCK,
            self.data_blocks,
            len(self.salt),
            self.salt,
        )
        return packed.ljust(BLOCK, b"\0")
