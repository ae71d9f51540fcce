from __future__ import annotations

import os
import stat
from datetime import timedelta
from pathlib import Path

import pytest

from tests.fakes.clock import NOW
from tests.fakes.migration_world import LOG, MigrationWorld, appends, script
from updog.datastore.errors import StoreError
from updog.errors import MigrationError, StorageError, TrustError
from updog.manifest import parse
from updog.migrate.outcome import Migrated
from updog.migrate.sandbox import Sandbox
from updog.migrate.switching import Repository, migrate, refusals_told
from updog.version import Version

FIXTURE = Path(__file__).resolve().parents[4] / "fixtures" / "manifests" / "migrations.json"


@pytest.fixture
def world(tmp_path: Path) -> MigrationWorld:
    return MigrationWorld(tmp_path)


def _migrate(world: MigrationWorld, goal: str, sandbox: Sandbox | None = None) -> Migrated:
    tools = world.tools(sandbox=sandbox)
    return migrate(world.paths.datastore, Version.parse(goal), world.open, NOW, tools)


def _never() -> Repository:
    raise AssertionError("the cached repository was opened")


def test_a_first_boot_has_nothing_to_migrate(world: MigrationWorld) -> None:
    goal = Version.parse("1.0.0")
    done = migrate(world.paths.datastore, goal, _never, NOW, world.tools())
    assert (done.store, done.journey.start) == (None, None)


def test_the_same_version_needs_no_repository(world: MigrationWorld) -> None:
    world.place("1.0.0")
    goal = Version.parse("1.0.0")
    done = migrate(world.paths.datastore, goal, _never, NOW, world.tools())
    assert done.journey.way == "none"
    assert world.store == LOG


def test_migrations_run_forward_in_their_order(world: MigrationWorld) -> None:
    world.place("1.0.0")
    world.publish({"1.0.0>1.1.0": ["b", "a"], "1.1.0>1.2.0": ["c"]})
    done = _migrate(world, "1.2.0")
    assert done.journey.migrations == ("b", "a", "c")
    assert (world.version, world.log) == ("1.2.0", ["start", "b", "a", "c"])


def test_migrations_run_backward_in_reverse(world: MigrationWorld) -> None:
    world.place("1.0.0")
    world.publish({"1.0.0>1.1.0": ["b", "a"], "1.1.0>1.2.0": ["c"]})
    _migrate(world, "1.2.0")
    done = _migrate(world, "1.0.0")
    assert done.journey.migrations == ("c", "a", "b")
    assert (world.version, world.store) == ("1.0.0", LOG)


@pytest.mark.parametrize(
    ("start", "end", "log"),
    [
        ("1.0.0", "1.5.0", ["migration_1.1.0_a", "migration_1.1.0_b", "migration_1.5.0_shortcut"]),
        ("1.1.0", "1.2.0", ["migration_1.2.0_skip"]),
        ("1.2.0", "1.5.0", ["migration_1.5.0_skip"]),
    ],
)
def test_bottlerockets_example_runs_bottlerockets_list(
    world: MigrationWorld, start: str, end: str, log: list[str]
) -> None:
    edges = parse(FIXTURE.read_bytes()).migrations
    world.place(start)
    world.publish({f"{one}>{other}": names for (one, other), names in edges.items()})
    _migrate(world, end)
    assert world.log == ["start", *log]
    _migrate(world, start)
    assert world.store == LOG


def test_no_migration_only_links_the_new_version(world: MigrationWorld) -> None:
    world.place("1.0.0")
    world.publish({"1.0.0>1.1.0": []})
    before = _migrate(world, "1.0.0").store
    done = _migrate(world, "1.1.0")
    assert (done.store, done.kept) == (before, None)
    assert world.version == "1.1.0"


def test_the_original_is_kept_as_it_was(world: MigrationWorld) -> None:
    world.place("1.0.0")
    world.publish({"1.0.0>1.1.0": ["a"]})
    done = _migrate(world, "1.1.0")
    assert done.kept is not None
    assert (done.kept / "live/settings/log").read_text() == '["start"]'


def test_the_store_before_the_original_is_collected(world: MigrationWorld) -> None:
    world.place("1.0.0")
    world.publish({"1.0.0>1.1.0": ["a"], "1.1.0>1.2.0": ["b"]})
    (world.paths.datastore.parent / "notes").mkdir()
    first = _migrate(world, "1.1.0").kept
    done = _migrate(world, "1.2.0")
    assert first is not None
    assert done.collected == (first.name,)
    assert world.names() == {
        *("notes", "current", "v1", "v1.1", "v1.2", "v1.1.0", "v1.2.0"),
        *(path.name for path in (done.store, done.kept) if path),
    }


