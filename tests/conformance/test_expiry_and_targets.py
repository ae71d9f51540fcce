"""What is too old, which role speaks for a target, and what is downloaded."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.conformance.conftest import Caller
from tests.fakes.clock import NOW

DAY = timedelta(days=1)


def test_an_expired_root_is_kept_but_nothing_after_it(caller: Caller) -> None:
    assert caller.refresh() == 0
    caller.repo.root.expires = NOW - DAY
    caller.repo.publish_root()
    caller.repo.publish()
    assert caller.refresh() == 1
    assert caller.trusted() == {"root": 2, "timestamp": 1, "snapshot": 1, "targets": 1}


@pytest.mark.parametrize(
    ("role", "trusted"),
    [
        ("timestamp", {"timestamp": 1, "snapshot": 1, "targets": 1}),
        ("snapshot", {"timestamp": 2, "snapshot": 1, "targets": 1}),
        ("targets", {"timestamp": 2, "snapshot": 2, "targets": 1}),
    ],
)
def test_an_expired_new_file_is_not_trusted(
    caller: Caller, role: str, trusted: dict[str, int]
) -> None:
    assert caller.refresh() == 0
    caller.repo._signed(role).expires = NOW - DAY
    caller.repo.publish()
    assert caller.refresh() == 1
    assert caller.trusted() == {"root": 1, **trusted}


@pytest.mark.parametrize("role", ["timestamp", "snapshot", "targets"])
def test_an_expired_stored_file_is_no_obstacle_to_a_newer_one(caller: Caller, role: str) -> None:
    signed = caller.repo._signed(role)
    signed.expires = NOW + 7 * DAY
    caller.repo.publish()
    assert caller.refresh() == 0
    assert caller.refresh(after=18 * DAY) == 1
    signed.expires = NOW + 21 * DAY
    caller.repo.publish()
    assert caller.refresh(after=18 * DAY) == 0
    assert set(caller.trusted().values()) == {1, 3}


def test_an_expired_intermediate_root_is_no_obstacle(caller: Caller) -> None:
    caller.repo.root.expires = NOW - DAY
    caller.repo.publish_root()
    caller.repo.root.expires = NOW + DAY
    caller.repo.publish_root()
    assert caller.refresh() == 0


def test_an_expired_delegated_role_speaks_for_nothing(caller: Caller) -> None:
    repo = caller.repo
    repo.delegate("targets", "delegated", ["d/*"])
    repo.roles["delegated"].expires = NOW + 7 * DAY
    repo.add_target("d/first", b"1", role="delegated")
    repo.add_target("d/second", b"2", role="delegated")
    repo.publish()
    assert caller.download("d/first") == 0
    assert caller.download("d/second", after=18 * DAY) == 1
    repo.roles["delegated"].expires = NOW + 21 * DAY
    repo.publish()
    assert caller.download("d/second", after=18 * DAY) == 0
    assert caller.downloaded() == [b"1", b"2"]


ROUTES = {
    "file": (["targets"], True),
    "README.md": (["targets", "A"], True),
    "releases/x/v1": (["targets", "B", "C"], True),
    "releases/y/v1.zip": (["targets", "B", "D"], True),
    "releases/z/v1.zip": (["targets", "B"], False),
}


@pytest.mark.parametrize("name", ROUTES)
def test_delegations_are_followed_by_path(caller: Caller, name: str) -> None:
    repo, (visited, found) = caller.repo, ROUTES[name]
    repo.delegate("targets", "A", ["*.md"])
    repo.delegate("targets", "B", ["releases/*/*"])
    repo.delegate("B", "C", ["releases/x/*"])
    repo.delegate("B", "D", ["releases/y/*.zip"])
    for target, role in zip(ROUTES, ("targets", "A", "C", "D", "D"), strict=True):
        repo.add_target(target, target.encode(), role=role)
    repo.publish()
    assert caller.download(name) == (0 if found else 1)
    asked = [path for path in caller.requests() if path.startswith("2.")][1:]
    assert asked == ["2.snapshot", *(f"2.{role}" for role in visited)]
    assert caller.downloaded() == ([name.encode()] if found else [])


def test_a_target_that_is_there_is_not_fetched_again(caller: Caller) -> None:
    caller.repo.add_target("file", b"content")
    caller.repo.publish()
    assert caller.download("file") == 0
    caller.requests()
    assert caller.download("file") == 0
    assert caller.requests() == ["2.root", "timestamp"]


def test_a_changed_target_replaces_the_old_one(caller: Caller) -> None:
    for content in (b"old", b"new"):
        caller.repo.add_target("file", content)
        caller.repo.publish()
        assert caller.download("file") == 0
    assert caller.downloaded() == [b"new"]


@pytest.mark.parametrize("forged", [b"evil!!!", b"longer than what was signed", b""])
def test_a_forged_target_leaves_nothing(caller: Caller, forged: bytes) -> None:
    caller.repo.add_target("file", b"content")
    caller.repo.publish()
    for path in caller.repo.files:
        if path.startswith("targets/"):
            caller.repo.files[path] = forged
    assert caller.download("file") == 1
    assert caller.downloaded() == []


@pytest.mark.parametrize("algorithms", [("sha256",), ("sha512",), ("sha256", "sha512")])
def test_either_hash_will_do(caller: Caller, algorithms: tuple[str, ...]) -> None:
    caller.repo.add_target("file", b"content", algorithms=algorithms)
    caller.repo.publish()
    assert caller.download("file") == 0


def test_a_target_with_only_an_unknown_hash_is_refused(caller: Caller) -> None:
    caller.repo.add_target("file", b"content")
    hashes = caller.repo.targets.targets["file"].hashes
    hashes["sha3"] = hashes.pop("sha256")
    caller.repo.publish()
    assert caller.download("file") == 1
    assert caller.downloaded() == []


def test_several_targets_in_one_run(caller: Caller) -> None:
    caller.repo.add_target("dir/one", b"1")
    caller.repo.add_target("two", b"2")
    caller.repo.publish()
    assert caller.download("dir/one", "two") == 0
    assert caller.downloaded() == [b"1", b"2"]


def test_a_target_name_that_leads_out_is_refused(caller: Caller) -> None:
    caller.repo.add_target("../../escaped", b"1")
    caller.repo.publish()
    assert caller.download("../../escaped") == 1
    assert not caller.home.parent.joinpath("escaped").exists()
