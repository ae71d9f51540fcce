"""The hashes of what the sets hold: only ever a hint, so nothing about them may fail a run."""

from __future__ import annotations

from pathlib import Path

import pytest

from updog import kept
from updog.errors import StorageError
from updog.pipeline.columns import Slices

HASHES = bytes(range(256)) * 1024


def content(found: Slices | None) -> bytes | None:
    return None if found is None else bytes(found[: len(found)])


def test_what_was_kept_is_recalled(tmp_path: Path) -> None:
    kept.remember(tmp_path / "new", "A", "root", memoryview(HASHES))
    assert content(kept.recall(tmp_path / "new", "A", "root")) == HASHES


def test_each_partition_of_each_set_has_its_own(tmp_path: Path) -> None:
    kept.remember(tmp_path, "A", "root", memoryview(HASHES))
    assert kept.recall(tmp_path, "B", "root") is None
    assert kept.recall(tmp_path, "A", "boot") is None


def test_what_is_forgotten_of_one_set_stays_for_the_other(tmp_path: Path) -> None:
    for slot in "AB":
        for role in kept.ROLES:
            kept.remember(tmp_path, slot, role, memoryview(HASHES))
    kept.forget(tmp_path, "B")
    assert kept.recall(tmp_path, "B", "hash") is None
    assert content(kept.recall(tmp_path, "A", "hash")) == HASHES


def test_forgetting_nothing_is_no_error(tmp_path: Path) -> None:
    kept.forget(tmp_path / "never made", "A")


@pytest.mark.parametrize("length", [1, 7, 9, 4095])
def test_a_file_that_was_cut_is_not_used(tmp_path: Path, length: int) -> None:
    kept.remember(tmp_path, "A", "root", memoryview(HASHES[:length]))
    assert kept.recall(tmp_path, "A", "root") is None


def test_something_unreadable_is_not_used(tmp_path: Path) -> None:
    (tmp_path / "A-root.blake3").mkdir()
    assert kept.recall(tmp_path, "A", "root") is None


def test_what_was_recalled_stays_while_the_file_is_replaced(tmp_path: Path) -> None:
    kept.remember(tmp_path, "A", "root", memoryview(HASHES))
    found = kept.recall(tmp_path, "A", "root")
    kept.remember(tmp_path, "A", "root", memoryview(bytes(8)))
    assert content(found) == HASHES


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StorageError):
        kept.remember(tmp_path / "file" / "below", "A", "root", memoryview(HASHES))
