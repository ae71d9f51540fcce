from __future__ import annotations

from pathlib import Path

import pytest

from tests.fakes.syncs import Syncs
from updog.durable import make_folder, read_small, remove_durably, write_durably
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


# What a power cut leaves --------------------------------------------------------------------------


def test_the_bytes_are_flushed_before_the_rename_and_the_name_after_it(tmp_path: Path) -> None:
    syncs, path = Syncs(), tmp_path / "file"
    write_durably(path, b"old")
    write_durably(path, b"content", syncs)
    assert len(syncs.calls) == 2
    syncs.assert_proven(path, b"content")


def test_each_new_folder_is_flushed_into_its_parent_before_anything_is_put_in_it(
    tmp_path: Path,
) -> None:
    syncs = Syncs()
    write_durably(tmp_path / "a" / "b" / "file", b"content", syncs)
    assert syncs.of_folders() == [
        (tmp_path, frozenset({"a"})),
        (tmp_path / "a", frozenset({"b"})),
        (tmp_path / "a" / "b", frozenset({"file"})),
    ]


def test_a_folder_that_is_there_is_not_flushed_again(tmp_path: Path) -> None:
    syncs = Syncs()
    make_folder(tmp_path, syncs)
    assert syncs.calls == []


def test_a_removal_is_flushed(tmp_path: Path) -> None:
    syncs = Syncs()
    write_durably(tmp_path / "file", b"x")
    remove_durably(tmp_path / "file", syncs)
    assert syncs.calls == [(tmp_path, frozenset())]


def test_a_disk_that_cannot_flush_is_our_own_error(tmp_path: Path) -> None:
    def dying(_descriptor: int) -> None:
        raise OSError(5, "Input/output error")

    write_durably(tmp_path / "file", b"old")
    with pytest.raises(StorageError, match="Input/output error"):
        write_durably(tmp_path / "file", b"new", dying)
    assert (tmp_path / "file").read_bytes() == b"old"
