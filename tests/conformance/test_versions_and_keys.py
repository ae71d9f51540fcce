"""Rollback, recovery by rotation, thresholds."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from tests.conformance.conftest import Caller


def test_an_older_timestamp_is_refused(caller: Caller) -> None:
    old = caller.repo.metadata("timestamp")
    caller.repo.publish()
    assert caller.refresh() == 0
    caller.repo.files["metadata/timestamp.json"] = old
    assert caller.refresh() == 1
    assert caller.trusted()["timestamp"] == 2


@pytest.mark.parametrize("hashes", [True, False])
@pytest.mark.parametrize("role", ["snapshot", "targets"])
def test_an_older_version_under_new_signatures_is_refused(
    caller: Caller, role: str, *, hashes: bool
) -> None:
    repo = caller.repo
    repo.hashes_in_metadata = hashes
    repo.publish()
    assert caller.refresh() == 0
    (repo.snapshot if role == "snapshot" else repo.targets).version = 0
    repo.publish()
    assert caller.refresh() == 1
    assert caller.trusted()[role] == 2
    assert caller.trusted()["snapshot"] == 2


def test_a_role_may_not_vanish_from_the_snapshot(caller: Caller) -> None:
    caller.repo.delegate("targets", "delegated", ["x/*"])
    caller.repo.publish()
    assert caller.refresh() == 0
    del caller.repo.snapshot.meta["delegated.json"]
    caller.repo.publish_snapshot()
    caller.repo.publish_timestamp()
    assert caller.refresh() == 1
    assert caller.trusted()["snapshot"] == 2


def test_rotating_the_timestamp_key_forgives_a_version_driven_up(caller: Caller) -> None:
    repo = caller.repo
    repo.timestamp.version = 99_999
    repo.publish_timestamp()
    assert caller.refresh() == 0
    repo.rotate("timestamp")
    repo.publish_root()
    repo.timestamp.version = 0
    repo.publish_timestamp()
    assert caller.refresh() == 0
    assert caller.trusted()["timestamp"] == 1


def test_rotating_snapshot_and_timestamp_forgives_the_snapshot(caller: Caller) -> None:
    repo = caller.repo
    repo.snapshot.version = 99_999
    repo.publish_snapshot()
    repo.publish_timestamp()
    assert caller.refresh() == 0
    repo.rotate("snapshot", "timestamp")
    repo.publish_root()
    repo.snapshot.version = 0
    repo.publish_snapshot()
    repo.publish_timestamp()
    assert caller.refresh() == 0
    assert caller.trusted()["snapshot"] == 1


def test_rotating_the_snapshot_key_forgives_targets_and_vanished_roles(caller: Caller) -> None:
    repo = caller.repo
    repo.delegate("targets", "delegated", ["x/*"])
    repo.targets.version = 99_999
    repo.publish()
    assert caller.refresh() == 0
    repo.rotate("snapshot")
    repo.publish_root()
    repo.targets.version = 0
    repo.publish_targets()
    del repo.snapshot.meta["delegated.json"]
    repo.publish_snapshot()
    repo.publish_timestamp()
    assert caller.refresh() == 0
    assert caller.trusted()["targets"] == 1


@dataclass(frozen=True)
class Root:
    """A root version: which of ten keys it lists, its threshold, and which of them sign it."""

    keys: str
    threshold: int
    signers: str


GOOD = [
    [Root("1", 1, "1"), Root("2", 1, "21"), Root("2", 1, "2")],
    [Root("1", 1, "314"), Root("2", 1, "3214"), Root("2", 1, "324")],
    [Root("01234", 3, "024"), Root("01234", 3, "041"), Root("01234", 3, "013")],
    [Root("01234", 3, "024"), Root("01345", 3, "041")],
    [Root("01234", 3, "024"), Root("01345", 3, "0245"), Root("01345", 3, "045")],
    [Root("01234", 3, "024"), Root("56789", 3, "024567"), Root("56789", 3, "567")],
    [Root("123", 1, "1"), Root("123", 2, "12")],
    [Root("123", 2, "12"), Root("123", 1, "12"), Root("123", 1, "1")],
    [Root("1", 1, "1"), Root("12", 2, "12")],
]
BAD = [
    [Root("1", 1, "1"), Root("2", 1, "234")],
    [Root("1", 1, "1"), Root("2", 1, "134")],
    [Root("01234", 3, "024"), Root("01345", 3, "024")],
    [Root("01234", 3, "024"), Root("01345", 3, "045")],
    [Root("123", 1, "1"), Root("123", 2, "2")],
    [Root("123", 2, "12"), Root("123", 1, "1")],
]


def publish_chain(caller: Caller, chain: list[Root]) -> None:
    """Publish these roots from version 1 on; the client starts from the first."""
    repo = caller.repo
    pool = [repo.new_key() for _ in range(10)]
    repo.root.version = 0
    for step in chain:
        repo.root.roles["root"].keyids.clear()
        for digit in step.keys:
            repo.root.add_key(pool[int(digit)].public_key, "root")
        repo.root.roles["root"].threshold = step.threshold
        repo.signers["root"] = [pool[int(digit)] for digit in step.signers]
        repo.publish_root()
    assert caller.init() == 0


@pytest.mark.parametrize("chain", GOOD)
def test_a_chain_of_roots_signed_by_old_and_new(caller: Caller, chain: list[Root]) -> None:
    publish_chain(caller, chain)
    assert caller.refresh() == 0
    assert caller.trusted()["root"] == len(chain)


@pytest.mark.parametrize("chain", BAD)
def test_a_root_that_misses_the_old_or_the_new_threshold(caller: Caller, chain: list[Root]) -> None:
    publish_chain(caller, chain)
    assert caller.refresh() == 1
    assert caller.trusted() == {"root": len(chain) - 1}


@pytest.mark.parametrize("role", ["timestamp", "snapshot", "targets"])
@pytest.mark.parametrize(("signing", "code"), [(3, 0), (2, 1)])
def test_three_of_five_for_each_role(caller: Caller, role: str, signing: int, code: int) -> None:
    caller.repo.add_signers(role, 4, threshold=3)
    caller.repo.publish_root()
    del caller.repo.signers[role][signing:]
    caller.repo.publish()
    assert caller.refresh() == code


def test_more_signatures_asked_for_than_there_are_keys(caller: Caller) -> None:
    caller.repo.add_signers("snapshot", 4, threshold=6)
    caller.repo.publish_root()
    caller.repo.publish()
    assert caller.refresh() == 1
    assert caller.trusted() == {"root": 2, "timestamp": 2}
