"""Whatever is wrong in the repository: `update` says so, exits 65, and the running set boots."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from fixtures.publisher import Json, Publisher
from partitions import disk
from partitions.blockio import Access, Extent
from partitions.boot import next_set
from partitions.bootcontrol import GptBootControl
from partitions.device import open_device
from partitions.layout import Slot, with_active
from tests.integration.conftest import Releases, World, make_world

REFUSED = 65


def next_slot(world: World) -> Slot | None:
    """What the bootloader would pick, by the rule on the disk's own bytes."""
    with open_device(Extent(world.machine.disk), Access.READ) as device:
        table = disk.read_table(device).table
    return next_set(table, with_active(table, Slot.A))


def assert_refused(world: World, *words: str) -> None:
    """`update` ends with 65 and one of ``words`` in its message; set A boots and is whole."""
    done = world.machine.updog("update", "--now")
    assert done.returncode == REFUSED, (done.returncode, done.stdout, done.stderr)
    assert any(word in done.stderr for word in words), done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    assert next_slot(world) is Slot.A
    flags = GptBootControl(world.machine.boot_control().located).status().flags(Slot.B)
    assert not flags.will_boot
    assert world.machine.boots(most=1)[0].version == "1.0.0"


@pytest.fixture
def world(tmp_path: Path, releases: Releases) -> Iterator[World]:
    """Images without maps: each byte of them is needed."""
    yield from make_world(tmp_path, releases, maps=False)


@pytest.fixture
def mapped(tmp_path: Path, releases: Releases) -> Iterator[World]:
    """Images with maps: only what is nowhere on the machine is needed."""
    yield from make_world(tmp_path, releases)


@pytest.mark.parametrize("image", ["-root.ext4.lz4", "-boot.ext4.lz4", "-root.verity.lz4"])
@pytest.mark.parametrize("place", ["first", "header", "early", "middle", "late", "last"])
def test_one_changed_byte_anywhere(world: World, image: str, place: str) -> None:
    size = world.publisher.target(image).stat().st_size
    offsets = {
        "first": 0,
        "header": 6,
        "early": size // 7,
        "middle": size // 2,
        "late": size - 9,
        "last": size - 1,
    }
    world.publisher.tamper(image, at=offsets[place])
    assert_refused(world, image.removeprefix("-").removesuffix(".lz4"))


@pytest.mark.parametrize("extra", [b"\0", b"trailing bytes", b"\x04\x22\x4d\x18"])
def test_appended_bytes(world: World, extra: bytes) -> None:
    with world.publisher.target("-root.ext4.lz4").open("ab") as file:
        file.write(extra)
    assert_refused(world, "-root.ext4.lz4")


@pytest.mark.parametrize("image", ["-root.ext4.lz4", "-boot.ext4.lz4", "-root.verity.lz4"])
def test_an_image_of_another_length_is_refused_before_anything_is_touched(
    world: World, image: str
) -> None:
    before = world.machine.disk.read_bytes()
    with world.publisher.target(image).open("ab") as file:
        file.write(b"more")
    done = world.machine.updog("update", "--now")
    assert done.returncode == REFUSED
    assert "were signed" in done.stderr
    assert world.machine.disk.read_bytes() == before


@pytest.mark.parametrize("keep", [0.0, 0.5, 0.999])
def test_a_cut_image(world: World, keep: float) -> None:
    path = world.publisher.target("-root.ext4.lz4")
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * keep)])
    assert_refused(world, "-root.ext4.lz4")


