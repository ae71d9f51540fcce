"""The walk: which files are asked for, what is stored, and what a second run makes of it."""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.clock import NOW
from tests.fakes.repository import URLS, FakeRepository
from tests.fakes.visit import Visitor
from updog.errors import (
    Expired,
    NotThere,
    RolledBack,
    StorageError,
    TrustError,
    UnreachableError,
)
from updog.session import Session
from updog.tufstore import MetadataStore


@pytest.fixture
def repo() -> FakeRepository:
    return FakeRepository()


@pytest.fixture
def visitor(repo: FakeRepository, tmp_path: Path) -> Visitor:
    return Visitor(repo, tmp_path)


def stored(visitor: Visitor) -> dict[str, int]:
    return {
        path.stem: json.loads(path.read_bytes())["signed"]["version"]
        for path in visitor.directory.glob("*.json")
    }


class TestRequests:
    def test_a_first_run_asks_for_each_role_once_in_order(self, visitor: Visitor) -> None:
        visitor.refreshed()
        assert visitor.repo.log == [
            "metadata/2.root.json",
            "metadata/timestamp.json",
            "metadata/1.snapshot.json",
            "metadata/1.targets.json",
        ]

    def test_plain_snapshots_have_plain_names(self, tmp_path: Path) -> None:
        repo = FakeRepository(consistent=False)
        repo.add_target("file", b"x")
        repo.publish()
        assert Visitor(repo, tmp_path).refreshed().read("file") == b"x"
        assert repo.log == [
            "metadata/2.root.json",
            "metadata/timestamp.json",
            "metadata/snapshot.json",
            "metadata/targets.json",
            "targets/file",
        ]

    def test_an_unchanged_repository_costs_two_requests(self, visitor: Visitor) -> None:
        visitor.refreshed()
        visitor.repo.log.clear()
        visitor.refreshed()
        assert visitor.repo.log == ["metadata/2.root.json", "metadata/timestamp.json"]

    def test_a_new_timestamp_over_the_same_snapshot_costs_two_as_well(
        self, visitor: Visitor
    ) -> None:
        visitor.refreshed()
        visitor.repo.log.clear()
        visitor.repo.publish_timestamp()
        assert visitor.refreshed().versions()["timestamp"] == 2
        assert visitor.repo.log == ["metadata/2.root.json", "metadata/timestamp.json"]

    def test_new_roots_are_walked_one_by_one(self, visitor: Visitor) -> None:
        for _ in range(3):
            visitor.repo.publish_root()
        assert visitor.refreshed().versions()["root"] == 4
        assert visitor.repo.log[:4] == [f"metadata/{n}.root.json" for n in (2, 3, 4, 5)]

    def test_known_roots_are_not_fetched_again(self, visitor: Visitor) -> None:
        visitor.repo.publish_root()
        visitor.refreshed()
        visitor.repo.log.clear()
        visitor.refreshed()
        assert visitor.repo.log[0] == "metadata/3.root.json"

    def test_a_second_refresh_of_one_session_asks_for_nothing(self, visitor: Visitor) -> None:
        session = visitor.refreshed()
        visitor.repo.log.clear()
        session.refresh()
        assert visitor.repo.log == []

    def test_the_root_chain_has_a_limit(self, visitor: Visitor) -> None:
        for _ in range(5):
            visitor.repo.publish_root()
        session = Session(
            URLS, visitor.shipped, visitor.store, visitor.repo, NOW, root_chain_limit=3
        )
        session.refresh()
        assert session.versions()["root"] == 4

    def test_a_root_of_the_same_version_ends_the_chain(self, visitor: Visitor) -> None:
        visitor.repo.files["metadata/2.root.json"] = visitor.shipped
        assert visitor.refreshed().versions()["root"] == 1

    def test_an_unreachable_server_is_not_the_end_of_the_chain(self, visitor: Visitor) -> None:
        visitor.repo.faults.errors["metadata/2.root.json"] = UnreachableError("no route")
        with pytest.raises(UnreachableError, match="no route"):
            visitor.refreshed()

    @pytest.mark.parametrize("role", ["timestamp", "snapshot", "targets"])
    def test_a_missing_role_is_an_error(self, visitor: Visitor, role: str) -> None:
        path = next(path for path in visitor.repo.files if path.endswith(f"{role}.json"))
        del visitor.repo.files[path]
        with pytest.raises(NotThere):
            visitor.refreshed()

    @pytest.mark.parametrize(
        ("path", "size"),
        [
            ("metadata/2.root.json", 1 << 20),
            ("metadata/timestamp.json", 1 << 20),
            ("metadata/1.snapshot.json", None),
            ("metadata/1.targets.json", None),
        ],
    )
    def test_endless_data_is_refused(self, visitor: Visitor, path: str, size: int | None) -> None:
        known = visitor.repo.files.get(path, b"")
        visitor.repo.files[path] = known.ljust((size or len(known)) + 1)
        with pytest.raises(TrustError, match="longer than"):
            visitor.refreshed()

    def test_a_snapshot_of_unlisted_length_has_a_limit_too(self, visitor: Visitor) -> None:
        visitor.repo.hashes_in_metadata = False
        visitor.repo.publish()
        visitor.repo.files["metadata/2.snapshot.json"] += b" " * (2 << 20)
        with pytest.raises(TrustError, match="longer than the 2097152 bytes"):
            visitor.refreshed()


