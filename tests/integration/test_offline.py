"""A stick between a machine that sees the repository and one that does not, by the real command."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import tarfile
from datetime import timedelta
from pathlib import Path

import pytest

from fixtures.publisher import EDITION
from tests.integration.conftest import Releases, World
from updog.version import Version

BUNDLE_LIMIT = 65
ISOLATED = '[policy]\nfreshness = "{}"\n'


def export(world: World, *words: str, name: str = "b.tar") -> Path:
    path = world.machine.home / name
    done = world.machine.updog("bundle", "export", *words, str(path))
    assert done.returncode == 0, done.stderr
    assert f"Bundle written: {path}: demo 1.1.0, {path.stat().st_size} bytes" in done.stdout
    return path


def unplug(world: World) -> None:
    """From here on, no address of the configuration leads anywhere."""
    config = world.machine.config
    config.write_text(config.read_text().replace(world.url, "http://127.0.0.1:9"))


def freshness(world: World, span: str) -> None:
    dropin = world.machine.home / "updog.d"
    dropin.mkdir(exist_ok=True)
    dropin.joinpath("fresh.toml").write_text(ISOLATED.format(span))


def tree(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


def updated(world: World, source: Path) -> None:
    done = world.machine.updog("update", "--from", str(source))
    assert done.returncode == 0, done.stderr
    assert done.stdout == "Update applied: demo 1.1.0\n"
    assert world.machine.boots(most=1)[0].version == "1.1.0"


def test_a_bundle_updates_a_machine_without_a_network(world: World) -> None:
    bundle = export(world)
    unplug(world)
    assert world.machine.updog("update").returncode == 69
    updated(world, bundle)


def test_an_unpacked_bundle_does_too(world: World, tmp_path: Path) -> None:
    bundle = export(world)
    subprocess.run(["tar", "-xf", str(bundle), "--one-top-level=out", "-C", tmp_path], check=True)
    unplug(world)
    updated(world, tmp_path / "out")


def test_a_published_directory_does_too(world: World) -> None:
    unplug(world)
    updated(world, world.publisher.published)


def test_a_directory_packed_by_gnu_tar_does_too(world: World, tmp_path: Path) -> None:
    published = str(world.publisher.published)
    subprocess.run(["tar", "-cf", str(tmp_path / "p.tar"), "-C", published, "."], check=True)
    unplug(world)
    updated(world, tmp_path / "p.tar")


def test_a_read_only_stick_is_enough_and_stays_as_it_is(world: World, tmp_path: Path) -> None:
    stick = tmp_path / "stick"
    shutil.copytree(world.publisher.published, stick)
    before = tree(stick)
    for path in (stick, *stick.rglob("*")):
        path.chmod(0o555 if path.is_dir() else 0o444)
    unplug(world)
    updated(world, stick)
    assert tree(stick) == before


def test_the_same_repository_makes_the_same_bytes(world: World) -> None:
    first, second = export(world), export(world, name="c.tar")
    assert first.read_bytes() == second.read_bytes()


def test_a_bundle_of_a_bundle_is_that_bundle(world: World) -> None:
    first = export(world)
    unplug(world)
    assert export(world, "--from", str(first), name="c.tar").read_bytes() == first.read_bytes()


def test_a_bundle_names_no_time_and_no_owner(world: World) -> None:
    with tarfile.open(export(world)) as archive:
        for member in archive:
            facts = (member.mtime, member.uid, member.gid, member.uname, member.gname, member.mode)
            assert facts == (0, 0, 0, "", "", 0o644)


def test_a_bundle_holds_exactly_what_the_version_takes(world: World, releases: Releases) -> None:
    world.publisher.release(releases.third)
    with tarfile.open(export(world, "--version", "1.1.0")) as archive:
        names = archive.getnames()
    assert f"demo/{EDITION.arch}/1.root.json" in names
    assert f"demo/{EDITION.arch}/timestamp.json" in names
    images = [name for name in names if name.endswith(".lz4")]
    assert len(images) == 3
    assert all("1.1.0" in name for name in images)


def test_a_bundle_holds_the_maps_and_deltas_of_its_version(world: World) -> None:
    first = world.releases.first
    base = (first.boot, first.root, first.hash)
    made = world.publisher.repository.make_delta(EDITION, Version.parse("1.1.0"), base)
    world.publisher.publish_again()
    bundle = export(world)
    with tarfile.open(bundle) as archive:
        names = archive.getnames()
    assert len([name for name in names if name.endswith(".lz4.blockmap")]) == 3
    deltas = {name.partition(".")[2] for name in names if name.endswith(".delta")}
    assert deltas == {one.name for one in made} != set()
    unplug(world)
    updated(world, bundle)


def test_a_version_that_is_not_there_leaves_no_file(world: World) -> None:
    path = world.machine.home / "b.tar"
    done = world.machine.updog("bundle", "export", "--version", "9.9.9", str(path))
    assert done.returncode == 65
    assert f"no 9.9.9 to carry for demo on {EDITION.arch}" in done.stderr
    assert not [p for p in world.machine.home.iterdir() if "b.tar" in p.name]


def test_a_file_that_is_there_is_kept_unless_forced(world: World) -> None:
    path = world.machine.home / "b.tar"
    path.write_text("mine")
    done = world.machine.updog("bundle", "export", str(path))
    assert (done.returncode, path.read_text()) == (64, "mine")
    assert "hint: --force replaces it." in done.stderr
    export(world, "--force")


@pytest.mark.parametrize("suffix", ["-root.ext4.lz4", "-boot.ext4.lz4", "-root.verity.lz4"])
def test_a_bad_target_is_not_exported(world: World, suffix: str) -> None:
    world.publisher.tamper(suffix)
    path = world.machine.home / "b.tar"
    done = world.machine.updog("bundle", "export", str(path))
    assert done.returncode == 65
    assert suffix in done.stderr
    assert not [p for p in world.machine.home.iterdir() if "b.tar" in p.name]


def test_a_changed_byte_of_an_image_in_a_bundle_is_refused(world: World) -> None:
    bundle = export(world)
    with tarfile.open(bundle) as archive:
        # Of the hash tree, no block of which is on the machine already.
        tree = next(m for m in archive if m.name.endswith("-root.verity.lz4"))
    content = bytearray(bundle.read_bytes())
    content[tree.offset_data + tree.size // 2] ^= 1
    bundle.write_bytes(content)
    done = world.machine.updog("update", "--from", str(bundle))
    assert done.returncode == 65
    assert world.machine.boots(most=1)[0].version == "1.0.0"


def test_a_bundle_cut_short_is_refused(world: World) -> None:
    bundle = export(world)
    content = bundle.read_bytes()
    bundle.write_bytes(content[: len(content) // 2])
    done = world.machine.updog("update", "--from", str(bundle))
    assert done.returncode == 65
    assert "copy it again" in done.stderr


def test_an_older_bundle_than_what_was_seen_online_is_refused(world: World) -> None:
    bundle = export(world)
    world.publisher.publish_again()
    assert world.machine.updog("check-update").returncode == 0
    done = world.machine.updog("update", "--from", str(bundle))
    assert done.returncode == 65
    assert "went back to version" in done.stderr


def test_what_a_stick_showed_protects_the_next_online_run(world: World, tmp_path: Path) -> None:
    old = tmp_path / "old"
    shutil.copytree(world.publisher.published, old)
    world.publisher.publish_again()
    newer = world.publisher.published
    assert world.machine.updog("check-update", "--from", str(newer)).returncode == 0
    done = world.machine.updog("check-update", "--from", str(old))
    assert done.returncode == 65


def test_another_publisher_is_not_believed(world: World, tmp_path: Path) -> None:
    (world.machine.home / "root.json").write_bytes(b"{}")
    done = world.machine.updog("check-update", "--from", str(world.publisher.published))
    assert done.returncode == 65
    assert not (tmp_path / "machine/state/tuf").exists()


def test_expired_metadata_is_refused_by_default(world: World) -> None:
    world.publisher.expire("timestamp", timedelta(days=3))
    done = world.machine.updog("update", "--from", str(world.publisher.published))
    assert done.returncode == 65
    assert "timestamp.json expired at" in done.stderr


@pytest.mark.parametrize("role", ["timestamp", "snapshot", "targets"])
def test_expired_metadata_within_the_freshness_is_said_and_used(world: World, role: str) -> None:
    world.publisher.expire(role, timedelta(days=3))
    freshness(world, "30 days")
    done = world.machine.updog("update", "--from", str(world.publisher.published))
    assert done.returncode == 0, done.stderr
    assert f"{role}.json expired 3 days ago" in done.stderr
    assert "policy.freshness lets it be used offline for 2" in done.stderr
    assert done.stdout == "Update applied: demo 1.1.0\n"


def test_freshness_ends(world: World) -> None:
    world.publisher.expire("timestamp", timedelta(days=31))
    freshness(world, "30 days")
    done = world.machine.updog("update", "--from", str(world.publisher.published))
    assert done.returncode == 65


def test_freshness_means_nothing_online(world: World) -> None:
    world.publisher.expire("timestamp", timedelta(days=3))
    freshness(world, "30 days")
    done = world.machine.updog("update")
    assert done.returncode == 65
    assert "timestamp.json expired at" in done.stderr


@pytest.mark.parametrize("command", ["check-update", "update-image", "prepare", "why"])
def test_every_asking_command_takes_a_source(world: World, command: str) -> None:
    bundle = export(world)
    unplug(world)
    done = world.machine.updog(command, "--from", str(bundle))
    assert done.returncode == 0, done.stderr
    assert "1.1.0" in done.stdout


def test_waves_hold_offline_too(world: World, releases: Releases) -> None:
    world.publisher.release(releases.third, policy="slow-roll")
    done = world.machine.updog("check-update", "--json", "--from", str(world.publisher.published))
    assert json.loads(done.stdout)["version"] == "1.1.0"


def test_a_source_that_is_not_there_is_unreachable(world: World) -> None:
    done = world.machine.updog("update", "--from", "/media/unplugged.tar")
    assert done.returncode == 69
    assert done.stderr.startswith("updog: /media/unplugged.tar does not exist")


def test_a_source_for_another_system_is_told(world: World) -> None:
    bundle = export(world)
    done = world.machine.updog("update", "--variant", "other", "--from", str(bundle))
    assert done.returncode == 69
    assert f"has nothing for other on {EDITION.arch}" in done.stderr