def test_a_pre_release_is_migrated_once(world: MigrationWorld) -> None:
    world.place("1.0.0")
    world.publish({"1.0.0>1.1.0-rc.1": ["a"], "1.1.0-rc.1>1.1.0": ["b"]})
    _migrate(world, "1.1.0-rc.1")
    assert world.version == "1.1.0-rc.1"
    assert _migrate(world, "1.1.0-rc.1").journey.way == "none"
    _migrate(world, "1.1.0")
    assert (world.version, world.log) == ("1.1.0", ["start", "a", "b"])


def test_a_pre_release_without_migrations_is_told_from_its_release(world: MigrationWorld) -> None:
    world.place("1.1.0-rc.1")
    world.publish({"1.1.0-rc.1>1.1.0": [], "1.1.0>1.2.0-beta": []})
    for version in ("1.1.0", "1.2.0-beta", "1.1.0", "1.1.0-rc.1"):
        _migrate(world, version)
        assert world.version == version
        assert _migrate(world, version).journey.way == "none"
    assert world.store == LOG


def test_a_missing_edge_leaves_all_as_it_is(world: MigrationWorld) -> None:
    world.place("1.0.0")
    world.publish({"1.0.0>1.1.0": ["a"]})
    before = world.names()
    with pytest.raises(MigrationError, match=r"from 1\.1\.0 on towards 1\.2\.0: the chain is cut"):
        _migrate(world, "1.2.0")
    assert (world.version, world.names()) == ("1.0.0", before)


def test_a_loop_is_refused(world: MigrationWorld) -> None:
    world.place("1.0.0")
    world.publish({"1.0.0>1.0.0": ["a"]})
    with pytest.raises(MigrationError, match="would never end"):
        _migrate(world, "1.1.0")


@pytest.mark.parametrize(
    ("program", "said"),
    [
        (b"#!/bin/sh\necho no room >&2; exit 3\n", "failed with 3: no room"),
        (b"\x7fELF is no program", "it cannot be run"),
        (b"#!/bin/sh\nexit 0\n", "no data store: .: it is not a folder"),
        (script('echo "{" >settings/log'), "live/settings/log: it is not JSON"),
        (script("ln -s /etc/passwd settings/x"), "live/settings/x: it is neither a file"),
        (script("rm -r ../live"), "live: it is missing"),
        (script("touch settings/a=b"), "'a=b' is no encoded name"),
    ],
)
def test_a_failed_migration_leaves_all_as_it_is(
    world: MigrationWorld, program: bytes, said: str
) -> None:
    world.place("1.0.0")
    world.publish({"1.0.0>1.1.0": ["good", "bad"]}, {"bad": program})
    before = world.names()
    with pytest.raises(MigrationError) as refused:
        _migrate(world, "1.1.0")
    assert said in str(refused.value)
    assert (world.version, world.store, world.names()) == ("1.0.0", LOG, before)


