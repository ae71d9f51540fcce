"""The state machine by itself: bytes in, decisions out."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from tests.fakes.clock import NOW
from tests.fakes.repository import FakeRepository
from updog.errors import Expired, InternalError, RolledBack, TrustError
from updog.trust import RootStep, TrustedMetadata


@pytest.fixture
def repo() -> FakeRepository:
    return FakeRepository()


def started(repo: FakeRepository) -> TrustedMetadata:
    trust = TrustedMetadata(repo.shipped_root(), NOW)
    trust.end_roots()
    return trust


def with_snapshot(repo: FakeRepository) -> TrustedMetadata:
    trust = started(repo)
    trust.add_timestamp(repo.metadata("timestamp"))
    trust.add_snapshot(repo.metadata("snapshot"))
    return trust


class TestRoot:
    def test_an_unsigned_shipped_root_is_refused(self, repo: FakeRepository) -> None:
        repo.resign("root", lambda _: None, signers=[repo.new_key()])
        with pytest.raises(TrustError, match="signed by 0 of the 1"):
            TrustedMetadata(repo.shipped_root(), NOW)

    def test_the_next_root_is_added(self, repo: FakeRepository) -> None:
        trust = TrustedMetadata(repo.shipped_root(), NOW)
        repo.publish_root()
        assert trust.add_root(repo.shipped_root(2)) is RootStep.ADDED
        assert trust.root.signed.version == 2

    def test_a_root_not_signed_by_the_old_keys_is_refused(self, repo: FakeRepository) -> None:
        trust = TrustedMetadata(repo.shipped_root(), NOW)
        repo.rotate("root")
        repo.publish_root()
        with pytest.raises(TrustError, match=r"2\.root\.json.*root version 1 asks for"):
            trust.add_root(repo.shipped_root(2))
        assert trust.root.signed.version == 1

    def test_a_root_not_signed_by_its_own_keys_is_refused(self, repo: FakeRepository) -> None:
        trust = TrustedMetadata(repo.shipped_root(), NOW)
        old = repo.signers["root"]
        repo.rotate("root")
        repo.signers["root"] = old
        repo.publish_root()
        with pytest.raises(TrustError, match="it itself asks for"):
            trust.add_root(repo.shipped_root(2))

    def test_a_cross_signed_rotation_is_added(self, repo: FakeRepository) -> None:
        trust = TrustedMetadata(repo.shipped_root(), NOW)
        old = tuple(repo.signers["root"])
        repo.rotate("root")
        repo.publish_root(also=old)
        assert trust.add_root(repo.shipped_root(2)) is RootStep.ADDED

    def test_a_skipped_version_is_refused(self, repo: FakeRepository) -> None:
        trust = TrustedMetadata(repo.shipped_root(), NOW)
        repo.root.version += 1
        repo.publish_root()
        with pytest.raises(TrustError, match="version 3 where 2 was due"):
            trust.add_root(repo.shipped_root(3))

    def test_the_same_version_ends_the_chain_without_an_error(self, repo: FakeRepository) -> None:
        trust = TrustedMetadata(repo.shipped_root(), NOW)
        assert trust.add_root(repo.shipped_root()) is RootStep.SAME

    def test_an_older_version_is_refused(self, repo: FakeRepository) -> None:
        repo.publish_root()
        trust = TrustedMetadata(repo.shipped_root(2), NOW)
        with pytest.raises(RolledBack, match="version 1"):
            trust.add_root(repo.shipped_root(1))

    def test_an_expired_intermediate_root_is_added(self, repo: FakeRepository) -> None:
        trust = TrustedMetadata(repo.shipped_root(), NOW + timedelta(days=60))
        repo.publish_root()
        repo.root.expires = NOW + timedelta(days=90)
        repo.publish_root()
        trust.add_root(repo.shipped_root(2))
        trust.add_root(repo.shipped_root(3))
        trust.end_roots()

    def test_an_expired_last_root_is_refused(self, repo: FakeRepository) -> None:
        trust = TrustedMetadata(repo.shipped_root(), NOW + timedelta(days=60))
        with pytest.raises(Expired, match=r"root\.json"):
            trust.end_roots()

    @pytest.mark.parametrize("role", ["timestamp", "snapshot"])
    def test_a_key_taken_from_a_role_counts_as_rotation(
        self, repo: FakeRepository, role: str
    ) -> None:
        trust = TrustedMetadata(repo.shipped_root(), NOW)
        repo.rotate(role)
        repo.publish_root()
        assert trust.add_root(repo.shipped_root(2)) is RootStep.ROTATED

    def test_a_key_added_to_a_role_does_not(self, repo: FakeRepository) -> None:
        trust = TrustedMetadata(repo.shipped_root(), NOW)
        repo.add_signers("snapshot", 2, threshold=3)
        repo.publish_root()
        assert trust.add_root(repo.shipped_root(2)) is RootStep.ADDED

    def test_a_key_that_only_changed_its_id_does_not(self, repo: FakeRepository) -> None:
        trust = TrustedMetadata(repo.shipped_root(), NOW)

        def rename(signed: dict[str, Any]) -> None:
            old = signed["roles"]["timestamp"]["keyids"].pop()
            signed["keys"]["renamed"] = signed["keys"].pop(old)
            signed["roles"]["timestamp"]["keyids"].append("renamed")

        repo.publish_root()
        repo.resign("root", rename)
        assert trust.add_root(repo.shipped_root(2)) is RootStep.ADDED


class TestOrder:
    def test_no_timestamp_before_the_end_of_the_roots(self, repo: FakeRepository) -> None:
        trust = TrustedMetadata(repo.shipped_root(), NOW)
        with pytest.raises(InternalError):
            trust.add_timestamp(repo.metadata("timestamp"))

    def test_no_root_after_the_end_of_the_roots(self, repo: FakeRepository) -> None:
        with pytest.raises(InternalError):
            started(repo).add_root(repo.shipped_root())

    def test_no_snapshot_before_a_timestamp(self, repo: FakeRepository) -> None:
        with pytest.raises(InternalError):
            started(repo).add_snapshot(repo.metadata("snapshot"))

    def test_no_targets_before_a_snapshot(self, repo: FakeRepository) -> None:
        trust = started(repo)
        trust.add_timestamp(repo.metadata("timestamp"))
        with pytest.raises(InternalError):
            trust.add_targets("targets", "root", repo.metadata("targets"))

    def test_no_targets_on_a_recalled_outdated_snapshot(self, repo: FakeRepository) -> None:
        old = repo.metadata("snapshot")
        repo.publish()
        trust = started(repo)
        trust.add_timestamp(repo.metadata("timestamp"))
        assert not trust.recall_snapshot(old)
        with pytest.raises(InternalError):
            trust.wanted_targets("targets")

    def test_no_timestamp_after_a_snapshot(self, repo: FakeRepository) -> None:
        with pytest.raises(InternalError):
            with_snapshot(repo).add_timestamp(repo.metadata("timestamp"))


class TestExpiry:
    @pytest.mark.parametrize("role", ["timestamp", "snapshot", "targets"])
    def test_the_instant_of_expiry_is_too_late(self, repo: FakeRepository, role: str) -> None:
        repo.resign(role, lambda signed: signed.update(expires="2031-04-07T09:00:00Z"))
        with pytest.raises(Expired, match=role):
            self._walk(repo)

    @pytest.mark.parametrize("role", ["timestamp", "snapshot", "targets"])
    def test_a_fraction_of_a_second_before_it_is_not(self, repo: FakeRepository, role: str) -> None:
        repo.resign(role, lambda signed: signed.update(expires="2031-04-07T09:00:00.000001Z"))
        self._walk(repo)

    @pytest.mark.parametrize("digits", ["4", "468924", "468924123", "0" * 30])
    def test_any_number_of_fraction_digits_is_read(self, repo: FakeRepository, digits: str) -> None:
        repo.resign("timestamp", lambda s: s.update(expires=f"2031-05-01T00:00:00.{digits}Z"))
        trust = started(repo)
        assert trust.add_timestamp(repo.metadata("timestamp"))
        assert trust.timestamp is not None
        assert trust.timestamp.expires.microsecond == int(digits[:6].ljust(6, "0"))

    @staticmethod
    def _walk(repo: FakeRepository) -> None:
        trust = with_snapshot(repo)
        trust.add_targets("targets", "root", repo.metadata("targets"))


class TestTimestamp:
    def test_an_equal_version_keeps_the_one_we_had(self, repo: FakeRepository) -> None:
        trust, first = started(repo), repo.metadata("timestamp")
        trust.add_timestamp(first)
        repo.timestamp.snapshot_meta.version = 100
        repo.publish_timestamp(bump=False)
        assert trust.add_timestamp(repo.metadata("timestamp")) is False
        assert trust.wanted_snapshot().version == 1

    def test_an_equal_version_is_refused_once_ours_expired(self, repo: FakeRepository) -> None:
        trust = TrustedMetadata(repo.shipped_root(), NOW)
        trust.end_roots()
        repo.resign("timestamp", lambda s: s.update(expires="2031-04-01T00:00:00Z"))
        trust.recall_timestamp(repo.metadata("timestamp"))
        repo.resign("timestamp", lambda s: s.update(expires="2031-05-01T00:00:00Z"))
        with pytest.raises(Expired):
            trust.add_timestamp(repo.metadata("timestamp"))

    def test_an_expired_one_from_an_earlier_run_still_guards(self, repo: FakeRepository) -> None:
        repo.timestamp.version = 6
        repo.publish_timestamp(bump=False)
        new = repo.metadata("timestamp")
        repo.timestamp.version = 7
        repo.timestamp.expires = NOW - timedelta(days=1)
        repo.publish_timestamp(bump=False)
        trust = started(repo)
        trust.recall_timestamp(repo.metadata("timestamp"))
        with pytest.raises(RolledBack, match="version 6 after 7"):
            trust.add_timestamp(new)

    def test_the_listed_snapshot_may_not_go_back(self, repo: FakeRepository) -> None:
        repo.publish()
        trust = started(repo)
        trust.add_timestamp(repo.metadata("timestamp"))
        repo.timestamp.snapshot_meta.version = 1
        repo.publish_timestamp()
        with pytest.raises(RolledBack, match=r"snapshot\.json went back to version 1 after 2"):
            trust.add_timestamp(repo.metadata("timestamp"))

    def test_another_role_in_its_place_is_refused(self, repo: FakeRepository) -> None:
        repo.root.add_key(repo.signers["snapshot"][0].public_key, "timestamp")
        repo.publish_root(bump=False)
        with pytest.raises(TrustError, match="holds 'snapshot' metadata"):
            started(repo).add_timestamp(repo.metadata("snapshot"))


class TestSnapshot:
    def test_a_wrong_hash_is_refused(self, repo: FakeRepository) -> None:
        trust = started(repo)
        trust.add_timestamp(repo.metadata("timestamp"))
        with pytest.raises(TrustError, match="instead of"):
            trust.add_snapshot(repo.metadata("snapshot") + b" ")

    def test_another_version_is_refused(self, repo: FakeRepository) -> None:
        repo.hashes_in_metadata = False
        repo.publish()
        trust = started(repo)
        trust.add_timestamp(repo.metadata("timestamp"))
        repo.publish_snapshot()
        with pytest.raises(TrustError, match="version 3 where 2 was due"):
            trust.add_snapshot(repo.metadata("snapshot"))

    def test_hashes_of_unknown_kinds_alone_are_refused(self, repo: FakeRepository) -> None:
        repo.timestamp.snapshot_meta.hashes = {"md5": "00" * 16}
        repo.publish_timestamp()
        trust = started(repo)
        trust.add_timestamp(repo.metadata("timestamp"))
        with pytest.raises(TrustError, match="without a SHA-256"):
            trust.add_snapshot(repo.metadata("snapshot"))

    def test_a_role_that_vanished_is_refused(self, repo: FakeRepository) -> None:
        repo.delegate("targets", "a", ["*"])
        repo.publish()
        known = repo.metadata("snapshot")
        del repo.snapshot.meta["a.json"]
        repo.publish_snapshot()
        repo.publish_timestamp()
        self._refused(repo, known, r"no longer lists a\.json")

    @pytest.mark.parametrize("role", ["targets", "a"])
    def test_a_role_that_went_back_is_refused(self, repo: FakeRepository, role: str) -> None:
        repo.delegate("targets", "a", ["*"])
        repo.roles[role].version = 5
        repo.publish()
        known = repo.metadata("snapshot")
        repo.roles[role].version = 4
        repo.publish_targets(role, bump=False)
        repo.publish_snapshot()
        repo.publish_timestamp()
        self._refused(repo, known, rf"{role}\.json went back to version 4 after 6")

    @staticmethod
    def _refused(repo: FakeRepository, known: bytes, why: str) -> None:
        trust = started(repo)
        trust.add_timestamp(repo.metadata("timestamp"))
        trust.recall_snapshot(known)
        with pytest.raises(RolledBack, match=why):
            trust.add_snapshot(repo.metadata("snapshot"))


class TestTargets:
    def test_a_wrong_hash_is_refused(self, repo: FakeRepository) -> None:
        trust = with_snapshot(repo)
        with pytest.raises(TrustError, match="instead of"):
            trust.add_targets("targets", "root", repo.metadata("targets") + b"\n")

    def test_a_role_the_snapshot_does_not_list_is_refused(self, repo: FakeRepository) -> None:
        with pytest.raises(TrustError, match="does not list the role 'a'"):
            with_snapshot(repo).wanted_targets("a")

    def test_a_role_nobody_delegated_is_refused(self, repo: FakeRepository) -> None:
        repo.delegate("targets", "a", ["*"])
        repo.publish()
        repo.targets.delegations = None
        repo.publish_targets()
        repo.publish_snapshot()
        repo.publish_timestamp()
        trust = with_snapshot(repo)
        trust.add_targets("targets", "root", repo.metadata("targets"))
        with pytest.raises(TrustError, match="does not delegate to 'a'"):
            trust.add_targets("a", "targets", repo.metadata("a"))

    def test_a_role_is_held_only_for_the_delegator_it_was_checked_for(
        self, repo: FakeRepository
    ) -> None:
        repo.delegate("targets", "a", ["*"])
        repo.publish()
        trust = with_snapshot(repo)
        trust.add_targets("targets", "root", repo.metadata("targets"))
        trust.add_targets("a", "targets", repo.metadata("a"))
        assert trust.holds("a", "targets")
        assert not trust.holds("a", "b")

    def test_empty_delegations_as_tough_writes_them_mean_none(self, repo: FakeRepository) -> None:
        repo.resign("targets", lambda s: s.update(delegations={}))
        trust = with_snapshot(repo)
        trust.add_targets("targets", "root", repo.metadata("targets"))
        assert trust.targets["targets"].signed.delegations is None

    def test_delegations_without_keys_and_roles_are_read(self, repo: FakeRepository) -> None:
        repo.resign("targets", lambda s: s.update(delegations={"keys": {}, "roles": []}))
        trust = with_snapshot(repo)
        trust.add_targets("targets", "root", repo.metadata("targets"))
        assert trust.holds("targets", "root")