class TestStore:
    def test_each_role_is_stored_as_received(self, visitor: Visitor) -> None:
        visitor.repo.files["metadata/timestamp.json"] += b" \n"
        visitor.refreshed()
        for role in ("root", "timestamp", "snapshot", "targets"):
            expected = visitor.shipped if role == "root" else visitor.repo.metadata(role)
            assert (visitor.directory / f"{role}.json").read_bytes() == expected

    @pytest.mark.parametrize(
        ("role", "kept"),
        [
            ("root", {}),
            ("timestamp", {"root": 2}),
            ("snapshot", {"root": 2, "timestamp": 2}),
            ("targets", {"root": 2, "timestamp": 2, "snapshot": 2}),
        ],
    )
    def test_what_came_before_a_bad_file_is_stored_and_the_bad_file_is_not(
        self, visitor: Visitor, role: str, kept: dict[str, int]
    ) -> None:
        repo = visitor.repo
        repo.signers[role] = [repo.new_key()]
        repo.publish_root()
        repo.publish()
        with pytest.raises(TrustError):
            visitor.refreshed()
        assert stored(visitor) == kept

    def test_an_expired_root_is_stored_before_it_is_refused(self, visitor: Visitor) -> None:
        visitor.repo.root.expires = NOW - timedelta(days=1)
        visitor.repo.publish_root()
        with pytest.raises(Expired):
            visitor.refreshed()
        assert stored(visitor) == {"root": 2}

    @pytest.mark.parametrize("role", ["timestamp", "snapshot", "targets"])
    def test_an_expired_role_is_not_stored(self, visitor: Visitor, role: str) -> None:
        visitor.refreshed()
        visitor.repo.publish_targets()
        visitor.repo.publish_snapshot()
        visitor.repo.publish_timestamp()
        visitor.repo.resign(role, lambda s: s.update(expires="2031-04-07T00:00:00Z"))
        with pytest.raises(Expired, match=role):
            visitor.refreshed()
        assert stored(visitor)[role] == 1

    @pytest.mark.parametrize("role", ["root", "timestamp", "snapshot", "targets"])
    @pytest.mark.parametrize("content", [b"", b"\0" * 100, b"{}", b"{"])
    def test_a_damaged_file_is_left_out_with_a_warning(
        self, visitor: Visitor, role: str, content: bytes
    ) -> None:
        visitor.refreshed()
        (visitor.directory / f"{role}.json").write_bytes(content)
        session = visitor.refreshed()
        assert any(f"{role}.json" in warning for warning in session.warnings)
        assert visitor.refreshed().warnings == ()

    @pytest.mark.parametrize("content", [b"", b"{}"])
    def test_a_damaged_kept_root_is_fetched_again(self, visitor: Visitor, content: bytes) -> None:
        visitor.repo.publish_root()
        visitor.repo.publish_root()
        visitor.refreshed()
        (visitor.directory / "roots" / "2.root.json").write_bytes(content)
        session = visitor.refreshed()
        assert session.versions()["root"] == 3
        assert any("2.root.json" in warning for warning in session.warnings)
        assert visitor.refreshed().warnings == ()

    def test_the_kept_chain_makes_up_for_a_server_that_dropped_old_roots(
        self, visitor: Visitor
    ) -> None:
        visitor.repo.publish_root()
        visitor.repo.publish_root()
        visitor.refreshed()
        del visitor.repo.files["metadata/2.root.json"]
        assert visitor.refreshed().versions()["root"] == 3

    def test_a_root_planted_in_the_store_gives_no_trust(
        self, visitor: Visitor, tmp_path: Path
    ) -> None:
        visitor.refreshed()
        evil = FakeRepository()
        evil.publish_root()
        visitor.store.save_root(2, evil.shipped_root(2))
        session = visitor.refreshed()
        assert session.versions()["root"] == 1
        assert any("2.root.json" in warning for warning in session.warnings)
        assert not (tmp_path / "roots" / "2.root.json").exists()

    def test_a_directory_in_place_of_a_file_is_a_warning(self, visitor: Visitor) -> None:
        (visitor.directory / "timestamp.json").mkdir(parents=True)
        session = visitor.refreshed()
        assert any("timestamp.json" in warning for warning in session.warnings)

    def test_a_store_that_cannot_be_written_is_a_warning_said_once(
        self, repo: FakeRepository, tmp_path: Path
    ) -> None:
        blocked = tmp_path / "file"
        blocked.write_bytes(b"")
        session = Visitor(repo, blocked / "state").refreshed()
        assert session.versions()["targets"] == 1
        assert len(session.warnings) == len(set(session.warnings)) > 0

    def test_a_store_without_kept_roots_has_only_the_newest_files(
        self, repo: FakeRepository, tmp_path: Path
    ) -> None:
        repo.publish_root()
        store = MetadataStore(tmp_path, keep_roots=False)
        Session(URLS, repo.shipped_root(), store, repo, NOW).refresh()
        names = sorted(path.name for path in tmp_path.rglob("*"))
        assert names == ["root.json", "snapshot.json", "targets.json", "timestamp.json"]

    def test_a_store_that_fails_says_so_itself(self, tmp_path: Path) -> None:
        (tmp_path / "x.json").mkdir()
        with pytest.raises(StorageError):
            MetadataStore(tmp_path).load("x")


