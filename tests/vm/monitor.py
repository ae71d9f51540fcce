"""QEMU's machine protocol (QMP): snapshots, resets, and how the machine is doing."""

from __future__ import annotations

import json
import socket
from typing import Any

_PATIENCE = 120.0


def monitor_sockets() -> tuple[socket.socket, socket.socket]:
    """Return our end and QEMU's: a pair needs no path, which could be too long for a socket."""
    ours, theirs = socket.socketpair()
    ours.settimeout(_PATIENCE)
    return ours, theirs


class Monitor:
    """Speaks to QEMU; the greeting is exchanged with the first command."""

    def __init__(self, ours: socket.socket) -> None:
        self._socket = ours
        self._lines = ours.makefile("rb")
        self._greeted = False

    def ask(self, command: str, **arguments: Any) -> Any:
        """Run a command of QMP and return what it answers.

        Raises:
            AssertionError: QEMU refused it.
        """
        if not self._greeted:
            self._greeted = True
            self._lines.readline()
            self._ask("qmp_capabilities", {})
        return self._ask(command, arguments)

    def typed(self, line: str) -> str:
        """Run a command of the monitor for people, and return what it prints."""
        answer = self.ask("human-monitor-command", **{"command-line": line})
        assert isinstance(answer, str)
        return answer

    def reset(self) -> None:
        """Press the reset button."""
        self.ask("system_reset")

    def close(self) -> None:
        """Hang up."""
        self._lines.close()

    def _ask(self, command: str, arguments: dict[str, Any]) -> Any:
        asked = json.dumps({"execute": command, "arguments": arguments})
        self._socket.sendall(asked.encode() + b"\n")
        while line := self._lines.readline():
            answer = json.loads(line)
            if "event" not in answer:
                assert "return" in answer, f"{command}: {answer}"
                return answer["return"]
        raise AssertionError(f"QEMU ended before it answered {command}")
