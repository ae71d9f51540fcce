from __future__ import annotations

import os
from pathlib import Path
from uuid import UUID

import pytest

from partitions.blockio import Access, Extent
from partitions.device import open_device
from partitions.verity import (
    BLOCK,
    Superblock,
    VerityError,
    build_tree,
    hash_image_size,
    matches,
    read_root_hash,
    verify,
)
from tests.fakes.memory_disk import MemoryDisk

SALT = bytes(range(32))
NAME = UUID("12345678-1234-1234-1234-123456789abc")


class Pair:
    """Data and its hash image in memory, and the root hash."""

    def __init__(self, folder: Path, blocks: int) -> None:
        data, tree = folder / "data", folder / "tree"
        data.write_bytes(os.urandom(blocks * BLOCK))
        self.root_hash = build_tree(data, tree, salt=SALT, uuid=NAME)
        self.data = MemoryDisk(bytearray(data.read_bytes()))
        self.tree = MemoryDisk(bytearray(tree.read_bytes()))

    @property
    def whole(self) -> bool:
        return matches(self.data, self.tree, self.root_hash)


@pytest.fixture
def pair(tmp_path: Path) -> Pair:
    return Pair(tmp_path, 130)


@pytest.mark.parametrize("blocks", [1, 2, 127, 128, 129])
def test_what_was_built_is_accepted(tmp_path: Path, blocks: int) -> None:
    assert Pair(tmp_path, blocks).whole


def test_verify_returns_the_superblock(pair: Pair) -> None:
    assert verify(pair.data, pair.tree, pair.root_hash.upper()) == Superblock(NAME.bytes, SALT, 130)


def test_the_tree_has_the_size_that_was_foretold(pair: Pair) -> None:
    assert pair.tree.size == hash_image_size(pair.data.size) == 4 * BLOCK


def test_any_changed_byte_of_the_data_is_found(pair: Pair) -> None:
    for at in (0, 1, BLOCK - 1, BLOCK, 128 * BLOCK, pair.data.size - 1):
        pair.data.data[at] ^= 0x40
        assert not pair.whole, at
        pair.data.data[at] ^= 0x40
    assert pair.whole


def test_any_changed_byte_of_the_tree_is_found(pair: Pair) -> None:
    for at in range(BLOCK, pair.tree.size, 97):
        pair.tree.data[at] ^= 1
        assert not pair.whole, at
        pair.tree.data[at] ^= 1


def test_any_changed_byte_of_the_superblock_but_the_uuid_is_found(pair: Pair) -> None:
    for at in (*range(16), *range(32, 600), BLOCK - 1):
        pair.tree.data[at] ^= 1
        assert not pair.whole, at
        pair.tree.data[at] ^= 1


def test_a_changed_uuid_can_be_told_by_the_caller(pair: Pair) -> None:
    pair.tree.data[16] ^= 1
    assert verify(pair.data, pair.tree, pair.root_hash).uuid != NAME.bytes


def test_another_root_hash_is_refused(pair: Pair) -> None:
    with pytest.raises(VerityError, match=r"the root hash of .* is .*, expected 0{64}"):
        verify(pair.data, pair.tree, "0" * 64)


def test_a_root_hash_that_is_no_hash_is_refused(pair: Pair) -> None:
    with pytest.raises(VerityError, match="root hash"):
        verify(pair.data, pair.tree, "é")


def test_bytes_behind_data_and_tree_do_not_matter(pair: Pair) -> None:
    pair.data.data += b"what an older, longer image left on the partition"
    pair.tree.data += b"the same"
    assert pair.whole


def test_swapped_blocks_are_found(pair: Pair) -> None:
    first, second = pair.data.data[:BLOCK], pair.data.data[BLOCK : 2 * BLOCK]
    pair.data.data[: 2 * BLOCK] = second + first
    with pytest.raises(VerityError, match="was changed"):
        verify(pair.data, pair.tree, pair.root_hash)


def test_cut_data_is_found(pair: Pair) -> None:
    del pair.data.data[-1:]
    with pytest.raises(VerityError, match=r"covers 130 blocks, .* has 129"):
        verify(pair.data, pair.tree, pair.root_hash)


def test_a_cut_tree_is_found(pair: Pair) -> None:
    del pair.tree.data[-1:]
    with pytest.raises(VerityError, match="was cut"):
        verify(pair.data, pair.tree, pair.root_hash)


def test_an_empty_tree_is_refused(pair: Pair) -> None:
    with pytest.raises(VerityError, match="too small for a dm-verity superblock"):
        verify(pair.data, MemoryDisk(bytearray()), pair.root_hash)


def test_something_else_than_a_tree_is_refused(pair: Pair) -> None:
    with pytest.raises(VerityError, match="does not begin with a dm-verity superblock"):
        verify(pair.data, MemoryDisk(bytearray(BLOCK)), pair.root_hash)


def test_no_blocks_at_all_are_refused(pair: Pair) -> None:
    empty = Superblock(NAME.bytes, SALT, 0).to_block()
    with pytest.raises(VerityError, match="covers 0 blocks"):
        verify(pair.data, MemoryDisk(bytearray(empty)), pair.root_hash)


@pytest.mark.parametrize("size", [0, 1, BLOCK - 1, BLOCK + 1])
def test_data_of_no_whole_number_of_blocks_is_refused(tmp_path: Path, size: int) -> None:
    (tmp_path / "data").write_bytes(bytes(size))
    with pytest.raises(VerityError, match="not a whole number of blocks"):
        build_tree(tmp_path / "data", tmp_path / "tree", salt=SALT, uuid=NAME)


def test_a_salt_that_is_too_long_is_refused(tmp_path: Path) -> None:
    (tmp_path / "data").write_bytes(bytes(BLOCK))
    with pytest.raises(VerityError, match="at most 256"):
        build_tree(tmp_path / "data", tmp_path / "tree", salt=bytes(257), uuid=NAME)


def test_data_is_streamed(tmp_path: Path) -> None:
    (tmp_path / "data").write_bytes(bytes(1000 * BLOCK))
    root_hash = build_tree(tmp_path / "data", tmp_path / "tree", salt=b"", uuid=NAME)
    data = MemoryDisk(bytearray(1000 * BLOCK))
    with open_device(Extent(tmp_path / "tree"), Access.READ) as tree:
        verify(data, tree, root_hash)
    assert max(length for _, length in data.reads) <= 128 * BLOCK


@pytest.mark.parametrize("blocks", [2, 128, 129, 20_000])
def test_the_root_hash_is_told_from_the_beginning_of_the_tree(tmp_path: Path, blocks: int) -> None:
    pair = Pair(tmp_path, blocks)
    assert read_root_hash(pair.tree.pread(0, 2 * BLOCK)) == pair.root_hash


@pytest.mark.parametrize(
    "start", [b"", b"x" * 2 * BLOCK, Superblock(NAME.bytes, SALT, 9).to_block()]
)
def test_what_is_no_tree_has_no_root_hash(start: bytes) -> None:
    with pytest.raises(VerityError):
        read_root_hash(start)


def test_the_tree_of_one_block_does_not_hold_its_root_hash() -> None:
    start = Superblock(NAME.bytes, SALT, 1).to_block() + bytes(BLOCK)
    with pytest.raises(VerityError, match="top of its tree"):
        read_root_hash(start)
