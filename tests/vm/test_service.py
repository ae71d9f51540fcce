"""The update API, asked over its Unix socket by a client inside the machine."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.vm.guest import Guest
from tests.vm.world import NEW, OLD, World, offered

pytestmark = pytest.mark.vm


def test_refresh_prepare_activate_and_reboot(world: World, tmp_path: Path) -> None:
    with offered(world, "good") as url:
        computer = world.computer(tmp_path / "machine", url)
        with computer.on() as guest:
            guest.up(OLD)
            _serve(guest)
            _post(guest, "refresh-updates")
            status = _settled(guest, "refresh")
            assert status["update_state"] == "Available"
            assert status["chosen_update"]["version"] == NEW
            _post(guest, "prepare-update")
            assert _settled(guest, "prepare")["update_state"] == "Staged"
            _post(guest, "activate-update")
            status = _settled(guest, "activate")
            assert status["update_state"] == "Ready"
            assert status["staging_partition"]["next_to_boot"]
            guest.restart_by("apiclient", "reboot")
            guest.up(NEW)
            _serve(guest)
            _post(guest, "refresh-updates")
            assert _settled(guest, "refresh")["update_state"] == "Idle"
            assert _raw(guest, "/os")["version_id"] == NEW


def _serve(guest: Guest) -> None:
    guest.start("updog", "serve")
    guest.python(
        "import os, time\n"
        "for _ in range(600):\n"
        "    if os.path.exists('/run/api.sock'): break\n"
        "    time.sleep(0.1)\n"
    )


def _post(guest: Guest, action: str) -> None:
    guest.run("apiclient", "raw", "-m", "POST", "-u", f"/actions/{action}").checked()


def _settled(guest: Guest, command: str) -> Any:
    """The status once a command has ended, and ended well."""
    for _ in range(100):
        asked = guest.run("apiclient", "raw", "-u", "/updates/status")
        if asked.code == 0:
            status = json.loads(asked.out)
            last = status["most_recent_command"]
            if last["cmd_type"] == command and last["cmd_status"] != "Started":
                assert last["cmd_status"] == "Success", last
                return status
    raise AssertionError(f"{command} does not end: {asked}")


def _raw(guest: Guest, path: str) -> Any:
    return guest.json("apiclient", "raw", "-u", path)
