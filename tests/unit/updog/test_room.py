from __future__ import annotations

from pathlib import Path

import pytest

from updog.errors import StorageError
from updog.room import free_bytes, require


def test_what_fits_is_let_through(tmp_path: Path) -> None:
    require(tmp_path, 1, "notes")


def test_what_cannot_fit_is_refused_with_both_figures(tmp_path: Path) -> None:
    with pytest.raises(
        StorageError, match=rf"{tmp_path} has \d+ bytes free, and images take {1 << 60}"
    ):
        require(tmp_path, 1 << 60, "images")


def test_a_folder_that_will_be_made_is_judged_by_where_it_will_be(tmp_path: Path) -> None:
    assert free_bytes(tmp_path / "not" / "yet") is not None
