from __future__ import annotations

from pathlib import Path

import pytest

from updog.durable import read_small, remove_durably, write_durably
from updog.errors import StorageError


def test_a_file_is_written_with_the_folders_it_needs(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "file"
    write_durably(path, b"content")
    assert path.read_bytes() == b"content"


def test_replacing_leaves_no_draft_behind(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_durably(path, b"old")
    write_durably(path, b"new")
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]
    assert path.read_bytes() == b"new"


def test_a_folder_in_the_way_is_our_own_error(tmp_path: Path) -> None:
    (tmp_path / "file" / "inner").mkdir(parents=True)
    with pytest.raises(StorageError, match="cannot be written"):
        write_durably(tmp_path / "file", b"new")


def test_a_missing_file_reads_as_none(tmp_path: Path) -> None:
    assert read_small(tmp_path / "file", 10) is None


def test_a_file_of_exactly_the_limit_is_read(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"0123456789")
    assert read_small(tmp_path / "file", 10) == b"0123456789"


def test_a_file_above_the_limit_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"0123456789")
    with pytest.raises(StorageError, match="longer than the 9 bytes"):
        read_small(tmp_path / "file", 9)


def test_reading_a_folder_is_our_own_error(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="cannot be read"):
        read_small(tmp_path, 10)


def test_removing_twice_is_no_error(tmp_path: Path) -> None:
    write_durably(tmp_path / "file", b"x")
    remove_durably(tmp_path / "file")
    remove_durably(tmp_path / "file")
    assert not (tmp_path / "file").exists()


def test_removing_a_folder_is_our_own_error(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(StorageError):
        remove_durably(tmp_path / "folder")
