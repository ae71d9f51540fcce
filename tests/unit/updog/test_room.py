from __future__ import annotations

import os
from pathlib import Path

import pytest

from updog.errors import StorageError
from updog.room import Need, absent, free_bytes, peak, require

TOO_MUCH = 1 << 60


def block(folder: Path) -> int:
    return os.statvfs(folder).f_frsize


def test_what_fits_is_let_through(tmp_path: Path) -> None:
    require([Need(tmp_path, 1, "notes")])


def test_what_cannot_fit_is_refused_with_folder_figures_and_way_out(tmp_path: Path) -> None:
    with pytest.raises(
        StorageError, match=rf"^{tmp_path}: \d+ bytes are free there, and images take {TOO_MUCH}"
    ) as caught:
        require([Need(tmp_path, TOO_MUCH, "images")])
    assert "Make room there" in caught.value.hint
    assert caught.value.exit_code == 74


def test_a_folder_that_will_be_made_is_judged_by_where_it_will_be(tmp_path: Path) -> None:
    assert free_bytes(tmp_path / "not" / "yet") is not None


def test_folders_of_one_file_system_share_its_room(tmp_path: Path) -> None:
    free = free_bytes(tmp_path)
    assert free is not None
    half = [Need(tmp_path / name, free - free // 3, f"things of {name}") for name in ("a", "b")]
    require(half[:1])
    with pytest.raises(StorageError, match=rf"{tmp_path}/a and {tmp_path}/b: .* of a and things"):
        require(half)


def test_a_folder_that_needs_nothing_is_not_named(tmp_path: Path) -> None:
    with pytest.raises(StorageError) as caught:
        require([Need(tmp_path / "a", 0, "notes"), Need(tmp_path / "b", TOO_MUCH, "images")])
    assert "notes" not in str(caught.value)
    assert f"{tmp_path}/a" not in str(caught.value)


def test_nothing_is_needed_where_nobody_tells_how_much_is_free() -> None:
    assert free_bytes(Path("/proc")) is None
    require([Need(Path("/proc"), TOO_MUCH, "notes")])


def test_files_of_another_length_are_absent(tmp_path: Path) -> None:
    (tmp_path / "right").write_bytes(b"1234")
    (tmp_path / "short").write_bytes(b"123")
    wanted = {"right": 4, "short": 4, "missing": 4}
    assert absent(tmp_path, wanted) == {"short": 4, "missing": 4}


def test_each_new_file_takes_whole_blocks(tmp_path: Path) -> None:
    assert peak(tmp_path, {"a": 1, "b": block(tmp_path) + 1}) == 3 * block(tmp_path)
    assert peak(tmp_path, {}) == 0


def test_a_replaced_file_takes_room_until_the_new_one_stands(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"1")
    (tmp_path / "b").write_bytes(b"1")
    assert peak(tmp_path, {"a": 2, "b": 2}) == block(tmp_path)
    assert peak(tmp_path, {"a": 2, "new": 2, "b": 2}) == 2 * block(tmp_path)
