"""A machine that exists only as its update API: states, commands, restarts.

machine = PaperMachine(offered="1.1.0")
with upstream(socket, machine):
    ...
"""

from __future__ import annotations

import json
from typing import Any

from tests.fakes.upstream_service import Script

STATUS = "/updates/status"
COMMANDS = {
    "/actions/refresh-updates": "refresh",
    "/actions/prepare-update": "prepare",
    "/actions/activate-update": "activate",
    "/actions/deactivate-update": "deactivate",
}


class PaperMachine(Script):
    """The machine.

    Attributes:
        running: the version that runs.
        offered: what its repository offers.
        state: as the API calls it.
        chosen: what it would take.
        staged: what waits on the other set.
        bad: versions that do not come up.
        busy: how many requests are still answered with 423.
        failing: commands that end badly.
        pretending: commands that end well and do nothing.
        restarts: versions that it restarted into.
        stuck: whether it does not restart at all.
    """

    def __init__(self, running: str = "1.0.0", offered: str = "1.1.0") -> None:
        super().__init__([])
        self.running = running
        self.offered = offered
        self.state = "Idle"
        self.chosen = ""
        self.staged = ""
        self.bad: set[str] = set()
        self.busy = 0
        self.failing: set[str] = set()
        self.pretending: set[str] = set()
        self.restarts: list[str] = []
        self.stuck = False
        self._last: dict[str, Any] | None = None
        self._count = 0

    def answer(self, method: str, path: str) -> tuple[int, bytes]:
        self.log.append(f"{method} {path}")
        if path == "/os":
            return 200, json.dumps({"version_id": self.running}).encode()
        if self.busy and path != "/actions/reboot":
            self.busy -= 1
            return 423, b"another command is at work\n"
        if path == STATUS:
            return self._status()
        if path == "/actions/reboot":
            self._restart()
            return 204, b""
        return self._command(COMMANDS[path])

    def asked(self, path: str) -> int:
        """How often something was asked for."""
        return sum(each.endswith(f" {path}") for each in self.log)

    def _command(self, name: str) -> tuple[int, bytes]:
        if name not in self.failing | self.pretending:
            refused = self._do(name)
            if refused:
                return 409, refused.encode()
        self._count += 1
        good = name not in self.failing
        self._last = {
            "cmd_type": name,
            "cmd_status": "Success" if good else "Failed",
            "timestamp": f"t{self._count}",
            "exit_status": 0 if good else 1,
            "stderr": "" if good else "the disk is full\n",
        }
        return 204, b""

    def _do(self, name: str) -> str:
        if name == "refresh":
            self.chosen = self.offered if self.offered != self.running else ""
            if self.state in {"Idle", "Available"}:
                self.state = "Available" if self.chosen else "Idle"
        elif name == "prepare" and self.state in {"Available", "Staged"}:
            self.state, self.staged = "Staged", self.chosen
        elif name == "activate" and self.state == "Staged":
            self.state = "Ready"
        elif name == "deactivate" and self.state == "Ready":
            self.state = "Staged"
        else:
            return f"{name} is not possible in {self.state}"
        return ""

    def _restart(self) -> None:
        if self.stuck:
            return
        wanted = self.staged if self.state == "Ready" else self.running
        self.restarts.append(wanted)
        if wanted not in self.bad:
            self.running = wanted
        self.state, self.staged, self.chosen, self._last = "Idle", "", "", None

    def _status(self) -> tuple[int, bytes]:
        if self._last is None:
            return 404, b"no command was ever given\n"
        tree = {
            "update_state": self.state,
            "available_updates": [self.offered],
            "chosen_update": _image(self.chosen),
            "active_partition": {"image": _image(self.running), "next_to_boot": True},
            "staging_partition": {"image": _image(self.staged), "next_to_boot": False}
            if self.staged
            else None,
            "most_recent_command": self._last,
        }
        return 200, json.dumps(tree).encode()


def _image(version: str) -> dict[str, str] | None:
    return {"arch": "x86_64", "variant": "edge-gw", "version": version} if version else None
