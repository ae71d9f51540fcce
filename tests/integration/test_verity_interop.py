"""Our dm-verity trees against cryptsetup's veritysetup."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from uuid import UUID

import pytest

from partitions.blockio import Access, Extent
from partitions.device import open_device
from partitions.verity import BLOCK, build_tree, verify

NAME = UUID("6f1d7a52-3b7c-4d2e-9d0a-0c5a4f1b2e33")
KIND = ("--hash=sha256", "--data-block-size=4096", "--hash-block-size=4096")


def veritysetup_format(data: Path, tree: Path, salt: bytes) -> str:
    run = subprocess.run(
        [
            "veritysetup",
            "format",
            f"--salt={salt.hex() or '-'}",
            f"--uuid={NAME}",
            *KIND,
            data,
            tree,
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    fields = dict(line.split(":", 1) for line in run.stdout.splitlines() if ":" in line)
    return fields["Root hash"].strip()


def make_data(path: Path, blocks: int) -> Path:
    path.write_bytes(os.urandom(blocks * BLOCK))
    return path


# Around every size at which the tree gets another block or another level.
@pytest.mark.parametrize("blocks", [1, 2, 127, 128, 129, 256, 257, 16383, 16384, 16385])
def test_trees_are_byte_identical(tmp_path: Path, blocks: int) -> None:
    data = make_data(tmp_path / "data", blocks)
    salt = bytes(range(32))
    ours = build_tree(data, tmp_path / "ours", salt=salt, uuid=NAME)
    theirs = veritysetup_format(data, tmp_path / "theirs", salt)
    assert ours == theirs
    assert (tmp_path / "ours").read_bytes() == (tmp_path / "theirs").read_bytes()


@pytest.mark.parametrize("salt", [b"", b"\x01", bytes(range(256))])
def test_trees_are_byte_identical_with_any_salt(tmp_path: Path, salt: bytes) -> None:
    data = make_data(tmp_path / "data", 130)
    ours = build_tree(data, tmp_path / "ours", salt=salt, uuid=NAME)
    assert ours == veritysetup_format(data, tmp_path / "theirs", salt)
    assert (tmp_path / "ours").read_bytes() == (tmp_path / "theirs").read_bytes()


def test_veritysetup_accepts_ours(tmp_path: Path) -> None:
    data, tree = make_data(tmp_path / "data", 300), tmp_path / "tree"
    root_hash = build_tree(data, tree, salt=b"salt", uuid=NAME)
    subprocess.run(["veritysetup", "verify", data, tree, root_hash], check=True)


def test_we_accept_theirs(tmp_path: Path) -> None:
    data, tree = make_data(tmp_path / "data", 300), tmp_path / "tree"
    root_hash = veritysetup_format(data, tree, b"salt")
    with (
        open_device(Extent(data), Access.READ) as blocks,
        open_device(Extent(tree), Access.READ) as hashes,
    ):
        assert verify(blocks, hashes, root_hash).uuid == NAME.bytes
