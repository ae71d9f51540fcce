"""What cannot succeed is refused by the real command before the first byte of an image moves.

Each refusal has its documented exit code, names the thing and what to do, asks the server for no
image and leaves every byte of the disk alone: the boot bits of the other set too.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import lz4.frame
import pytest

from partitions.bootflags import BootFlags
from partitions.layout import Slot
from repo_tools.blockmaps import map_lz4
from tests.fakes.attack_world import AttackWorld, attack_world
from tests.fakes.client_world import V1, V2, release
from tests.fakes.gpt_disk import ROOT_B
from tests.fakes.two_sets import SIZES
from tests.integration.table_tools import run
from tests.integration.test_block_devices import loop
from tests.integration.test_state_directory import mounted

IMAGES = ("boot.lz4", "root.lz4", "hash.lz4")
BAD_DATA, STORAGE, BUSY = 65, 74, 75
SECTOR = 512
MIGRATION = "migrate_v1.1.0_settings"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[AttackWorld]:
    with attack_world(tmp_path) as made:
        yield made


def asked_for_images(world: AttackWorld) -> list[str]:
    """The requests for images; a map is none."""
    names = tuple(f".{name}" for name in IMAGES)
    return [path for path, _ in world.server.log if path.partition("?")[0].endswith(names)]


def told(world: AttackWorld, code: int, *words: str) -> None:
    """`update` ends with `code`, says all of the words and asks for no image."""
    done = world.updog("update")
    assert done.returncode == code, (done.returncode, done.stdout, done.stderr)
    missing = [word for word in words if word not in done.stderr]
    assert not missing, (missing, done.stderr)
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    assert asked_for_images(world) == []


def refuses(world: AttackWorld, code: int, *words: str) -> None:
    """The same, and the disk is what it was."""
    before = world.machine.disk.read_bytes()
    told(world, code, *words)
    assert world.machine.disk.read_bytes() == before


# An image larger than its partition --------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class RootImage:
    """An image for the root partition; one block too large for it, unless told otherwise."""

    world: AttackWorld
    raw: bytes = bytes(SIZES["root"] + 4096)

    def publish(self, packed: bytes, **custom: object) -> None:
        repo = self.world.repo
        repo.add_target("root.lz4", packed)
        if custom:
            repo.targets.targets["root.lz4"].unrecognized_fields["custom"] = {"updog": custom}
        repo.publish()

    def packed(self) -> bytes:
        kept = {"block_size": lz4.frame.BLOCKSIZE_MAX256KB, "block_linked": False}
        return bytes(lz4.frame.compress(self.raw, store_size=False, **kept))

    def add_map(self, packed: bytes) -> None:
        published = self.world.machine.home / "root.lz4"
        published.write_bytes(packed)
        self.world.repo.add_target("root.lz4.blockmap", map_lz4(published).dump())


def its_size(world: AttackWorld) -> None:
    size = f"root.lz4 does not fit: its partition has {SIZES['root']} bytes"
    refuses(world, BAD_DATA, size, "larger partitions")


def test_an_image_whose_signed_length_does_not_fit(world: AttackWorld) -> None:
    image = RootImage(world)
    image.publish(image.packed(), raw_length=len(image.raw))
    its_size(world)


def test_an_image_whose_map_tells_that_it_does_not_fit(world: AttackWorld) -> None:
    image = RootImage(world)
    image.add_map(image.packed())
    image.publish(image.packed())
    its_size(world)
    assert any("root.lz4.blockmap" in path for path, _ in world.server.log)


def test_an_image_with_map_and_signed_length_is_refused_before_its_map_is_fetched(
    world: AttackWorld,
) -> None:
    image = RootImage(world)
    image.add_map(image.packed())
    image.publish(image.packed(), raw_length=len(image.raw))
    its_size(world)
    assert not any("blockmap" in path for path, _ in world.server.log)


def test_a_foreign_image_that_does_not_fit_even_packed(world: AttackWorld) -> None:
    image = RootImage(world)
    image.publish(os.urandom(2 * SIZES["root"]))
    its_size(world)


def test_a_foreign_image_whose_first_bytes_tell_that_it_does_not_fit(world: AttackWorld) -> None:
    """Nothing is signed about its length, so it has to be asked for; the disk is left alone."""
    image = RootImage(world)
    image.publish(bytes(lz4.frame.compress(image.raw, store_size=True)))
    before = world.machine.disk.read_bytes()
    done = world.updog("update")
    assert done.returncode == BAD_DATA, done.stderr
    assert "root.lz4 does not fit" in done.stderr
    assert world.machine.disk.read_bytes() == before


def test_no_server_is_blamed_for_an_image_that_was_signed_as_too_large(world: AttackWorld) -> None:
    base = f"http://127.0.0.1:{world.server.server_port}"
    mirror = f'{{ metadata = "{base}/metadata", targets = "{base}/targets" }}'
    world.configure(f"[download]\nretries = 0\nmirrors = [{mirror}]\n")
    image = RootImage(world)
    image.publish(image.packed(), raw_length=len(image.raw))
    done = world.updog("update")
    assert done.returncode == BAD_DATA, done.stderr
    assert "root.lz4 does not fit" in done.stderr
    assert "not used any more" not in done.stderr


# A disk smaller than its table says --------------------------------------------------------------


def cut(world: AttackWorld, role: str) -> int:
    """Cut the disk in a partition of set B; how many sectors remain."""
    left = world.machine.client.machine.places[role].start // SECTOR + 8
    os.truncate(world.machine.disk, left * SECTOR)
    return left


@contextmanager
def on_device(world: AttackWorld) -> Iterator[Path]:
    """The machine has its disk as a block device; all of it is on the file again at the end."""
    with loop(world.machine.disk, SECTOR) as device:
        world.configure(f'[download]\nretries = 0\n[boot]\ndisk = "{device}"\n')
        yield device


@contextmanager
def whole(world: AttackWorld) -> Iterator[None]:
    """The disk holds the same bytes at the end, when no device is on it any more."""
    before = world.machine.disk.read_bytes()
    yield
    assert world.machine.disk.read_bytes() == before


@pytest.mark.parametrize("role", ["hash", "root", "boot"])
def test_a_disk_image_that_was_cut(world: AttackWorld, role: str) -> None:
    left = cut(world, role)
    named = (str(world.machine.disk), f"the device has {left} sectors", "Restore it from a backup")
    refuses(world, BAD_DATA, *named)


@pytest.mark.root
def test_a_block_device_that_is_smaller_than_its_table(world: AttackWorld) -> None:
    left = cut(world, "root")
    before = world.machine.disk.read_bytes()
    device = Path(run("losetup", "--find", "--show", world.machine.disk).strip())
    try:
        world.configure(f'[download]\nretries = 0\n[boot]\ndisk = "{device}"\n')
        told(world, BAD_DATA, str(device), f"the device has {left} sectors", "Restore it")
    finally:
        run("losetup", "--detach", device)
    assert world.machine.disk.read_bytes() == before


@pytest.mark.root
def test_a_partition_that_the_kernel_has_smaller_than_the_table(world: AttackWorld) -> None:
    with whole(world), on_device(world) as device:
        run("resizepart", device, str(ROOT_B), "16")
        node = f"{device}p{ROOT_B}"
        told(world, STORAGE, f"behind the end of {node}", "has 8192 bytes", "the image was cut")


# A busy target -----------------------------------------------------------------------------------


@pytest.mark.root
def test_a_mounted_partition(world: AttackWorld, tmp_path: Path) -> None:
    place = world.machine.client.machine.places["root"]
    offset, size = f"offset={place.start}", f"{len(place) >> 10}k"
    run("mkfs.ext4", "-q", "-F", "-E", offset, world.machine.disk, size)
    with whole(world), on_device(world) as device:
        node, folder = f"{device}p{ROOT_B}", tmp_path / "mnt"
        folder.mkdir()
        run("mount", "-o", "ro,noload", node, folder)
        try:
            told(world, BUSY, f"{node}: it is mounted", "unmount it or wait")
        finally:
            run("umount", folder)


@pytest.mark.root
def test_a_partition_that_another_program_holds(world: AttackWorld) -> None:
    with whole(world), on_device(world) as device:
        node = f"{device}p{ROOT_B}"
        holder = os.open(node, os.O_RDWR | os.O_EXCL)
        try:
            told(world, BUSY, f"{node}: it is mounted or held", "unmount it or wait")
        finally:
            os.close(holder)


def test_a_disk_image_that_another_program_holds(world: AttackWorld) -> None:
    with world.machine.disk.open("rb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        named = f"{world.machine.disk} is in use by another program"
        refuses(world, BUSY, named, "try again when it has finished")


# No room for what the next boot needs ------------------------------------------------------------


def test_migrations_that_fit_nowhere(world: AttackWorld) -> None:
    """By their signed lengths alone: nothing of them is fetched."""
    folder = world.machine.client.paths.migrations_dir
    world.machine.client.offer(release(V2), migrations={(V1, V2): (MIGRATION,)})
    world.repo.targets.targets[MIGRATION].length = 1 << 60
    world.repo.publish()
    refuses(world, STORAGE, f"{folder}", "bytes are free", "take 1152921504", "Make room there")
    assert not any(MIGRATION in path for path, _ in world.server.log)
    assert not folder.exists()


def fill(folder: Path) -> None:
    """Take all room of a small file system."""
    with folder.joinpath("filler").open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            return


@pytest.mark.root
@pytest.mark.parametrize("cache", ["migrations_dir", "metadata_cache_dir"])
def test_a_full_cache(world: AttackWorld, cache: str) -> None:
    folder = getattr(world.machine.client.paths, cache)
    with mounted(folder, "size=64k"):
        fill(folder)
        refuses(world, STORAGE, f"{folder}: 0 bytes are free there", "take", "Make room there")
        assert [one.name for one in folder.iterdir()] == ["filler"]


@pytest.mark.root
def test_a_cache_that_is_just_large_enough(world: AttackWorld) -> None:
    """What is counted is what is taken: no more room is asked for than an update uses."""
    folder = world.machine.client.paths.metadata_cache_dir
    world.updates()
    blocks = sum(-(-one.stat().st_size // 4096) for one in folder.iterdir())
    largest = max(-(-one.stat().st_size // 4096) for one in folder.iterdir())
    run("rm", "-r", folder)
    with mounted(folder, f"size={4 * blocks}k"):
        done = world.updog("update")
        assert done.returncode == 0, done.stderr
        again = world.updog("update")
        assert again.returncode == STORAGE
        assert f"take {4096 * largest}" in again.stderr


@pytest.mark.root
@pytest.mark.parametrize("mapped", [False, True])
def test_a_full_state_directory_refuses_nothing(world: AttackWorld, *, mapped: bool) -> None:
    """Notes, kept metadata and kept hashes only help."""
    state = world.machine.client.paths.state_dir
    if mapped:
        image = RootImage(world, bytes(range(256)) * 4096)
        image.add_map(image.packed())
        image.publish(image.packed())
    with mounted(state, "size=16k"):
        fill(state)
        done = world.updog("update")
        assert done.returncode == 0, done.stderr
        assert "No space left" in done.stderr
        assert ("B-root.blake3 cannot be written" in done.stderr) == mapped
    assert world.machine.bits()[Slot.B] == BootFlags(2, 1)


# What would make the tests above pass for the wrong reason ---------------------------------------


@pytest.mark.root
def test_nothing_is_refused_on_a_block_device_that_is_well(world: AttackWorld) -> None:
    with on_device(world):
        done = world.updog("update")
        assert done.returncode == 0, done.stderr
    assert len(asked_for_images(world)) >= len(IMAGES)
    assert world.machine.bits()[Slot.B] == BootFlags(2, 1)
