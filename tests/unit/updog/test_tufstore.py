from __future__ import annotations

from pathlib import Path

import pytest

from updog.errors import StorageError, TrustError, UpdogError
from updog.tufstore import SIZE_LIMIT, MetadataStore


def test_what_was_saved_is_loaded_byte_for_byte(tmp_path: Path) -> None:
    store = MetadataStore(tmp_path / "not" / "there" / "yet")
    store.save("timestamp", b"\0\xff\n")
    assert store.load("timestamp") == b"\0\xff\n"


def test_what_was_never_saved_is_none(tmp_path: Path) -> None:
    store = MetadataStore(tmp_path)
    assert store.load("timestamp") is None
    assert store.load_root(1) is None


def test_what_was_deleted_is_none_and_may_be_deleted_again(tmp_path: Path) -> None:
    store = MetadataStore(tmp_path)
    store.save("snapshot", b"x")
    store.delete("snapshot")
    store.delete("snapshot")
    assert store.load("snapshot") is None


def test_a_root_is_kept_under_its_version_and_as_the_newest(tmp_path: Path) -> None:
    store = MetadataStore(tmp_path)
    store.save_root(3, b"three")
    store.save_root(4, b"four")
    assert (store.load_root(3), store.load_root(4)) == (b"three", b"four")
    assert (tmp_path / "root.json").read_bytes() == b"four"


def test_no_temporary_file_stays(tmp_path: Path) -> None:
    MetadataStore(tmp_path).save("timestamp", b"x")
    assert [path.name for path in tmp_path.iterdir()] == ["timestamp.json"]


@pytest.mark.parametrize("role", ["../../etc/passwd", "/etc/passwd", "..", "a/b", "a\0b", "ä"])
def test_no_role_name_leaves_the_directory(role: str, tmp_path: Path) -> None:
    store = MetadataStore(tmp_path / "state")
    store.save(role, b"x")
    assert store.load(role) == b"x"
    assert [path.parent for path in tmp_path.rglob("*.json")] == [tmp_path / "state"]


def test_a_role_name_without_utf8_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TrustError):
        MetadataStore(tmp_path).save("\ud800", b"x")


def test_a_file_beyond_all_measure_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "targets.json").open("wb") as file:
        file.truncate(SIZE_LIMIT + 1)
    with pytest.raises(StorageError, match="longer"):
        MetadataStore(tmp_path).load("targets")


def test_a_file_in_place_of_the_directory_is_our_error(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_bytes(b"")
    with pytest.raises(UpdogError):
        MetadataStore(blocked).save("timestamp", b"x")


def test_without_kept_roots_only_the_newest_is_written(tmp_path: Path) -> None:
    store = MetadataStore(tmp_path, keep_roots=False)
    store.save_root(3, b"three")
    assert store.load_root(3) is None
    assert [path.name for path in tmp_path.iterdir()] == ["root.json"]
