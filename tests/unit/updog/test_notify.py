from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from updog.notify import Notifier, from_environment


@pytest.fixture(params=["path", "abstract"])
def systemd(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[socket.socket, str]]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        name = str(tmp_path / "notify") if request.param == "path" else f"@{tmp_path}"
        receiver.bind(name.replace("@", "\0", 1))
        receiver.settimeout(5)
        yield receiver, name


def test_each_message_is_one_datagram(systemd: tuple[socket.socket, str]) -> None:
    receiver, name = systemd
    notifier = Notifier(name)
    notifier.ready("here")
    notifier.alive()
    notifier.status("at work")
    notifier.stopping()
    told = [receiver.recv(200).decode() for _ in range(4)]
    assert told == ["READY=1\nSTATUS=here", "WATCHDOG=1", "STATUS=at work", "STOPPING=1"]


def test_nobody_has_to_listen(tmp_path: Path) -> None:
    Notifier().ready("")
    Notifier(str(tmp_path / "gone")).ready("")


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, Notifier()),
        ({"NOTIFY_SOCKET": "/n", "WATCHDOG_USEC": "30000000"}, Notifier("/n", 30.0)),
        ({"NOTIFY_SOCKET": "@n", "WATCHDOG_USEC": "5", "WATCHDOG_PID": "7"}, Notifier("@n", 5e-6)),
        ({"NOTIFY_SOCKET": "/n", "WATCHDOG_USEC": "5", "WATCHDOG_PID": "8"}, Notifier("/n")),
        ({"NOTIFY_SOCKET": "vsock:1", "WATCHDOG_USEC": "no"}, Notifier()),
    ],
)
def test_what_systemd_left_is_read(environment: dict[str, str], expected: Notifier) -> None:
    assert from_environment(environment, 7) == expected