def test_a_changed_byte_of_a_part_that_is_fetched(mapped: World) -> None:
    path = mapped.publisher.target("-root.verity.lz4")
    mapped.publisher.tamper("-root.verity.lz4", at=path.stat().st_size // 2)
    assert_refused(mapped, "-root.verity.lz4")


def test_a_changed_byte_of_a_part_that_nobody_needs(mapped: World) -> None:
    mapped.publisher.tamper("-root.ext4.lz4", at=0)
    assert mapped.machine.updog("update", "--now").returncode == 0
    assert mapped.machine.boots(most=1)[0].version == "1.1.0"


def test_a_changed_map_costs_bytes_only(mapped: World) -> None:
    mapped.publisher.tamper("-root.ext4.lz4.blockmap", at=200)
    done = mapped.machine.updog("update", "--now")
    assert done.returncode == 0
    assert "is fetched without its map" in done.stderr
    assert mapped.machine.boots(most=1)[0].version == "1.1.0"


def test_swapped_images(world: World) -> None:
    boot = world.publisher.target("-boot.ext4.lz4")
    root = world.publisher.target("-root.ext4.lz4")
    swap = boot.with_suffix(".swap")
    boot.rename(swap)
    root.rename(boot)
    swap.rename(root)
    assert_refused(world, "ext4.lz4")


def test_a_changed_manifest(world: World) -> None:
    world.publisher.tamper("manifest.json")
    assert_refused(world, "manifest.json")


@pytest.mark.parametrize("role", ["timestamp", "snapshot", "targets"])
def test_an_expired_role(world: World, role: str) -> None:
    world.publisher.expire(role)
    assert_refused(world, "expired")


def test_an_expired_root(world: World) -> None:
    def change(body: Json) -> None:
        past = world.publisher.now - timedelta(days=1)
        body["expires"] = past.strftime("%Y-%m-%dT%H:%M:%SZ")

    world.machine.home.joinpath("root.json").write_bytes(world.publisher.resign_root(change))
    assert_refused(world, "expired")


@pytest.mark.parametrize("role", ["timestamp", "snapshot", "targets"])
def test_older_metadata_than_seen_before(world: World, tmp_path: Path, role: str) -> None:
    old = tmp_path / "old"
    shutil.copytree(world.publisher.published, old)
    world.publisher.release(world.releases.third)
    assert world.machine.updog("check-update", "--now").returncode == 0
    world.publisher.publish_again()
    serve_older(world.publisher, old, role)
    assert_refused(world, "went back", "not the listed file")


def serve_older(publisher: Publisher, old: Path, role: str) -> None:
    """Put one role of an earlier publish in the place of the newest."""
    newest = publisher.metadata(role)
    earlier = old / newest.parent.relative_to(publisher.published)
    if role == "timestamp":
        shutil.copyfile(earlier / "timestamp.json", newest)
        return
    (source,) = earlier.glob(f"*.{role}.json")
    shutil.copyfile(source, newest)


def test_a_whole_older_repository(world: World, tmp_path: Path) -> None:
    old = tmp_path / "old"
    shutil.copytree(world.publisher.published, old)
    world.publisher.release(world.releases.third)
    assert world.machine.updog("check-update", "--now").returncode == 0
    shutil.rmtree(world.publisher.published)
    shutil.copytree(old, world.publisher.published)
    assert_refused(world, "went back")


@pytest.fixture
def stranger(tmp_path: Path, releases: Releases, world: World) -> Publisher:
    """Somebody else's repository with the same content and other keys."""
    other = Publisher.create(tmp_path / "stranger", world.publisher.now)
    other.release(releases.second)
    return other


def test_a_new_root_signed_by_strangers(world: World, stranger: Publisher) -> None:
    def change(body: Json) -> None:
        body["version"] = 2

    foreign = stranger.resign_root(change)
    folder = world.publisher.metadata("timestamp").parent
    folder.joinpath("2.root.json").write_bytes(foreign)
    assert_refused(world, "root")


def test_a_repository_of_strangers(world: World, stranger: Publisher) -> None:
    shutil.rmtree(world.publisher.published)
    shutil.copytree(stranger.published, world.publisher.published)
    assert_refused(world, "timestamp")


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b'{"signed": 1}', b"\xff\xfe", b"null"])
@pytest.mark.parametrize("role", ["timestamp", "snapshot", "targets"])
def test_metadata_that_is_not_metadata(world: World, role: str, damage: bytes) -> None:
    world.publisher.metadata(role).write_bytes(damage)
    assert_refused(world, role)


def fractional(body: Json) -> None:
    body["expires"] = body["expires"].replace("Z", ".468924Z")


@pytest.mark.parametrize("role", ["targets", "snapshot", "timestamp"])
def test_fractional_expires_is_fine(world: World, role: str) -> None:
    world.publisher.resign(role, fractional)
    done = world.machine.updog("update", "--now")
    assert done.returncode == 0, done.stderr


def test_a_root_with_fractional_expires_is_fine(world: World) -> None:
    root = world.publisher.resign_root(fractional)
    world.machine.home.joinpath("root.json").write_bytes(root)
    done = world.machine.updog("update", "--now")
    assert done.returncode == 0, done.stderr


def test_unknown_members_are_fine(world: World) -> None:
    def change(body: Json) -> None:
        body["x-vendor"] = {"note": "ignored"}

    world.publisher.resign("targets", change)
    assert world.machine.updog("update", "--now").returncode == 0
