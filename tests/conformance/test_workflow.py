"""What is asked for, in which order, and what is trusted afterwards."""

from __future__ import annotations

import json

import pytest
from tuf.api.metadata import MetaFile

from tests.conformance.conftest import Caller
from tests.fakes.repository import FakeRepository
from updog.errors import NotThere

TOP = {"root": 1, "timestamp": 1, "snapshot": 1, "targets": 1}


def test_init_asks_for_nothing(caller: Caller) -> None:
    assert caller.requests() == []
    assert caller.trusted() == {"root": 1}


def test_a_first_refresh_asks_for_four_files_in_order(caller: Caller) -> None:
    assert caller.refresh() == 0
    assert caller.requests() == ["2.root", "timestamp", "1.snapshot", "1.targets"]


def test_a_second_refresh_asks_for_two(caller: Caller) -> None:
    caller.refresh()
    caller.requests()
    assert caller.refresh() == 0
    assert caller.requests() == ["2.root", "timestamp"]


def test_a_newer_root_is_not_asked_for_again(caller: Caller) -> None:
    caller.repo.publish_root()
    assert caller.refresh() == 0
    caller.requests()
    assert caller.refresh() == 0
    assert caller.requests() == ["3.root", "timestamp"]


def test_the_trusted_files_are_the_bytes_received(caller: Caller) -> None:
    caller.repo.files["metadata/timestamp.json"] += b" \n"
    assert caller.refresh() == 0
    for role in TOP:
        stored = caller.metadata.joinpath(f"{role}.json").read_bytes()
        assert stored == caller.repo.metadata(role)


def test_a_download_refreshes_first(caller: Caller) -> None:
    assert caller.download("no such target") == 1
    assert caller.requests() == ["2.root", "timestamp", "1.snapshot", "1.targets"]
    assert caller.trusted() == TOP


@pytest.mark.parametrize("damage", [b"", b"{}", b"not json"])
def test_a_malformed_first_root_asks_for_nothing(caller: Caller, damage: bytes) -> None:
    caller.metadata.joinpath("root.json").write_bytes(damage)
    assert caller.refresh() == 1
    assert caller.requests() == []


def test_a_first_root_with_a_foreign_signature_asks_for_nothing(caller: Caller) -> None:
    document = json.loads(caller.repo.shipped_root())
    document["signatures"][0]["sig"] = "00" * 64
    assert caller.init(json.dumps(document).encode()) == 0
    assert caller.refresh() == 1
    assert caller.requests() == []


def test_without_init_a_refresh_fails(caller: Caller) -> None:
    caller.metadata.joinpath("root.json").unlink()
    assert caller.refresh() == 1


@pytest.mark.parametrize(
    ("role", "trusted"),
    [
        ("timestamp", {"root": 1}),
        ("snapshot", {"root": 1, "timestamp": 2}),
        ("targets", {"root": 1, "timestamp": 2, "snapshot": 2}),
    ],
)
def test_unsigned_metadata_ends_the_walk_there(
    caller: Caller, role: str, trusted: dict[str, int]
) -> None:
    caller.repo.signers[role] = [caller.repo.new_key()]
    caller.repo.publish()
    assert caller.refresh() == 1
    assert caller.trusted() == trusted


def test_an_unsigned_root_ends_the_walk(caller: Caller) -> None:
    caller.repo.signers["root"] = [caller.repo.new_key()]
    caller.repo.publish_root()
    assert caller.refresh() == 1
    assert caller.trusted() == {"root": 1}
    assert caller.requests() == ["2.root"]


@pytest.mark.parametrize("role", ["snapshot", "targets"])
def test_a_file_whose_version_is_not_that_of_its_name_is_refused(caller: Caller, role: str) -> None:
    repo = caller.repo
    repo.hashes_in_metadata = False
    repo.publish()
    original = repo.files[f"metadata/2.{role}.json"]
    repo.publish()
    repo.files[f"metadata/3.{role}.json"] = original
    assert caller.refresh() == 1
    assert role not in caller.trusted()