class TestRollback:
    """Run 1 sees version 5 of everything; run 2 is served version 4 of one role."""

    @pytest.fixture
    def seen(self, visitor: Visitor) -> Visitor:
        repo = visitor.repo
        for role in ("timestamp", "snapshot"):
            setattr(getattr(repo, role), "version", 3)  # noqa: B010 - by name
        repo.targets.version = 3
        repo.publish()
        self.old = dict(repo.files)
        repo.publish()
        visitor.refreshed()
        assert stored(visitor) == {"root": 1, "timestamp": 5, "snapshot": 5, "targets": 5}
        return visitor

    def test_an_older_timestamp_is_refused(self, seen: Visitor) -> None:
        seen.repo.files["metadata/timestamp.json"] = self.old["metadata/timestamp.json"]
        with pytest.raises(RolledBack, match=r"timestamp\.json went back to version 4 after 5"):
            seen.refreshed()
        assert stored(seen)["timestamp"] == 5

    def test_an_older_snapshot_under_a_new_timestamp_is_refused(self, seen: Visitor) -> None:
        seen.repo.snapshot.version = 4
        seen.repo.publish_snapshot(bump=False)
        seen.repo.publish_timestamp()
        with pytest.raises(RolledBack, match=r"snapshot\.json went back to version 4 after 5"):
            seen.refreshed()
        assert stored(seen)["timestamp"] == 5

    def test_older_targets_under_a_new_snapshot_are_refused(self, seen: Visitor) -> None:
        seen.repo.targets.version = 4
        seen.repo.publish_targets(bump=False)
        seen.repo.publish_snapshot()
        seen.repo.publish_timestamp()
        with pytest.raises(RolledBack, match=r"targets\.json went back to version 4 after 5"):
            seen.refreshed()
        assert stored(seen)["snapshot"] == 5

    @pytest.mark.parametrize("hashes", [True, False])
    def test_a_role_that_vanishes_is_refused(self, visitor: Visitor, *, hashes: bool) -> None:
        repo = visitor.repo
        repo.hashes_in_metadata = hashes
        repo.delegate("targets", "a", ["*"])
        repo.publish()
        visitor.refreshed()
        del repo.snapshot.meta["a.json"]
        repo.publish_snapshot()
        repo.publish_timestamp()
        with pytest.raises(RolledBack, match="no longer lists"):
            visitor.refreshed()

    def test_the_whole_older_repository_is_refused(self, seen: Visitor) -> None:
        seen.repo.files = self.old
        with pytest.raises(RolledBack):
            seen.refreshed()

    def test_a_lost_timestamp_does_not_open_the_door(self, seen: Visitor) -> None:
        (seen.directory / "timestamp.json").unlink()
        seen.repo.files = self.old
        with pytest.raises(RolledBack, match=r"snapshot\.json went back to version 4 after 5"):
            seen.refreshed()

    def test_a_newer_timestamp_over_a_withheld_snapshot_is_refused(self, seen: Visitor) -> None:
        seen.repo.publish()
        seen.repo.files["metadata/6.snapshot.json"] = seen.repo.files["metadata/5.snapshot.json"]
        with pytest.raises(TrustError, match=r"snapshot\.json"):
            seen.refreshed()
        assert stored(seen) == {"root": 1, "timestamp": 6, "snapshot": 5, "targets": 5}

    def test_withheld_roots_are_noticed_even_if_the_kept_chain_is_lost(
        self, visitor: Visitor
    ) -> None:
        visitor.repo.publish_root()
        visitor.refreshed()
        (visitor.directory / "roots" / "2.root.json").unlink()
        del visitor.repo.files["metadata/2.root.json"]
        with pytest.raises(RolledBack, match=r"root\.json went back to version 1 after 2"):
            visitor.refreshed()

    def test_a_store_of_another_repository_is_no_obstacle(
        self, visitor: Visitor, repo: FakeRepository
    ) -> None:
        other = FakeRepository()
        other.publish_root()
        other.publish()
        Visitor(other, visitor.directory).refreshed()
        assert visitor.refreshed().versions() == {
            "root": 1,
            "timestamp": 1,
            "snapshot": 1,
            "targets": 1,
        }
        assert visitor.repo is repo
        assert visitor.refreshed().warnings == ()


