"""Files of a repository, under power cuts."""

from __future__ import annotations

import errno
import stat
from pathlib import Path

import pytest

from repo_tools import storage
from tests.fakes.syncs import Syncs


def test_a_file_is_on_stable_storage_before_it_has_its_name(tmp_path: Path) -> None:
    syncs, path = Syncs(), tmp_path / "timestamp.json"
    with storage.replacing(path, sync=syncs) as file:
        file.write(b"signed")
        assert not path.exists()
    assert len(syncs.calls) == 2
    syncs.assert_proven(path, b"signed")


def test_each_new_folder_is_flushed_into_its_parent(tmp_path: Path) -> None:
    syncs, folder = Syncs(), tmp_path / "published" / "targets"
    storage.make_folder(folder, mode=0o700, sync=syncs)
    assert syncs.of_folders() == [
        (tmp_path, frozenset({"published"})),
        (tmp_path / "published", frozenset({"targets"})),
    ]
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


@pytest.mark.parametrize(
    ("number", "named"), [(errno.ENOSPC, True), (errno.EDQUOT, True), (errno.EIO, False)]
)
def test_file_that_did_not_fit_is_named(tmp_path: Path, number: int, *, named: bool) -> None:
    path = tmp_path / "file"
    with pytest.raises(OSError, match="full") as raised, storage.replacing(path):
        raise OSError(number, "full")
    assert raised.value.filename == (str(path) if named else None)


def test_name_that_the_system_gave_is_kept(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="full") as raised, storage.naming(tmp_path / "file"):
        raise OSError(errno.ENOSPC, "full", "another")
    assert raised.value.filename == "another"
