"""The update API, asked over its Unix socket by a client inside the machine."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.vm.guest import Guest
from tests.vm.world import NEW, OLD, World, offered

pytestmark = pytest.mark.vm

PATIENCE = 300.0

# One program for a command and the wait for its end: the machine has one slow processor.
_API = """
import http.client, json, socket, sys, time

class Api(http.client.HTTPConnection):
    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect("/run/api.sock")

def ask(method, path):
    api = Api("localhost")
    api.request(method, path)
    answer = api.getresponse()
    return answer.status, answer.read().decode()

while True:
    try:
        ask("GET", "/openapi.json")
        break
    except OSError:  # not there yet
        time.sleep(0.5)
"""
_COMMAND = """
started = ask("POST", f"/actions/{sys.argv[1]}")
assert started[0] == 204, started
while True:
    time.sleep(1)
    code, body = ask("GET", "/updates/status")
    last = json.loads(body)["most_recent_command"] if code == 200 else None
    if last and last["cmd_type"] == sys.argv[2] and last["cmd_status"] != "Started":
        break
print(body)
"""


def test_refresh_prepare_activate_and_reboot(world: World, tmp_path: Path) -> None:
    with offered(world, "good") as url:
        computer = world.computer(tmp_path / "machine", url)
        with computer.on() as guest:
            guest.up(OLD)
            guest.start("updog", "serve")
            status = _done(guest, "refresh-updates", "refresh")
            assert status["update_state"] == "Available"
            assert status["chosen_update"]["version"] == NEW
            assert _done(guest, "prepare-update", "prepare")["update_state"] == "Staged"
            status = _done(guest, "activate-update", "activate")
            assert status["update_state"] == "Ready"
            assert status["staging_partition"]["next_to_boot"]
            guest.restart_by("apiclient", "reboot")
            guest.up(NEW)
            guest.start("updog", "serve")
            assert _done(guest, "refresh-updates", "refresh")["update_state"] == "Idle"
            assert guest.json("apiclient", "raw", "-u", "/os")["version_id"] == NEW


def _done(guest: Guest, action: str, command: str) -> Any:
    """Give a command, and return the status once it has ended well."""
    words = ("python3", "-c", _API + _COMMAND, action, command)
    status = json.loads(guest.run(*words, limit=PATIENCE).checked().out)
    assert status["most_recent_command"]["cmd_status"] == "Success", status
    return status
