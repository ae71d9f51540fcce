"""A service that is killed at any moment: the next one tells what is on the disk."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from random import Random
from time import sleep
from typing import Any

import pytest

from partitions.bootcontrol import GptBootControl
from partitions.layout import Slot
from partitions.sysfs import from_image
from tests.fakes.api_service import Gate, Service, gated, make_world, service
from tests.fakes.client_world import FileWorld
from updog import staged
from updog.lock import RunLock

pytestmark = pytest.mark.slow(seconds=50)


@pytest.fixture
def world(tmp_path: Path) -> FileWorld:
    return make_world(tmp_path)


def told_by_disk(world: FileWorld) -> str:
    """Whether something is staged or ready, found without the service's code."""
    status = GptBootControl(from_image(world.disk, Slot.A)).status()
    label = staged.recall(world.client.paths.staged)
    flags = status.flags(Slot.B)
    if label is None or not flags.tries_left or flags.successful:
        return "neither"
    return "Ready" if status.next is Slot.B else "Staged"


def agrees(world: FileWorld, status: dict[str, Any]) -> None:
    disk = told_by_disk(world)
    state = status["update_state"]
    assert state in ({"Idle", "Available"} if disk == "neither" else {disk})
    assert (status["staging_partition"] is None) == (disk == "neither")
    assert status["active_partition"]["next_to_boot"] == (disk != "Ready")


@pytest.mark.parametrize("state", ["Available", "Staged", "Ready"])
def test_a_restart_in_a_state_changes_nothing(world: FileWorld, state: str) -> None:
    with service(world) as api:
        api.bring_to(state)
        before = api.status()
        api.kill()
    with service(world) as api:
        assert api.status() == before
        agrees(world, before)


def test_a_restart_where_nothing_is_offered_changes_nothing(world: FileWorld) -> None:
    world.client.offer()
    world.save()
    with service(world) as api:
        api.done("refresh")
        before = api.status()
        assert before["update_state"] == "Idle"
        api.kill()
    with service(world) as api:
        assert api.status() == before
        agrees(world, before)


def test_a_restart_before_the_first_command_begins_anew(world: FileWorld) -> None:
    with service(world) as api:
        api.kill()
    with service(world) as api:
        assert api.ask("GET", "/updates/status").status == 404


def asked_before(gate: Gate, path: str) -> bool:
    """Images are looked at before the inactive set is cleared, and fetched after that."""
    return gate.count(path) > 1


PHASES: dict[str, Callable[[Gate, str], bool]] = {
    "asking": lambda _gate, path: path.endswith("timestamp.json"),
    "manifest": lambda _gate, path: path.endswith("manifest.json"),
    "before the first write": lambda _gate, path: path.endswith("root.lz4"),
    "between the images": lambda gate, path: path.endswith("boot.lz4") and asked_before(gate, path),
    "at the last image": lambda gate, path: path.endswith("hash.lz4") and asked_before(gate, path),
}


@pytest.mark.parametrize("state", ["Available", "Staged"])
@pytest.mark.parametrize("phase", PHASES)
def test_a_prepare_that_is_killed_leaves_what_the_disk_tells(
    world: FileWorld, phase: str, state: str
) -> None:
    with gated(world) as gate:
        with service(world) as api:
            api.bring_to(state)
            if state == "Staged":
                # What stands there whole would not be written again.
                world.damage("root")
            gate.asked.clear()
            gate.hold = lambda path: PHASES[phase](gate, path)
            api.post("prepare")
            gate.wait()
            api.kill()
        gate.release()
        gate.hold = lambda _path: False
        with service(world) as api:
            status = api.status()
            agrees(world, status)
            last = status["most_recent_command"]
            assert (last["cmd_type"], last["cmd_status"]) == ("prepare", "Unknown")
            with RunLock(world.client.paths.lock):
                pass
            # Nothing is lost: the update is still the chosen one, and can be had.
            assert status["chosen_update"]["version"] == "1.2.0"
            if status["update_state"] == "Available":
                api.done("prepare")
                assert api.state() == "Staged"


BEFORE = {"refresh": "Idle", "prepare": "Available", "activate": "Staged", "deactivate": "Ready"}
AFTER = {"refresh": "Available", "prepare": "Staged", "activate": "Ready", "deactivate": "Staged"}


@pytest.mark.parametrize("command", ["refresh", "prepare", "activate", "deactivate"])
@pytest.mark.parametrize("seed", range(3))
def test_a_command_that_is_killed_is_done_or_not(world: FileWorld, command: str, seed: int) -> None:
    state = BEFORE[command]
    with service(world) as api:
        api.bring_to(state)
        api.post(command)
        sleep(Random(seed).uniform(0, 1.0))
        api.kill()
    with service(world) as api:
        status = api.status()
        agrees(world, status)
        assert status["most_recent_command"]["cmd_type"] == command
        finish(api, command, status["update_state"])


def finish(api: Service, command: str, state: str) -> None:
    if state != AFTER[command]:
        api.done(command)
    assert api.state() == AFTER[command]


def test_a_damaged_record_costs_the_memory_and_not_the_state(world: FileWorld) -> None:
    with service(world) as api:
        api.bring_to("Staged")
        api.kill()
    world.client.paths.service_record.write_bytes(b'{"format": 1, "ho')
    with service(world) as api:
        assert api.ask("GET", "/updates/status").status == 404
        api.done("refresh")
        assert api.state() == "Staged"


@pytest.mark.parametrize("phase", ["survey", "transfer", "verify"])
def test_a_prepare_that_is_killed_in_a_phase_leaves_what_the_disk_tells(
    world: FileWorld, phase: str
) -> None:
    with service(world) as api:
        api.bring_to("Available")
        api.post("prepare")
        kill_in(api, phase)
    with service(world) as api:
        agrees(world, api.status())
        # On a small disk a prepare may be done before the signal comes.
        assert api.status()["most_recent_command"]["cmd_status"] in {"Unknown", "Success"}
        finish(api, "prepare", api.state())


def kill_in(api: Service, phase: str) -> None:
    """Kill the service when an image is in a phase, or at the end where that was too short."""
    progress = api.ask("GET", "/updates/progress").tree
    while progress["phase"] != phase and progress["command"] is not None:
        progress = api.ask("GET", "/updates/progress").tree
    api.kill()


def test_after_the_reboot_into_the_update_there_is_nothing_to_do(world: FileWorld) -> None:
    with service(world) as api:
        api.bring_to("Ready")
    # What the reboot changes: another set runs, with another version.
    world.config.write_text(world.config.read_text().replace('active = "A"', 'active = "B"'))
    world.client.paths.os_release.write_text("VERSION_ID=1.2.0\nVARIANT_ID=edge-gw\n")
    with service(world) as api:
        status = api.status()
        assert (status["update_state"], status["chosen_update"]) == ("Idle", None)
        assert status["staging_partition"] is None
        running = status["active_partition"]
        assert (running["image"]["version"], running["next_to_boot"]) == ("1.2.0", True)


def test_a_record_that_cannot_be_written_stops_a_command_before_it_begins(
    world: FileWorld,
) -> None:
    with service(world) as api:
        api.bring_to("Available")
        record = world.client.paths.service_record
        kept = json.loads(record.read_bytes())
        record.with_name(f".{record.name}.new").mkdir()
        reply = api.post("prepare")
        assert (reply.status, "cannot be written" in reply.body) == (500, True)
        record.with_name(f".{record.name}.new").rmdir()
        assert json.loads(record.read_bytes()) == kept
        api.done("prepare")
