from __future__ import annotations

import pytest

from updog.errors import TrustError
from updog.tufnames import check_flat_name, role_file, target_file, url, url_path

HASHES = {"sha512": "bb", "sha256": "aa"}


@pytest.mark.parametrize(
    ("role", "version", "name"),
    [
        ("timestamp", None, "timestamp.json"),
        ("snapshot", 7, "7.snapshot.json"),
        ("a/b", 1, "1.a%2Fb.json"),
        ("../x", None, "..%2Fx.json"),
        ("ä?#%", None, "%C3%A4%3F%23%25.json"),
    ],
)
def test_role_names_become_file_names(role: str, version: int | None, name: str) -> None:
    assert role_file(role, version) == name


def test_the_sha256_comes_before_the_name_in_consistent_snapshots() -> None:
    assert target_file("dir/file", HASHES, consistent=True) == "dir/aa.file"


def test_plain_snapshots_use_the_name_alone() -> None:
    assert target_file("dir/file", HASHES, consistent=False) == "dir/file"


def test_another_hash_serves_where_there_is_no_sha256() -> None:
    assert target_file("file", {"sha512": "bb"}, consistent=True) == "bb.file"


def test_a_hash_cannot_smuggle_a_path() -> None:
    with pytest.raises(TrustError):
        target_file("file", {"sha256": "../../x"}, consistent=True)


@pytest.mark.parametrize("name", ["a/b", "/a", "a/", "..", "", "a\0", "\ud800"])
def test_only_plain_names_are_flat(name: str) -> None:
    with pytest.raises(TrustError):
        check_flat_name(name)


@pytest.mark.parametrize("name", ["manifest.json", "a..b", "...", "-x", "ä"])
def test_plain_names_are_flat(name: str) -> None:
    assert check_flat_name(name) == name


@pytest.mark.parametrize("base", ["http://host/x", "http://host/x/", "http://host/x//"])
def test_slashes_at_the_end_of_a_base_do_not_matter(base: str) -> None:
    assert url(base, "a.json", {}) == "http://host/x/a.json"


def test_parameters_are_sorted_and_form_encoded() -> None:
    query = {"version": "1.2.3+a b", "seed": "7", "migrations": "x,y"}
    expected = "http://h/a?migrations=x%2Cy&seed=7&version=1.2.3%2Ba+b"
    assert url("http://h", "a", query) == expected


def test_target_paths_are_encoded_but_for_their_slashes() -> None:
    assert url_path("dir/a b%?#") == "dir/a%20b%25%3F%23"
