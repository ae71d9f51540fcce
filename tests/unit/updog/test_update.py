from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest
from blake3 import blake3

from partitions.bootflags import BootFlags
from partitions.layout import Slot
from tests.fakes.client_world import V1, V2, V3, ClientWorld, held_until, later, release
from tests.fakes.clock import FakeClock
from tests.fakes.two_sets import RAW, two_sets
from updog import staged, update
from updog.errors import (
    BusyError,
    ConfigError,
    DataError,
    Expired,
    ManifestError,
    MigrationError,
    TargetMismatch,
    TrustError,
    UnconfirmedBoot,
    UnreachableError,
)
from updog.lock import RunLock
from updog.manifest import Update
from updog.moving import Moving, Phase
from updog.select import Chosen, Declined, Reason
from updog.staged import StagedUpdate
from updog.update import Installed, Prepared, Wish

CONFIRMED = BootFlags(1, 0, successful=True)


@pytest.fixture
def world(tmp_path: Path) -> ClientWorld:
    made = ClientWorld(tmp_path)
    made.offer(release(V2), release(V3))
    return made


def test_check_chooses_the_highest_version(world: ClientWorld) -> None:
    assert update.check(world.environment(), Wish()) == Chosen(release(V3))


def test_check_touches_neither_disk_nor_caches(world: ClientWorld) -> None:
    update.check(world.environment(), Wish())
    assert world.machine.disk.log == []
    assert not world.paths.migrations_dir.exists()


def test_available_lists_all_highest_first(world: ClientWorld) -> None:
    assert update.available(world.environment(), Wish()) == (release(V3), release(V2))


def test_a_wave_holds_an_update_back_and_says_until_when(world: ClientWorld) -> None:
    world.offer(release(V2, held_until(later(hours=5))))
    outcome = update.check(world.environment(), Wish())
    assert isinstance(outcome, Declined)
    assert (outcome.reason, outcome.ready_at) == (Reason.HELD_BY_WAVE, later(hours=5))


def test_waves_can_be_ignored_by_wish_or_by_configuration(world: ClientWorld) -> None:
    held = release(V2, held_until(later(hours=5)))
    world.offer(held)
    assert update.check(world.environment(), Wish(ignore_waves=True)) == Chosen(held)
    ignoring = world.settings._replace(ignore_waves=True)
    assert update.check(world.environment(ignoring), Wish()) == Chosen(held)


def test_an_image_can_be_asked_for(world: ClientWorld) -> None:
    assert update.check(world.environment(), Wish(image=V2)) == Chosen(release(V2))


def test_lock_and_blocked_versions_come_from_the_configuration(world: ClientWorld) -> None:
    locked = world.settings._replace(version_lock=V2)
    assert update.check(world.environment(locked), Wish()) == Chosen(release(V2))
    blocked = world.settings._replace(blocked_versions=frozenset({V3}))
    assert update.check(world.environment(blocked), Wish()) == Chosen(release(V2))


def test_examine_gives_every_update_and_the_metadata_behind_it(world: ClientWorld) -> None:
    seen = update.examine(world.environment(), Wish())
    assert seen.outcome == Chosen(release(V3))
    assert [verdict.update.version for verdict in seen.verdicts] == [V3, V2]
    assert set(seen.versions) == set(seen.expires) == {"root", "timestamp", "snapshot", "targets"}


def test_update_writes_activates_and_remembers(world: ClientWorld) -> None:
    result = update.update(world.environment(), Wish())
    assert isinstance(result, Installed)
    assert result.update == release(V3)
    assert [receipt.target for receipt in result.receipts] == ["root.lz4", "boot.lz4", "hash.lz4"]
    for role, raw in RAW.items():
        assert world.machine.content(role).startswith(raw)
    assert world.machine.bits() == {Slot.A: CONFIRMED, Slot.B: BootFlags(2, 1)}
    label = staged.recall(world.paths.staged)
    assert label is not None
    assert label[:4] == StagedUpdate("B", "edge-gw", "x86_64", "1.2.0")[:4]
    digests = [f"blake3:{blake3(RAW[role]).hexdigest()}" for role in ("root", "boot", "hash")]
    assert [image.digest for image in label.images] == digests