def test_a_root_whose_version_is_not_that_of_its_name_is_refused(caller: Caller) -> None:
    caller.repo.publish_root()
    caller.repo.publish_root()
    caller.repo.files["metadata/2.root.json"] = caller.repo.files["metadata/3.root.json"]
    assert caller.refresh() == 1
    assert caller.trusted() == {"root": 1}


def test_another_timestamp_of_the_same_version_is_not_taken(caller: Caller) -> None:
    caller.refresh()
    before = caller.metadata.joinpath("timestamp.json").read_bytes()
    caller.requests()
    caller.repo.timestamp.snapshot_meta = MetaFile(100)
    caller.repo.publish_timestamp(bump=False)
    assert caller.refresh() == 0
    assert caller.requests() == ["2.root", "timestamp"]
    assert caller.metadata.joinpath("timestamp.json").read_bytes() == before


@pytest.mark.parametrize(
    ("role", "kept"), [("snapshot", {"targets": 1}), ("targets", {"snapshot": 2})]
)
def test_a_missing_file_ends_the_walk_after_what_lists_it(
    caller: Caller, role: str, kept: dict[str, int]
) -> None:
    caller.refresh()
    caller.repo.publish()
    caller.repo.faults.errors[f"metadata/2.{role}.json"] = NotThere("gone")
    assert caller.refresh() == 1
    assert caller.trusted() == {**TOP, "timestamp": 2, **kept}


def test_a_snapshot_sent_as_a_timestamp_is_refused(caller: Caller) -> None:
    repo = caller.repo
    repo.signers["snapshot"] = repo.signers["timestamp"]
    repo.publish_snapshot()
    repo.files["metadata/timestamp.json"] = repo.files["metadata/2.snapshot.json"]
    assert caller.refresh() == 1
    assert caller.trusted() == {"root": 1}


def test_unknown_members_everywhere_are_kept_and_signed_for(caller: Caller) -> None:
    repo = caller.repo
    repo.root.unrecognized_fields["x-note"] = {"a": [1, 2]}
    repo.root.roles["root"].unrecognized_fields["x-note"] = "b"
    next(iter(repo.root.keys.values())).unrecognized_fields["keyid_hash_algorithms"] = ["md5"]
    repo.timestamp.unrecognized_fields["x-note"] = None
    repo.publish_root()
    repo.publish()
    assert caller.refresh() == 0
    assert caller.trusted() == {"root": 2, "timestamp": 2, "snapshot": 2, "targets": 2}


@pytest.mark.parametrize("hashes", [True, False])
def test_a_changed_targets_file_is_refused_by_hash_or_by_version(
    caller: Caller, *, hashes: bool
) -> None:
    caller.repo.hashes_in_metadata = hashes
    caller.repo.publish()
    old = caller.repo.files["metadata/2.targets.json"]
    caller.repo.publish()
    caller.repo.files["metadata/3.targets.json"] = old
    assert caller.refresh() == 1
    assert caller.trusted() == {"root": 1, "timestamp": 3, "snapshot": 3}


def test_without_consistent_snapshots_names_have_no_versions(
    caller: Caller, repo: FakeRepository
) -> None:
    repo.root.consistent_snapshot = False
    repo.publish_root()
    repo.add_target("dir/file", b"plain")
    repo.publish()
    assert caller.download("dir/file") == 0
    assert caller.requests()[2:] == ["timestamp", "snapshot", "targets", "targets/dir/file"]
    assert caller.downloaded() == [b"plain"]


@pytest.mark.parametrize("role", ["?", "#", "/slash", "../up", "a b", "ä", "%41"])
def test_any_role_name_is_one_encoded_name(caller: Caller, role: str) -> None:
    caller.repo.delegate("targets", role, ["*"])
    caller.repo.publish()
    assert caller.download("missing") == 1
    assert caller.requests()[-1].startswith("2.")
    assert len(caller.trusted()) == 5
    assert sorted(path.name for path in caller.home.iterdir()) == ["first-root", "metadata"]
