"""A check of unchanged metadata: the same answer for two requests, and a refresh for all else."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from tests.fakes.client_world import V1, V2, V3, ClientWorld, held_until, later, release
from tests.fakes.clock import NOW
from tests.fakes.repository import FakeRepository
from updog.errors import Expired, NotThere, RolledBack, TrustError, UnreachableError
from updog.manifest import Manifest, dump
from updog.select import Chosen, Declined
from updog.unchanged import MANIFEST, Asked, Memory
from updog.update import Environment, update_image
from updog.visit import Wish, available, check

QUESTION = ["metadata/2.root.json", "metadata/timestamp.json"]


@pytest.fixture
def world(tmp_path: Path) -> ClientWorld:
    """A host that has asked once."""
    made = ClientWorld(tmp_path)
    made.offer(release(V2))
    assert check(made.environment(), Wish()) == Chosen(release(V2))
    made.repo.log.clear()
    return made


def fetched_by(env: Environment, repo: FakeRepository) -> list[str]:
    """What one more check fetches; its answer must be the right one."""
    repo.log.clear()
    assert check(env, Wish()) == Chosen(release(V2))
    return repo.log


def manifest_was_read(log: list[str]) -> bool:
    """Whether this was a full refresh: only that reads the manifest."""
    return any(path.startswith("targets/") for path in log)


def test_an_unchanged_repository_is_asked_for_the_next_root_and_the_timestamp(
    world: ClientWorld,
) -> None:
    assert fetched_by(world.environment(), world.repo) == QUESTION


def test_the_addresses_carry_version_and_seed_as_in_a_full_refresh(world: ClientWorld) -> None:
    world.repo.queries.clear()
    check(world.environment(), Wish())
    assert world.repo.queries == ["seed=1000&version=1.0.0"] * 2


def test_a_host_that_keeps_to_itself_does_so_here_too(world: ClientWorld) -> None:
    env = world.environment(world.quiet_settings())
    world.repo.queries.clear()
    check(env, Wish())
    assert world.repo.queries == ["", ""]


def test_the_list_of_all_updates_is_remembered_too(world: ClientWorld) -> None:
    assert available(world.environment(), Wish()) == (release(V2),)
    assert world.repo.log == QUESTION


def test_waves_go_on_while_the_metadata_stays(tmp_path: Path) -> None:
    world, held = ClientWorld(tmp_path), release(V2, held_until(later(hours=5)))
    world.offer(held)
    assert isinstance(check(world.environment(), Wish()), Declined)
    world.repo.log.clear()
    afterwards = replace(world.environment(), now=later(hours=6))
    assert check(afterwards, Wish()) == Chosen(held)
    assert world.repo.log == QUESTION


def test_an_installation_verifies_everything(world: ClientWorld) -> None:
    update_image(world.environment(), Wish())
    assert manifest_was_read(world.repo.log)


# What leads to a full refresh --------------------------------------------------------------------
def test_a_new_timestamp_is_followed_without_fetching_it_twice(world: ClientWorld) -> None:
    world.offer(release(V2), release(V3))
    world.repo.log.clear()
    assert check(world.environment(), Wish()) == Chosen(release(V3))
    assert world.repo.log[:3] == [*QUESTION, "metadata/3.snapshot.json"]
    assert world.repo.log.count("metadata/timestamp.json") == 1


def test_what_a_full_refresh_found_is_the_next_memory(world: ClientWorld) -> None:
    world.repo.publish_timestamp()
    assert manifest_was_read(fetched_by(world.environment(), world.repo))
    assert fetched_by(world.environment(), world.repo) == QUESTION


def test_a_next_root_is_followed_without_fetching_it_twice(world: ClientWorld) -> None:
    world.repo.publish_root()
    log = fetched_by(world.environment(), world.repo)
    assert log[:3] == ["metadata/2.root.json", "metadata/3.root.json", "metadata/timestamp.json"]
    assert manifest_was_read(log)
    assert fetched_by(world.environment(), world.repo)[0] == "metadata/3.root.json"


def test_a_root_that_takes_the_timestamp_key_away_ends_the_old_answer(world: ClientWorld) -> None:
    world.repo.rotate("timestamp")
    world.repo.publish_root()
    with pytest.raises(TrustError):
        check(world.environment(), Wish())


def test_an_older_timestamp_is_refused(world: ClientWorld) -> None:
    older = world.repo.files["metadata/timestamp.json"]
    world.repo.publish_timestamp()
    check(world.environment(), Wish())
    world.repo.files["metadata/timestamp.json"] = older
    with pytest.raises(RolledBack):
        check(world.environment(), Wish())


@pytest.mark.parametrize("role", ["root", "timestamp", "snapshot", "targets"])
def test_an_expired_role_is_refused(tmp_path: Path, role: str) -> None:
    world = ClientWorld(tmp_path)
    repo = world.repo
    {"root": repo.root, "timestamp": repo.timestamp, "snapshot": repo.snapshot}.get(
        role, repo.targets
    ).expires = later(hours=1)
    repo.publish_root(bump=False)
    world.paths.trusted_root.write_bytes(repo.shipped_root())
    world.offer(release(V2))
    check(world.environment(), Wish())
    early = replace(world.environment(), now=later(hours=1) - timedelta(seconds=2))
    assert fetched_by(early, repo) == QUESTION
    with pytest.raises((Expired, NotThere)):
        # An expired snapshot or targets file is fetched anew, and is the same.
        check(replace(world.environment(), now=later(hours=1)), Wish())


def test_another_shipped_root_is_the_beginning_of_another_trust(world: ClientWorld) -> None:
    world.paths.trusted_root.write_bytes(world.repo.shipped_root() + b"\n")
    assert manifest_was_read(fetched_by(world.environment(), world.repo))


@pytest.mark.parametrize("which", ["metadata_base_url", "targets_base_url"])
def test_other_addresses_are_another_repository(world: ClientWorld, which: str) -> None:
    address = getattr(world.settings, which).replace("repo/", "elsewhere/")
    settings = world.settings._replace(**{which: address})
    assert manifest_was_read(fetched_by(world.environment(settings), world.repo))


def test_a_grace_leaves_the_decision_to_the_session(world: ClientWorld) -> None:
    env = replace(world.environment(), grace=timedelta(days=1))
    assert manifest_was_read(fetched_by(env, world.repo))


@pytest.mark.parametrize("role", ["root", "timestamp", "snapshot", "targets"])
@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.unlink(),
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(path.read_bytes() + b" "),
        lambda path: path.write_bytes(b'{"signed": {}}'),
    ],
    ids=["lost", "empty", "longer", "another"],
)
def test_damaged_metadata_is_not_built_upon(
    world: ClientWorld, role: str, damage: Callable[[Path], object]
) -> None:
    damage(world.paths.tuf_dir / f"{role}.json")
    assert manifest_was_read(fetched_by(world.environment(), world.repo))


def test_every_changed_byte_of_the_header_and_many_of_the_manifest_show(world: ClientWorld) -> None:
    memory = world.paths.unchanged
    whole = memory.read_bytes()
    places = [*range(0, whole.index(b"\n") + 1, 7), *range(0, len(whole), 53)]
    for place in places:
        memory.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        assert manifest_was_read(fetched_by(world.environment(), world.repo)), place


@pytest.mark.parametrize("content", [b"", b"\n", b"{}\n{}", b"null", b"\xff" * 100])
def test_a_memory_of_another_kind_is_none(world: ClientWorld, content: bytes) -> None:
    world.paths.unchanged.write_bytes(content)
    assert manifest_was_read(fetched_by(world.environment(), world.repo))


def test_a_planted_manifest_is_never_the_answer(world: ClientWorld) -> None:
    planted = dump(Manifest((release(V3),), {(V1, V3): ()}))
    header = world.paths.unchanged.read_bytes().partition(b"\n")[0]
    world.paths.unchanged.write_bytes(header + b"\n" + planted)
    assert manifest_was_read(fetched_by(world.environment(), world.repo))


def test_planted_targets_with_their_manifest_are_never_the_answer(world: ClientWorld) -> None:
    (world.home / "other").mkdir()
    other = ClientWorld(world.home / "other")
    other.offer(release(V3))
    check(other.environment(), Wish())
    planted = other.paths.unchanged.read_bytes().partition(b"\n")[2]
    header = world.paths.unchanged.read_bytes().partition(b"\n")[0]
    world.paths.unchanged.write_bytes(header + b"\n" + planted)
    for role in ("snapshot", "targets"):
        file = f"{role}.json"
        (world.paths.tuf_dir / file).write_bytes((other.paths.tuf_dir / file).read_bytes())
    assert check(world.environment(), Wish()) == Chosen(release(V2))


# What cannot be remembered ------------------------------------------------------------------------
def test_metadata_listed_without_hashes_is_verified_each_time(tmp_path: Path) -> None:
    world = ClientWorld(tmp_path)
    world.repo.hashes_in_metadata = False
    world.offer(release(V2))
    check(world.environment(), Wish())
    assert not world.paths.unchanged.exists()
    assert manifest_was_read(fetched_by(world.environment(), world.repo))


def test_a_state_directory_that_takes_no_files_costs_time_only(world: ClientWorld) -> None:
    world.paths.unchanged.unlink()
    world.paths.unchanged.mkdir()
    assert manifest_was_read(fetched_by(world.environment(), world.repo))


def test_the_memory_is_written_once(world: ClientWorld) -> None:
    before = world.paths.unchanged.stat().st_mtime_ns
    check(world.environment(), Wish())
    memory = Memory(
        world.paths.unchanged,
        world.repo.shipped_root(),
        (world.settings.metadata_base_url, world.settings.targets_base_url),
    )
    files = {
        role: (world.paths.tuf_dir / f"{role}.json").read_bytes()
        for role in ("root", "timestamp", "snapshot", "targets")
    }
    known = memory.recall(files, NOW)
    assert known is not None
    memory.keep(files, known.manifest, NOW)
    assert world.paths.unchanged.stat().st_mtime_ns == before


def test_the_memory_holds_digests_and_the_manifest_only(world: ClientWorld) -> None:
    header, _, manifest = world.paths.unchanged.read_bytes().partition(b"\n")
    assert set(json.loads(header)) == {"format", "shipped_root", "root", "timestamp", "addresses"}
    assert manifest == next(
        data for path, data in world.repo.files.items() if path == f"targets/{MANIFEST}"
    )


# Links -------------------------------------------------------------------------------------------
def test_a_server_that_cannot_be_reached_is_told_as_such(world: ClientWorld) -> None:
    for path in QUESTION:
        world.repo.faults.errors[path] = UnreachableError("gone")
        with pytest.raises(UnreachableError, match="gone"):
            check(world.environment(), Wish())


def test_an_endless_timestamp_is_refused(world: ClientWorld) -> None:
    world.repo.files["metadata/timestamp.json"] = b" " * ((1 << 20) + 1)
    with pytest.raises(TrustError):
        check(world.environment(), Wish())


def test_an_answer_is_handed_on_once(world: ClientWorld) -> None:
    asked = Asked(world.repo)
    address = "fake://repo/metadata/timestamp.json"
    first = asked.ask(address, max_bytes=1 << 20)
    assert asked.get(address, max_bytes=1 << 20) == first
    assert not asked.anything
    asked.get(address, max_bytes=1 << 20)
    assert world.repo.log == ["metadata/timestamp.json"] * 2


def test_an_absence_and_a_limit_are_handed_on_too(world: ClientWorld) -> None:
    asked = Asked(world.repo)
    assert asked.ask("fake://repo/metadata/9.root.json", max_bytes=9) is None
    with pytest.raises(NotThere):
        asked.get("fake://repo/metadata/9.root.json", max_bytes=9)
    asked.ask("fake://repo/metadata/timestamp.json", max_bytes=1 << 20)
    with pytest.raises(TrustError):
        asked.get("fake://repo/metadata/timestamp.json", max_bytes=9)
