"""Every bit state of the life cycle (formats 9.4), as two tools that are not ours read it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from partitions.layout import Slot
from tests.integration.conftest import World

PATH = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
BOOT_NUMBER = {Slot.A: 3, Slot.B: 8}
PRIVATE_NUMBER = 12

Bits = tuple[int, int, int]


def by_sgdisk(disk: Path, number: int) -> int:
    """The 64 attribute bits as `sgdisk -i` prints them."""
    out = subprocess.run(
        ["sgdisk", "-i", str(number), str(disk)],
        capture_output=True,
        text=True,
        check=True,
        env=PATH,
    ).stdout
    found = re.search(r"Attribute flags: ([0-9A-F]{16})", out)
    assert found, out
    return int(found[1], 16)


def by_cgpt(disk: Path, number: int) -> Bits:
    """Priority, tries and success as `cgpt show` prints them."""

    def one(flag: str) -> int:
        out = subprocess.run(
            ["cgpt", "show", "-i", str(number), flag, str(disk)],
            capture_output=True,
            text=True,
            check=True,
            env=PATH,
        ).stdout
        return int(out)

    return one("-P"), one("-T"), one("-S")


def bits(disk: Path, slot: Slot) -> Bits:
    """(priority, tries left, successful); both readers must agree."""
    word = by_sgdisk(disk, BOOT_NUMBER[slot])
    seen = (word >> 48 & 15, word >> 52 & 15, word >> 56 & 1)
    assert seen == by_cgpt(disk, BOOT_NUMBER[slot])
    return seen


def assert_bits(world: World, a: Bits, b: Bits) -> None:
    disk = world.machine.disk
    assert (bits(disk, Slot.A), bits(disk, Slot.B)) == (a, b)
    verified = subprocess.run(
        ["sgdisk", "--verify", str(disk)], capture_output=True, text=True, check=True, env=PATH
    )
    assert "No problems found" in verified.stdout


def run(world: World, *words: str) -> None:
    done = world.machine.updog(*words)
    assert done.returncode == 0, done.stderr


def test_a_new_disk_boots_a(world: World) -> None:
    assert_bits(world, (1, 0, 1), (0, 0, 0))


def test_a_staged_set_is_valid_but_not_chosen(world: World) -> None:
    run(world, "update-image", "--now")
    assert_bits(world, (1, 0, 1), (0, 1, 0))
    assert world.machine.boots()[-1].version == "1.0.0"


def test_an_applied_update_boots_next(world: World) -> None:
    run(world, "update-image", "--now")
    run(world, "update-apply")
    assert_bits(world, (1, 0, 1), (2, 1, 0))


def test_a_reverted_update_can_be_applied_again(world: World) -> None:
    run(world, "update", "--now")
    run(world, "update-revert")
    assert_bits(world, (2, 0, 1), (0, 1, 0))
    run(world, "update-apply")
    assert_bits(world, (1, 0, 1), (2, 1, 0))


def test_the_bootloader_spends_the_try(world: World) -> None:
    run(world, "update", "--now")
    assert [attempt.version for attempt in world.machine.boots()] == ["1.1.0"]
    assert_bits(world, (1, 0, 1), (2, 0, 0))


def test_a_confirmed_boot_is_successful_and_remembered(world: World) -> None:
    run(world, "update", "--now")
    world.machine.boots()
    run(world, "mark-successful")
    assert_bits(world, (1, 0, 1), (2, 0, 1))
    assert by_sgdisk(world.machine.disk, PRIVATE_NUMBER) >> 57 & 1 == 1


def test_an_unconfirmed_boot_falls_back_at_the_next_reset(world: World) -> None:
    run(world, "update", "--now")
    world.machine.boots()
    assert [attempt.version for attempt in world.machine.boots()] == ["1.0.0"]
    assert_bits(world, (1, 0, 1), (2, 0, 0))


def test_rollback_prefers_the_old_set(world: World) -> None:
    run(world, "update", "--now")
    world.machine.boots()
    run(world, "mark-successful")
    run(world, "rollback")
    assert_bits(world, (2, 0, 1), (1, 0, 1))
    assert world.machine.boots()[-1].version == "1.0.0"


def test_a_broken_release_falls_back_within_three_boots(world: World) -> None:
    run(world, "update", "--now")
    world.machine.boots()
    run(world, "mark-successful")
    world.publisher.release(world.releases.broken)
    run(world, "update", "--now")
    attempts = world.machine.boots(most=3)
    assert [attempt.version for attempt in attempts] == [None, "1.1.0"]
    assert_bits(world, (2, 0, 0), (1, 0, 1))


def test_rollback_onto_a_failed_set_is_refused(world: World) -> None:
    world.publisher.release(world.releases.broken)
    run(world, "update", "--now", "--image", "1.2.0")
    world.machine.boots()
    done = world.machine.updog("rollback")
    assert done.returncode == 75, done.stderr
    assert_bits(world, (1, 0, 1), (2, 0, 0))


def test_an_update_before_the_boot_is_confirmed_is_refused(world: World) -> None:
    run(world, "update", "--now")
    world.machine.boots()
    world.publisher.release(world.releases.third)
    done = world.machine.updog("update", "--now")
    assert done.returncode == 75
    assert "mark-successful" in done.stderr
    assert_bits(world, (1, 0, 1), (2, 0, 0))


def reboot_asked(world: World) -> bool:
    return world.machine.home.joinpath("run/reboot-asked").exists()


@pytest.mark.parametrize("words", [("update", "--now"), ("update-apply",)])
def test_reboot_is_asked_for_after_success(world: World, words: tuple[str, ...]) -> None:
    if words[0] == "update-apply":
        run(world, "update-image", "--now")
    assert not reboot_asked(world)
    run(world, *words, "--reboot")
    assert reboot_asked(world)


def test_no_reboot_is_asked_for_after_a_refusal(world: World) -> None:
    done = world.machine.updog("rollback", "--reboot")
    assert done.returncode == 75, done.stderr
    assert not reboot_asked(world)


def test_signpost_tells_the_versions_of_the_own_disk(world: World) -> None:
    run(world, "update", "--now")
    done = signpost(world, world.machine.disk)
    assert done.splitlines()[-2:] == ["Version: 1.0.0 in set A", "Version: 1.1.0 in set B"]


def test_signpost_claims_nothing_about_another_disk(world: World, tmp_path: Path) -> None:
    other = tmp_path / "other.img"
    other.write_bytes(world.machine.disk.read_bytes())
    assert "Version" not in signpost(world, other)


def signpost(world: World, disk: Path) -> str:
    """What `signpost status` prints on this machine."""
    return subprocess.run(
        [sys.executable, "-m", "updog.signpost", "--disk", str(disk), "--active", "A", "status"],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "UPDOG_CONFIG": str(world.machine.config)},
    ).stdout
