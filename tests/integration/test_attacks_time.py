"""Attacks with what is old, or newer than it should be; across runs, each of which is a process.

Each test is a row of docs/threat-model.md.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.fakes.attack_world import AttackWorld, attack_world
from tests.fakes.client_world import V2, V3
from tests.fakes.httpserver import Exchange

ROLES = ("timestamp", "snapshot", "targets")
FAR = 99_999


@pytest.fixture
def world(tmp_path: Path) -> Iterator[AttackWorld]:
    with attack_world(tmp_path) as made:
        yield made


@pytest.fixture
def seen(world: AttackWorld) -> AttackWorld:
    """A host that saw everything at version 3, 1.2.0 offered; each run is a restart."""
    world.repo.publish()
    world.sees(V3)
    return world


def sign_older(world: AttackWorld, role: str) -> None:
    """Sign the content of a role anew, with valid keys, under an older version; and all above."""
    world.repo._signed(role).version = 0
    world.repo.publish()


class TestRollback:
    def test_of_the_timestamp(self, world: AttackWorld) -> None:
        old = world.repo.metadata("timestamp")
        world.repo.publish()
        world.sees(V3)
        world.repo.files["metadata/timestamp.json"] = old
        world.refuses_untouched("timestamp.json went back")

    @pytest.mark.parametrize("hashes", [True, False])
    @pytest.mark.parametrize("role", ["snapshot", "targets"])
    def test_of_a_role_below_new_signatures(
        self, seen: AttackWorld, role: str, *, hashes: bool
    ) -> None:
        seen.repo.hashes_in_metadata = hashes
        sign_older(seen, role)
        seen.refuses_untouched(f"{role}.json", "went back")

    def test_of_the_root_by_an_older_file_under_the_next_name(self, seen: AttackWorld) -> None:
        seen.repo.publish_root()
        seen.repo.publish_root()
        seen.sees(V3)
        seen.repo.files["metadata/4.root.json"] = seen.repo.shipped_root(2)
        seen.refuses_untouched("4.root.json")

    def test_of_the_root_by_hiding_the_newer_ones(self, seen: AttackWorld) -> None:
        repo = seen.repo
        stolen = repo.signers["timestamp"]
        repo.rotate("timestamp")
        repo.publish_root()
        repo.publish()
        seen.sees(V3)
        del repo.files["metadata/2.root.json"]
        repo.signers["timestamp"] = stolen
        repo.publish_timestamp()
        seen.refuses_untouched("0 of the 1 keys")

    def test_of_a_whole_repository(self, world: AttackWorld) -> None:
        old = dict(world.repo.files)
        world.offer(V2)
        world.sees(V2)
        world.repo.files = old
        world.refuses_untouched("went back")

    def test_by_a_role_that_vanishes(self, seen: AttackWorld) -> None:
        repo = seen.repo
        repo.delegate("targets", "vendor", ["vendor-*"])
        repo.publish()
        seen.sees(V3)
        del repo.snapshot.meta["vendor.json"]
        repo.publish_snapshot()
        repo.publish_timestamp()
        seen.refuses_untouched("vendor")

    def test_after_the_stored_timestamp_was_lost(self, world: AttackWorld) -> None:
        old = dict(world.repo.files)
        world.repo.publish()
        world.sees(V3)
        world.machine.client.paths.tuf_dir.joinpath("timestamp.json").unlink()
        world.repo.files = old
        world.refuses_untouched("went back")

    @pytest.mark.parametrize("damage", [b"", b"\0" * 500, b"{}"])
    def test_after_the_stored_timestamp_was_damaged(
        self, world: AttackWorld, damage: bytes
    ) -> None:
        old = dict(world.repo.files)
        world.repo.publish()
        world.sees(V3)
        world.machine.client.paths.tuf_dir.joinpath("timestamp.json").write_bytes(damage)
        world.repo.files = old
        world.refuses_untouched("went back")


class TestFreeze:
    @pytest.mark.parametrize("role", ROLES)
    def test_at_an_expired_role(self, world: AttackWorld, role: str) -> None:
        world.repo._signed(role).expires = datetime.now(UTC) - timedelta(days=1)
        world.repo.publish()
        world.refuses_untouched("expired")

    @pytest.mark.parametrize("role", ROLES)
    def test_at_a_stored_role_that_has_expired_since(self, world: AttackWorld, role: str) -> None:
        soon = datetime.now(UTC) + timedelta(seconds=3)
        world.repo._signed(role).expires = soon
        world.repo.publish()
        assert world.updog("check-update").returncode in {0, 65}
        time.sleep(max(0.0, (soon - datetime.now(UTC)).total_seconds()))
        world.refuses_untouched("expired")

    def test_at_an_expired_root(self, world: AttackWorld) -> None:
        world.repo.root.expires = datetime.now(UTC) - timedelta(days=1)
        world.repo.publish_root()
        world.refuses_untouched("expired")


def built(world: AttackWorld, ahead: timedelta) -> None:
    """Let the image be built that much later than the clock says: the clock is behind."""
    moment = (datetime.now(UTC) + ahead).timestamp()
    os.utime(world.machine.client.paths.trusted_root, (moment, moment))


class TestClockSetBack:
    """Whoever sets the clock back does not come behind the moment the image was built."""

    def test_what_expired_before_the_build_stays_expired(self, world: AttackWorld) -> None:
        world.repo.timestamp.expires = datetime.now(UTC) + timedelta(days=1)
        world.repo.publish()
        built(world, timedelta(days=2))
        world.refuses_untouched("expired")

    def test_what_is_valid_beyond_the_build_is_taken_and_the_doubt_is_said(
        self, world: AttackWorld
    ) -> None:
        built(world, timedelta(days=2))
        done = world.updog("check-update")
        assert (done.returncode, done.stdout) == (0, f"edge-gw {V3}\n")
        assert "before this image was built" in done.stderr
        state = json.loads(world.updog("why", "--json").stdout)["clock"]
        assert state["state"] == "unknown"

    def test_a_build_time_past_the_roots_expiry_locks_nobody_out(self, world: AttackWorld) -> None:
        built(world, timedelta(days=10_000))
        world.updates()

    def test_no_server_moves_the_clock(self, world: AttackWorld) -> None:
        world.repo.timestamp.expires = datetime.now(UTC) + timedelta(days=1)
        world.repo.publish()

        def late(exchange: Exchange) -> None:
            data = world.repo.metadata("timestamp")
            exchange.reply(200, data, headers={"Date": "Thu, 01 Jan 2099 00:00:00 GMT"})

        world.odd["metadata/timestamp.json"] = late
        world.updates()


class TestFastForward:
    @pytest.mark.parametrize("role", ["timestamp", "snapshot"])
    def test_stolen_keys_drive_versions_up_and_rotation_repairs(
        self, world: AttackWorld, role: str
    ) -> None:
        repo = world.repo
        repo._signed(role).version = FAR
        repo.publish()
        world.sees(V3)
        repo.rotate("timestamp", "snapshot")
        repo.publish_root()
        repo._signed(role).version = 0
        repo.publish()
        world.updates()

    def test_without_a_rotation_nothing_is_forgiven(self, world: AttackWorld) -> None:
        world.repo.timestamp.version = FAR
        world.repo.publish()
        world.sees(V3)
        world.repo.timestamp.version = 5
        world.repo.publish()
        world.refuses_untouched("went back")

    def test_targets_driven_up_are_repaired_by_a_new_snapshot_key(self, world: AttackWorld) -> None:
        world.repo.targets.version = FAR
        world.repo.publish()
        world.sees(V3)
        world.repo.rotate("snapshot", "targets")
        world.repo.publish_root()
        world.repo.targets.version = 0
        world.repo.publish()
        world.updates()

    def test_a_root_cannot_jump(self, world: AttackWorld) -> None:
        world.repo.root.version = FAR
        world.repo.publish_root()
        data = world.repo.files[f"metadata/{FAR + 1}.root.json"]
        world.repo.files["metadata/2.root.json"] = data
        world.forged.add(data)
        world.refuses_untouched("2.root.json")


class TestKeyCompromise:
    @pytest.mark.parametrize("role", ROLES)
    def test_a_revoked_key_signs_nothing_any_more(self, seen: AttackWorld, role: str) -> None:
        repo = seen.repo
        stolen = repo.signers[role]
        repo.rotate(role)
        repo.publish_root()
        repo.publish()
        seen.sees(V3)
        repo.signers[role] = stolen
        repo.publish()
        seen.refuses_untouched("0 of the 1 keys")

    def test_after_a_rotation_of_all_keys_the_host_goes_on(self, seen: AttackWorld) -> None:
        repo = seen.repo
        old_root = list(repo.signers["root"])
        repo.rotate(*ROLES, "root")
        repo.publish_root(also=tuple(old_root))
        repo.publish()
        seen.updates()

    def test_root_keys_below_their_threshold_change_nothing(self, world: AttackWorld) -> None:
        repo = world.repo
        repo.add_signers("root", 2, threshold=2)
        repo.publish_root()
        world.sees(V3)
        del repo.signers["root"][1:]
        repo.rotate("targets")
        repo.publish_root()
        world.forged.add(repo.metadata("root"))
        world.refuses_untouched("1 of the 2 keys")
