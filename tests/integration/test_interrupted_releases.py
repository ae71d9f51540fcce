"""An update that was killed in the middle, and a repository that offers something else by then."""

from __future__ import annotations

import subprocess
import sys
import time

from fixtures.machine import Machine, set_extents
from fixtures.os_images import Release
from fixtures.publisher import EDITION
from partitions.blockio import Extent
from partitions.layout import Slot
from repo_tools import cli
from tests.fakes.httpserver import Exchange, serving
from tests.integration.conftest import World

ARRIVED = 1 << 20
"""Bytes of the interrupted root image that stand on the disk before the kill, at the least."""

SHOWN = 16
"""Bytes of it that are asked for first, to see that it begins to arrive."""


def inactive(machine: Machine) -> Slot:
    """The set that does not run."""
    return Slot.B if machine.active is Slot.A else Slot.A


def will_boot(machine: Machine, slot: Slot) -> bool:
    """Whether the bootloader could ever take a set."""
    return machine.boot_control().status().flags(slot).will_boot


def content(place: Extent) -> bytes:
    """A whole partition; while it is in use by an update, too."""
    with place.path.open("rb") as disk:
        disk.seek(place.offset)
        return disk.read(place.size)


def holds(machine: Machine, slot: Slot, release: Release) -> bool:
    """Whether a set holds exactly a release, all three images of it."""
    places = set_extents(machine.disk, slot)
    images = (
        (places.boot, release.boot),
        (places.root, release.root),
        (places.hash, release.hash),
    )
    with machine.disk.open("rb") as disk:
        for place, image in images:
            wanted = image.read_bytes()
            disk.seek(place.offset)
            if disk.read(len(wanted)) != wanted:
                return False
    return True


def update_killed_midway(world: World) -> None:
    """Begin an update whose root image stops arriving halfway, and kill it there."""
    machine, config = world.machine, world.machine.config
    other = inactive(machine)
    root = set_extents(machine.disk, other).root
    before = content(root)
    honest = config.read_text()

    def answer(exchange: Exchange) -> None:
        path = world.publisher.published / exchange.path.partition("?")[0].lstrip("/")
        if not path.is_file():
            exchange.reply(404)
        elif "-root." not in path.name or path.suffix not in {".lz4", ".zst"}:
            exchange.reply(200, path.read_bytes())
        elif (part := exchange.wanted_part(1 << 30)) and part.stop <= SHOWN:
            exchange.reply(
                206,
                path.read_bytes()[part],
                headers={"Content-Range": f"bytes 0-{part.stop - 1}/{path.stat().st_size}"},
            )
        else:
            # The whole file, as a server that knows no ranges sends it, but not to its end.
            packed = path.read_bytes()
            exchange.reply(200, packed[: len(packed) * 3 // 4], length=len(packed))
            exchange.server.stop_stalling.wait(60)

    with serving(answer) as server:
        config.write_text(honest.replace(world.url, server.base))
        command = [sys.executable, "-m", "updog", "--config", str(config), "update", "--now"]
        with subprocess.Popen(command, stderr=subprocess.PIPE) as running:
            try:
                while changed(before, content(root)) < ARRIVED:
                    assert running.poll() is None, running.communicate()
                    time.sleep(0.05)
            finally:
                running.kill()
    config.write_text(honest)
    assert not will_boot(machine, other)


def changed(before: bytes, after: bytes) -> int:
    """Bytes in blocks that are others."""
    step = 4096
    return sum(
        step for at in range(0, len(after), step) if before[at : at + step] != after[at : at + step]
    )


def withdraw(world: World, version: str) -> None:
    """Take a release back, with the publisher's command."""
    named = ("--variant", EDITION.variant, "-a", EDITION.arch, "-v", version)
    folder = str(world.publisher.repository.folder)
    assert cli.main(["release", "withdraw", folder, *named]) == 0


def test_a_newer_release_replaces_one_that_was_half_written(world: World) -> None:
    update_killed_midway(world)
    world.publisher.release(world.releases.third)
    done = world.machine.updog("update", "--now")
    assert done.returncode == 0, done.stderr
    assert holds(world.machine, inactive(world.machine), world.releases.third)
    assert world.machine.boots(most=1)[0].version == "1.2.1"


def test_an_older_release_replaces_one_that_was_withdrawn_half_written(world: World) -> None:
    world.publisher.release(world.releases.third)
    update_killed_midway(world)
    withdraw(world, "1.2.1")
    done = world.machine.updog("update", "--now")
    assert done.returncode == 0, done.stderr
    assert holds(world.machine, inactive(world.machine), world.releases.second)
    assert world.machine.boots(most=1)[0].version == "1.1.0"


def test_a_release_that_was_withdrawn_half_written_is_never_booted(world: World) -> None:
    machine = world.machine
    machine.updog("update", "--now", check=True)
    assert machine.boots(most=1)[0].version == "1.1.0"
    machine.updog("mark-successful", check=True)
    world.publisher.release(world.releases.third)
    update_killed_midway(world)
    withdraw(world, "1.2.1")
    done = machine.updog("update", "--now")
    assert done.returncode == 0, done.stderr
    assert "No update required" in done.stderr
    assert not will_boot(machine, inactive(machine))
    assert machine.boots(most=1)[0].version == "1.1.0"
