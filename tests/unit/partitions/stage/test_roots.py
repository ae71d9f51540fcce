"""Which dm-verity device is made of a root, when, and that one for a look does not stay."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID

import pytest

from partitions.stage.devicemapper import Target
from partitions.stage.disks import SetNodes
from partitions.stage.errors import StageError
from partitions.stage.starting import check_mount, check_root, open_root
from partitions.stage.words import OnCorruption, Words, parse
from partitions.verity import build_tree

LINE = f"quiet updog.root_hash={'ab' * 32}"


@dataclass
class Mapper:
    """Makes devices that are files; ``lines`` are their tables, ``there`` their names."""

    node: Path
    lines: list[str] = field(default_factory=list)
    there: list[str] = field(default_factory=list)

    def create(self, name: str, target: Target, on_corruption: OnCorruption) -> Path:
        self.lines.append(target.parameters(on_corruption))
        self.there.append(name)
        return self.node

    def remove(self, name: str) -> None:
        self.there.remove(name)


@pytest.fixture
def nodes(tmp_path: Path) -> SetNodes:
    root, hashes = tmp_path / "root", tmp_path / "hash"
    root.write_bytes(bytes(8192))
    build_tree(root, hashes, salt=b"salt", uuid=UUID(int=1))
    return SetNodes(tmp_path / "boot", root, hashes)


@pytest.fixture
def mapper(nodes: SetNodes) -> Mapper:
    return Mapper(nodes.root)


@pytest.mark.parametrize(
    ("word", "option"),
    [
        ("", " 1 restart_on_corruption"),
        ("updog.verity=restart", " 1 restart_on_corruption"),
        ("updog.verity=panic", " 1 panic_on_corruption"),
        ("updog.verity=eio", ""),
    ],
)
def test_the_root_of_the_system_restarts_the_machine_unless_its_command_line_says_otherwise(
    nodes: SetNodes, mapper: Mapper, word: str, option: str
) -> None:
    open_root(nodes, parse(f"{LINE} {word}"), mapper)
    salt = b"salt".hex()
    assert mapper.lines == [
        f"1 {nodes.root} {nodes.hash} 4096 4096 2 1 sha256 {'ab' * 32} {salt}{option}"
    ]
    assert mapper.there == ["root"]


def test_a_root_that_is_only_looked_at_never_restarts_the_machine(
    nodes: SetNodes, mapper: Mapper
) -> None:
    check_root(nodes, parse(f"{LINE} updog.verity=restart"), mapper)
    assert "corruption" not in mapper.lines[0]
    assert mapper.there == []


def test_nor_one_whose_file_system_is_looked_at(
    nodes: SetNodes, mapper: Mapper, tmp_path: Path
) -> None:
    with pytest.raises(StageError, match="holds none of ext4"):
        check_mount(nodes, parse(f"{LINE} updog.verity=restart"), tmp_path / "sysroot", mapper)
    assert "corruption" not in mapper.lines[0]
    assert mapper.there == []


def test_a_root_that_cannot_be_read_is_told_and_let_go(
    nodes: SetNodes, mapper: Mapper, tmp_path: Path
) -> None:
    mapper.node = tmp_path  # a folder: it opens and refuses to be read
    with pytest.raises(StageError, match="is not what the root hash says"):
        check_root(nodes, parse(LINE), mapper)
    with pytest.raises(StageError, match="cannot be read"):
        check_mount(nodes, parse(LINE), tmp_path / "sysroot", mapper)
    assert mapper.there == []


def test_an_empty_root_is_told(nodes: SetNodes, mapper: Mapper, tmp_path: Path) -> None:
    mapper.node = tmp_path / "empty"
    mapper.node.touch()
    with pytest.raises(StageError, match="is empty"):
        check_root(nodes, parse(LINE), mapper)


def test_without_a_root_hash_nothing_is_made(nodes: SetNodes, mapper: Mapper) -> None:
    with pytest.raises(StageError, match=r"no updog\.root_hash="):
        open_root(nodes, Words(), mapper)
    assert mapper.lines == []
