"""Telling systemd how the service is: sd_notify(3), one datagram a message."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Mapping
from typing import NamedTuple

MICROSECONDS = 1_000_000


class Notifier(NamedTuple):
    """Where to tell it; tells nobody where systemd is not there.

    Attributes:
        address: the datagram socket, or empty.
        watchdog: seconds within which a sign of life is due; None for none.
    """

    address: str = ""
    watchdog: float | None = None

    def ready(self, status: str) -> None:
        """The service answers from now on."""
        self._send(f"READY=1\nSTATUS={status}")

    def alive(self) -> None:
        """A sign of life, for the watchdog."""
        self._send("WATCHDOG=1")

    def status(self, status: str) -> None:
        """One line for ``systemctl status``."""
        self._send(f"STATUS={status}")

    def stopping(self) -> None:
        """The service ends in order."""
        self._send("STOPPING=1")

    def _send(self, message: str) -> None:
        if not self.address:
            return
        address = "\0" + self.address[1:] if self.address.startswith("@") else self.address
        # Who does not listen any more is not worth an end of the service.
        with (
            contextlib.suppress(OSError),
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender,
        ):
            sender.connect(address)
            sender.sendall(message.encode())


def from_environment(environment: Mapping[str, str], pid: int) -> Notifier:
    """What systemd left in the environment.

    Args:
        environment: of this process.
        pid: of this process; a watchdog that is meant for another one is not ours.
    """
    address = environment.get("NOTIFY_SOCKET", "")
    told = environment.get("WATCHDOG_USEC", "")
    for_us = environment.get("WATCHDOG_PID", str(pid)) == str(pid)
    watchdog = int(told) / MICROSECONDS if told.isdigit() and int(told) and for_us else None
    return Notifier(address if address.startswith(("/", "@")) else "", watchdog)