class PowerCut(Exception):
    """The machine is off."""


class DyingStore(MetadataStore):
    """A store on a machine that loses its power after so many writes."""

    def __init__(self, directory: Path, writes: int) -> None:
        super().__init__(directory)
        self._left = writes

    def _spend(self) -> None:
        if not self._left:
            raise PowerCut
        self._left -= 1

    def save(self, role: str, data: bytes) -> None:
        self._spend()
        super().save(role, data)

    def delete(self, role: str) -> None:
        self._spend()
        super().delete(role)


class TestRecovery:
    """After an attacker drove versions up, new keys bring the repository back."""

    @pytest.fixture
    def poisoned(self, visitor: Visitor) -> Visitor:
        repo = visitor.repo
        repo.targets.version = repo.snapshot.version = repo.timestamp.version = 99_999
        repo.publish(bump=False)
        visitor.refreshed()
        repo.targets.version = repo.snapshot.version = repo.timestamp.version = 1
        return visitor

    def test_without_new_keys_the_old_versions_hold(self, poisoned: Visitor) -> None:
        poisoned.repo.publish(bump=False)
        with pytest.raises(RolledBack):
            poisoned.refreshed()

    @pytest.mark.parametrize("roles", [("timestamp", "snapshot"), ("snapshot",), ("timestamp",)])
    def test_new_keys_forget_timestamp_and_snapshot(
        self, poisoned: Visitor, roles: tuple[str, ...]
    ) -> None:
        poisoned.repo.rotate(*roles)
        poisoned.repo.publish_root()
        poisoned.repo.publish(bump=False)
        expected = {"root": 2, "timestamp": 1, "snapshot": 1, "targets": 1}
        assert poisoned.refreshed().versions() == expected
        assert stored(poisoned) == expected

    def test_new_keys_seen_in_a_run_that_failed_still_count(self, poisoned: Visitor) -> None:
        repo = poisoned.repo
        repo.rotate("snapshot")
        repo.publish_root()
        repo.publish(bump=False)
        repo.faults.errors["metadata/timestamp.json"] = UnreachableError("cut off here")
        with pytest.raises(UnreachableError):
            poisoned.refreshed()
        repo.faults.errors.clear()
        assert poisoned.refreshed().versions()["snapshot"] == 1

    @pytest.mark.parametrize("shipped", [1, 2], ids=["fetched", "from a new image"])
    @pytest.mark.parametrize("writes", range(8))
    def test_new_keys_count_after_a_power_cut_between_any_two_writes(
        self, poisoned: Visitor, writes: int, shipped: int
    ) -> None:
        repo = poisoned.repo
        repo.rotate("snapshot")
        repo.publish_root()
        repo.publish(bump=False)
        poisoned.shipped = repo.shipped_root(shipped)
        dying = DyingStore(poisoned.directory, writes)
        with suppress(PowerCut):
            Session(URLS, poisoned.shipped, dying, repo, NOW).refresh()
        assert poisoned.refreshed().versions()["snapshot"] == 1

    def test_new_keys_that_came_with_a_new_image_count(self, poisoned: Visitor) -> None:
        repo = poisoned.repo
        repo.rotate("snapshot")
        repo.publish_root()
        repo.publish(bump=False)
        poisoned.shipped = repo.shipped_root(2)
        assert poisoned.refreshed().versions()["snapshot"] == 1

    def test_an_old_rotation_is_not_taken_for_a_new_one(self, visitor: Visitor) -> None:
        repo = visitor.repo
        repo.rotate("snapshot")
        repo.publish_root()
        repo.publish()
        visitor.refreshed()
        repo.publish()
        old = dict(repo.files)
        repo.publish()
        visitor.refreshed()
        repo.files = old
        with pytest.raises(RolledBack):
            visitor.refreshed()

    def test_nor_when_the_kept_chain_was_lost(self, visitor: Visitor) -> None:
        repo = visitor.repo
        repo.rotate("snapshot")
        repo.publish_root()
        repo.publish()
        old = dict(repo.files)
        repo.publish()
        visitor.refreshed()
        (visitor.directory / "roots" / "2.root.json").unlink()
        repo.files = old
        with pytest.raises(RolledBack):
            visitor.refreshed()

    def test_an_added_key_does_not_lower_what_was_seen(self, visitor: Visitor) -> None:
        repo = visitor.repo
        repo.publish()
        visitor.refreshed()
        repo.add_signers("timestamp", 1, threshold=1)
        repo.publish_root()
        repo.timestamp.version = 1
        repo.publish_timestamp(bump=False)
        with pytest.raises(RolledBack):
            visitor.refreshed()


class TestEditedBytes:
    """Fractional seconds and other things that stock python-tuf cannot read."""

    @pytest.mark.parametrize("role", ["root", "timestamp", "snapshot", "targets"])
    def test_fractional_expiry_is_accepted_for_each_role(self, visitor: Visitor, role: str) -> None:
        visitor.repo.publish_root()

        def edit(signed: dict[str, Any]) -> None:
            signed["expires"] = "2031-05-01T00:00:00.468924Z"

        visitor.repo.resign(role, edit)
        assert visitor.refreshed().expires()[role].microsecond == 468_924