def again(world: ClientWorld, *, activate: bool = False) -> Installed:
    """Install once more, with the boot bits as they are."""
    run = update.update if activate else update.update_image
    result = run(world.environment(), Wish())
    assert isinstance(result, Installed)
    return result


def test_what_stands_already_is_not_written_again(world: ClientWorld) -> None:
    update.update_image(world.environment(), Wish())
    before = len(world.machine.disk.log)
    world.repo.log.clear()
    result = again(world)
    assert result.already
    assert result.receipts == ()
    assert len(world.machine.disk.log) == before
    assert not [path for path in world.repo.log if path.endswith(".lz4")]


def test_what_stands_already_is_activated_as_the_first_run_would_have(world: ClientWorld) -> None:
    update.update_image(world.environment(), Wish())
    assert again(world, activate=True).already
    assert world.machine.bits() == {Slot.A: CONFIRMED, Slot.B: BootFlags(2, 1)}


def test_what_boots_next_already_is_left_as_it_is(world: ClientWorld) -> None:
    update.update(world.environment(), Wish())
    before = len(world.machine.disk.log)
    assert again(world, activate=True).already
    assert again(world).already
    assert len(world.machine.disk.log) == before


@pytest.mark.parametrize("role", ["root", "boot", "hash"])
def test_a_set_that_was_damaged_since_is_written_again(world: ClientWorld, role: str) -> None:
    update.update_image(world.environment(), Wish())
    world.machine.disk.data[world.machine.places[role].start + len(RAW[role]) // 2] ^= 1
    assert not again(world).already
    assert world.machine.content(role).startswith(RAW[role])


def test_a_set_that_has_spent_a_try_is_written_again(world: ClientWorld) -> None:
    settings = world.settings
    three = settings._replace(boot=settings.boot._replace(tries=3))
    update.update_image(world.environment(), Wish())
    result = update.update_image(world.environment(three), Wish())
    assert isinstance(result, Installed)
    assert not result.already
    assert world.machine.bits()[Slot.B].tries_left == 3


def test_a_version_that_was_made_anew_is_written_again(world: ClientWorld) -> None:
    update.update_image(world.environment(), Wish())
    world.repo.add_target("root.lz4", world.images["boot"].frame)
    world.offer(release(V2), release(V3))
    assert not again(world).already


def test_another_version_is_written_over_what_stands_there(world: ClientWorld) -> None:
    update.update_image(world.environment(), Wish(image=V2))
    assert not again(world).already


def test_a_label_of_an_older_version_is_not_enough(world: ClientWorld) -> None:
    update.update_image(world.environment(), Wish())
    label = staged.recall(world.paths.staged)
    assert label is not None
    staged.remember(world.paths.staged, label._replace(images=()))
    assert not again(world).already


def test_caches_that_were_lost_come_back_although_nothing_is_written(world: ClientWorld) -> None:
    update.update_image(world.environment(), Wish())
    cached = sorted(path.name for path in world.paths.migrations_dir.iterdir())
    for path in world.paths.migrations_dir.iterdir():
        path.unlink()
    assert again(world).already
    assert sorted(path.name for path in world.paths.migrations_dir.iterdir()) == cached


def test_an_unconfirmed_boot_is_refused_although_the_update_stands(tmp_path: Path) -> None:
    world = ClientWorld(tmp_path, machine=two_sets({Slot.A: BootFlags(2, 1), Slot.B: BootFlags()}))
    world.offer(release(V3))
    update.update_image(world.environment(), Wish(force=True))
    with pytest.raises(UnconfirmedBoot):
        again(world, activate=True)


def test_update_image_writes_but_does_not_activate(world: ClientWorld) -> None:
    update.update_image(world.environment(), Wish())
    assert world.machine.bits() == {Slot.A: CONFIRMED, Slot.B: BootFlags(0, 1)}


def test_the_configured_tries_are_granted(world: ClientWorld) -> None:
    settings = world.settings
    three = settings._replace(boot=settings.boot._replace(tries=3))
    update.update(world.environment(three), Wish())
    assert world.machine.bits()[Slot.B] == BootFlags(2, 3)


def test_the_caller_is_told_what_starts_and_how_far_it_is(world: ClientWorld) -> None:
    started: list[Update] = []
    moved: list[str] = []
    env = replace(
        world.environment(),
        starting=started.append,
        progress=lambda at: moved.append(at.name),
    )
    update.update(env, Wish())
    assert started == [release(V3)]
    assert set(moved) == {"root.lz4", "boot.lz4", "hash.lz4"}


def test_nothing_to_do_changes_nothing(world: ClientWorld) -> None:
    world.offer(release(V1))
    assert isinstance(update.update(world.environment(), Wish()), Declined)
    assert world.machine.disk.log == []
    assert not world.paths.migrations_dir.exists()


def test_migrations_and_metadata_are_cached_before_the_disk_is_touched(world: ClientWorld) -> None:
    edges = {(V1, V2): ("m1.lz4", "m2.lz4"), (V2, V3): ("m3.lz4",)}
    world.offer(release(V3), migrations=edges)
    result = update.prepare(world.environment(), Wish())
    assert result == Prepared(release(V3), ("m1.lz4", "m2.lz4", "m3.lz4", "manifest.json"))
    cached = {path.name.partition(".")[2] for path in world.paths.migrations_dir.iterdir()}
    assert cached == {"m1.lz4", "m2.lz4", "m3.lz4", "manifest.json"}
    kept = {path.name for path in world.paths.metadata_cache_dir.iterdir()}
    assert {"1.root.json", "timestamp.json"} <= kept
    assert world.machine.disk.log == []


def test_the_manifest_is_cached_even_without_migrations(world: ClientWorld) -> None:
    update.update(world.environment(), Wish(image=V2))
    (cached,) = world.paths.migrations_dir.iterdir()
    assert cached.name.endswith(".manifest.json")


def test_a_missing_migration_chain_stops_before_the_disk_is_touched(world: ClientWorld) -> None:
    world.offer(release(V3), migrations={(V1, V2): ()})
    with pytest.raises(MigrationError):
        update.update(world.environment(), Wish())
    assert world.machine.disk.log == []


def test_an_unfetchable_migration_stops_before_the_disk_is_touched(world: ClientWorld) -> None:
    world.offer(release(V2), migrations={(V1, V2): ("m1.lz4",)})
    for path in [path for path in world.repo.files if path.endswith("m1.lz4")]:
        del world.repo.files[path]
    with pytest.raises(UnreachableError):
        update.update(world.environment(), Wish())
    assert world.machine.disk.log == []


def test_an_unconfirmed_boot_is_refused_before_anything_is_downloaded(tmp_path: Path) -> None:
    unconfirmed = {Slot.A: BootFlags(2, 0), Slot.B: CONFIRMED}
    world = ClientWorld(tmp_path, machine=two_sets(unconfirmed))
    world.offer(release(V2), migrations={(V1, V2): ("m1.lz4",)})
    with pytest.raises(UnconfirmedBoot):
        update.update(world.environment(), Wish())
    assert world.machine.disk.log == []
    assert not [path for path in world.repo.log if path.endswith(".lz4")]
    assert not world.paths.migrations_dir.exists()


def test_force_updates_in_spite_of_an_unconfirmed_boot(tmp_path: Path) -> None:
    world = ClientWorld(tmp_path, machine=two_sets({Slot.A: BootFlags(2, 1), Slot.B: CONFIRMED}))
    world.offer(release(V2))
    update.update_image(world.environment(), Wish(force=True))
    assert world.machine.bits()[Slot.B] == BootFlags(0, 1)


def test_a_tampered_image_leaves_the_set_unbootable_and_unlabelled(world: ClientWorld) -> None:
    staged.remember(world.paths.staged, StagedUpdate("B", "edge-gw", "x86_64", "0.9.0"))
    for path in [path for path in world.repo.files if path.endswith("boot.lz4")]:
        world.repo.files[path] = world.repo.files[path][:-1] + b"\xff"
    with pytest.raises(TargetMismatch):
        update.update(world.environment(), Wish())
    assert world.machine.bits() == {Slot.A: CONFIRMED, Slot.B: BootFlags()}
    assert staged.recall(world.paths.staged) is None


# Migrations of other sets, and the label ----------------------------------------------------------


def cached(world: ClientWorld) -> set[str]:
    return {path.name.partition(".")[2] for path in world.paths.migrations_dir.iterdir()}


MIGRATING = {(V1, V2): ("m1.lz4",), (V1, V3): ("m3.lz4",)}


def test_preparing_leaves_what_another_set_may_need(world: ClientWorld) -> None:
    world.offer(release(V2), release(V3), migrations=MIGRATING)
    update.prepare(world.environment(), Wish(image=V2))
    update.prepare(world.environment(), Wish(image=V3))
    assert cached(world) == {"m1.lz4", "m3.lz4", "manifest.json"}


def test_a_failed_update_leaves_what_another_set_may_need(world: ClientWorld) -> None:
    world.offer(release(V2), release(V3), migrations=MIGRATING)
    update.update_image(world.environment(), Wish(image=V2))
    (path,) = [path for path in world.repo.files if path.endswith(".hash.lz4")]
    del world.repo.files[path]
    with pytest.raises(UnreachableError):
        update.update(world.environment(), Wish(image=V3))
    assert cached(world) == {"m1.lz4", "m3.lz4", "manifest.json"}
    assert world.machine.bits()[Slot.B] == BootFlags(0, 1)


def test_an_update_that_stands_removes_what_no_set_needs_any_more(world: ClientWorld) -> None:
    world.offer(release(V2), release(V3), migrations=MIGRATING)
    update.update_image(world.environment(), Wish(image=V2))
    update.update_image(world.environment(), Wish(image=V3))
    assert cached(world) == {"m3.lz4", "manifest.json"}


def test_a_refused_update_leaves_the_label(world: ClientWorld) -> None:
    label = StagedUpdate("B", "edge-gw", "x86_64", "0.9.0")
    staged.remember(world.paths.staged, label)
    sign_custom(world, {"updog": {"raw_length": 10**12}})
    with pytest.raises(DataError, match="does not fit"):
        update.update(world.environment(), Wish())
    assert staged.recall(world.paths.staged) == label


def test_a_label_that_cannot_be_kept_is_a_warning_and_stops_nothing(
    world: ClientWorld, caplog: pytest.LogCaptureFixture
) -> None:
    # A folder can neither be removed as a file nor replaced by one.
    (world.paths.staged / "in-the-way").mkdir(parents=True)
    assert isinstance(update.update(world.environment(), Wish()), Installed)
    assert world.machine.bits()[Slot.B] == BootFlags(2, 1)
    said = [one.getMessage() for one in caplog.records if one.levelname == "WARNING"]
    assert len(said) == 2
    assert all(str(world.paths.staged) in message for message in said)


def test_the_next_run_recovers_after_a_failure(world: ClientWorld) -> None:
    (path,) = [path for path in world.repo.files if path.endswith(".boot.lz4")]
    good = world.repo.files[path]
    world.repo.files[path] = good[:-1] + b"\xff"
    with pytest.raises(TargetMismatch):
        update.update(world.environment(), Wish())
    world.repo.files[path] = good
    assert isinstance(update.update(world.environment(), Wish()), Installed)


def test_an_image_that_breaks_off_is_taken_up_again(world: ClientWorld) -> None:
    (path,) = [path for path in world.repo.files if path.endswith(".root.lz4")]
    world.repo.faults.cuts[path] = [3000, None]
    assert isinstance(update.update(world.environment(), Wish()), Installed)
    assert f"{path}@3000" in world.repo.log


def test_another_run_keeps_this_one_out(world: ClientWorld) -> None:
    with RunLock(world.paths.lock):
        for act in (update.check, update.available, update.examine, update.prepare):
            with pytest.raises(BusyError):
                act(world.environment(), Wish())
        with pytest.raises(BusyError):
            update.update(world.environment(), Wish())


# Signed facts about the decompressed images -------------------------------------------------------


def sign_custom(world: ClientWorld, custom: object) -> None:
    world.repo.targets.targets["root.lz4"].unrecognized_fields["custom"] = custom
    world.repo.publish()


def test_signed_raw_facts_that_agree_are_taken(world: ClientWorld) -> None:
    sign_custom(world, {"updog": {"raw_length": len(RAW["root"])}, "other": 1})
    assert isinstance(update.update(world.environment(), Wish()), Installed)


def test_digests_in_upper_case_are_the_same_digests(world: ClientWorld) -> None:
    def shout(signed: dict[str, dict[str, dict[str, Any]]]) -> None:
        facts = signed["targets"]["root.lz4"]
        facts["hashes"]["sha256"] = facts["hashes"]["sha256"].upper()
        raw = hashlib.sha256(RAW["root"]).hexdigest().upper()
        fast = blake3(RAW["root"]).hexdigest().upper()
        facts["custom"] = {"updog": {"raw_sha256": raw, "raw_blake3": fast}}

    world.repo.resign("targets", shout)
    assert isinstance(update.update(world.environment(), Wish()), Installed)


def test_a_signed_raw_length_beyond_the_partition_is_refused_in_time(world: ClientWorld) -> None:
    sign_custom(world, {"updog": {"raw_length": 10**12}})
    with pytest.raises(DataError, match="does not fit"):
        update.update(world.environment(), Wish())
    assert world.machine.disk.log == []


@pytest.mark.parametrize(
    "ours",
    [
        7,
        {"raw_length": "7"},
        {"raw_length": 0},
        {"raw_length": True},
        {"raw_sha256": "ab"},
        {"raw_blake3": "ab"},
        {"raw_blake3": 7},
    ],
)
def test_senseless_signed_facts_are_refused(world: ClientWorld, ours: object) -> None:
    sign_custom(world, {"updog": ours})
    with pytest.raises(TrustError, match=r"root\.lz4: its signed"):
        update.update(world.environment(), Wish())
    assert world.machine.disk.log == []


# The repository -----------------------------------------------------------------------------------


def queries(world: ClientWorld, suffix: str) -> list[dict[str, list[str]]]:
    pairs = zip(world.repo.log, world.repo.queries, strict=True)
    return [parse_qs(query) for path, query in pairs if path.endswith(suffix)]


def test_each_request_carries_what_is_known_so_far(world: ClientWorld) -> None:
    world.offer(release(V2), migrations={(V1, V2): ("m1.lz4",)})
    update.update(world.environment(), Wish())
    known = {"seed": ["1000"], "version": ["1.0.0"]}
    migrating = known | {"target": ["1.1.0"]}
    everything = migrating | {"migrations": ["m1.lz4,manifest.json"]}
    assert queries(world, "timestamp.json") == [known]
    assert queries(world, "m1.lz4") == [migrating]
    assert queries(world, "root.lz4") == [everything]


def test_a_host_can_keep_to_itself(world: ClientWorld) -> None:
    update.update(world.environment(world.quiet_settings()), Wish())
    assert set(world.repo.queries) == {""}


def test_a_missing_trusted_root_is_a_configuration_error(world: ClientWorld) -> None:
    world.paths.trusted_root.unlink()
    with pytest.raises(ConfigError, match="There is no trusted root"):
        update.check(world.environment(), Wish())


def test_expired_metadata_is_refused(world: ClientWorld) -> None:
    env = replace(world.environment(), now=datetime(2040, 1, 1, tzinfo=UTC))
    with pytest.raises(Expired):
        update.check(env, Wish())


def test_an_update_ends_where_its_metadata_expires_between_two_images(world: ClientWorld) -> None:
    clock = FakeClock()

    def watch(at: Moving) -> None:
        if (at.name, at.phase) == ("root.lz4", Phase.DONE):
            clock.advance(timedelta(days=31))

    env = replace(world.environment(), clock=clock, progress=watch)
    with pytest.raises(Expired):
        update.update(env, Wish())
    assert world.machine.bits() == {Slot.A: CONFIRMED, Slot.B: BootFlags()}


def test_a_manifest_that_breaks_its_schema_is_refused(world: ClientWorld) -> None:
    world.repo.add_target("manifest.json", json.dumps({"updates": []}).encode())
    world.repo.publish()
    with pytest.raises(ManifestError):
        update.check(world.environment(), Wish())


def test_a_repository_without_the_image_is_refused_before_the_disk_is_touched(
    world: ClientWorld,
) -> None:
    del world.repo.targets.targets["hash.lz4"]
    world.repo.publish()
    with pytest.raises(TrustError, match=r"hash\.lz4"):
        update.update(world.environment(), Wish())
    assert world.machine.disk.log == []