def _command_of(pid: int) -> bytes:
    """What a process runs; nothing where it has ended, even if nobody has asked for its end."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except FileNotFoundError:
        return b""


def test_a_migration_that_takes_too_long_is_ended(world: MigrationWorld, tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    world.place("1.0.0")
    world.publish({"1.0.0>1.1.0": ["slow"]}, {"slow": script(f"echo $$ >{pid}", "exec sleep 999")})
    with pytest.raises(MigrationError, match="longer than 1 seconds"):
        _migrate(world, "1.1.0", Sandbox(1, confined=False))
    assert not _command_of(int(pid.read_text()))
    assert world.version == "1.0.0"


def test_what_was_wrong_before_stops_no_boot(world: MigrationWorld) -> None:
    world.place("1.0.0")
    world.publish({"1.0.0>1.1.0": ["a"]})
    (world.paths.datastore.resolve() / "live/settings/odd").write_text("no JSON")
    _migrate(world, "1.1.0")
    assert (world.paths.datastore.resolve() / "live/settings/odd").read_text() == "no JSON"


def test_expired_metadata_is_believed_and_told(world: MigrationWorld) -> None:
    world.place("1.0.0")
    world.publish({"1.0.0>1.1.0": ["a"]})
    late = NOW + timedelta(days=365)
    goal = Version.parse("1.1.0")
    done = migrate(world.paths.datastore, goal, world.open, late, world.tools())
    assert world.version == "1.1.0"
    assert "the cached timestamp.json expired 335 days ago" in done.journey.remarks


def _damage(folder: Path, part: str) -> None:
    for path in folder.iterdir():
        if part in path.name:
            content = bytearray(path.read_bytes())
            content[len(content) // 2] ^= 1
            path.write_bytes(content)


@pytest.mark.parametrize("part", ["timestamp", "snapshot", "targets.json"])
def test_damaged_metadata_is_not_believed(world: MigrationWorld, part: str) -> None:
    world.place("1.0.0")
    world.publish({"1.0.0>1.1.0": ["a"]})
    _damage(world.paths.metadata_cache_dir, part)
    with pytest.raises(TrustError):
        _migrate(world, "1.1.0")
    assert world.store == LOG


def test_metadata_of_other_keys_is_not_believed(world: MigrationWorld, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    foreign = MigrationWorld(other)
    foreign.publish({"1.0.0>1.1.0": ["a"]})
    world.place("1.0.0")
    world.publish({"1.0.0>1.1.0": ["a"]})
    world.paths.trusted_root.write_bytes(foreign.repo.shipped_root())
    with pytest.raises(TrustError):
        _migrate(world, "1.1.0")


@pytest.mark.parametrize("part", [".a", "manifest.json"])
def test_damaged_or_missing_targets_are_not_run(world: MigrationWorld, part: str) -> None:
    world.place("1.0.0")
    world.publish({"1.0.0>1.1.0": ["a"]})
    _damage(world.paths.migrations_dir, part)
    with pytest.raises(TrustError):
        _migrate(world, "1.1.0")
    for path in world.paths.migrations_dir.iterdir():
        if path.name.endswith(part):
            path.unlink()
    with pytest.raises(TrustError, match="is not among the cached targets"):
        _migrate(world, "1.1.0")
    assert world.store == LOG


def test_a_missing_cache_is_told(world: MigrationWorld) -> None:
    world.place("1.0.0")
    world.publish({"1.0.0>1.1.0": ["a"]})
    (world.paths.metadata_cache_dir / "timestamp.json").unlink()
    with pytest.raises(TrustError, match="the cached repository is not whole") as refused:
        _migrate(world, "1.1.0")
    assert "prepare" in refused.value.hint


def test_a_newer_root_in_the_image_is_followed(world: MigrationWorld) -> None:
    world.place("1.0.0")
    world.publish({"1.0.0>1.1.0": ["a"]})
    world.repo.rotate("timestamp")
    world.repo.publish_root()
    world.repo.publish()
    world.save()
    world.paths.trusted_root.write_bytes(world.repo.shipped_root(2))
    _migrate(world, "1.1.0")
    assert world.version == "1.1.0"


def test_links_that_lead_elsewhere_are_refused(world: MigrationWorld) -> None:
    world.place("1.0.0")
    link = world.paths.datastore.with_name("v1")
    link.unlink()
    link.symlink_to("/etc")
    with pytest.raises(StoreError, match="leads out of its folder"):
        _migrate(world, "1.1.0")


def test_owner_and_permissions_stay(world: MigrationWorld) -> None:
    world.place("1.0.0")
    world.paths.datastore.resolve().chmod(0o750)
    world.publish({"1.0.0>1.1.0": ["a"]})
    store = _migrate(world, "1.1.0").store
    assert store is not None
    assert stat.S_IMODE(store.stat().st_mode) == 0o750
    assert stat.S_IMODE((store / "live/settings/log").stat().st_mode) == 0o640
    assert store.stat().st_uid == os.getuid()


def test_a_locked_in_migration_ends_alike(world: MigrationWorld) -> None:
    world.place("1.0.0")
    world.publish({"1.0.0>1.1.0": ["a"]}, {"a": appends("a")})
    _migrate(world, "1.1.0", Sandbox(30))
    assert (world.version, world.log) == ("1.1.0", ["start", "a"])
    assert world.paths.datastore.resolve().stat().st_uid == os.getuid()


@pytest.mark.parametrize(("name", "where"), [(None, ""), ("/srv/x", "/srv/x: ")])
def test_what_a_file_system_refuses_is_told_with_the_place(name: str | None, where: str) -> None:
    with pytest.raises(StorageError) as told, refusals_told(Path("/srv/current")):
        raise OSError(28, "No space left", name)
    assert str(told.value) == f"the data store /srv/current: {where}No space left."
