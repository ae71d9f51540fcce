"""The system of `fixtures.vmos` in a machine; its commands are run over a serial port."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from uuid import uuid4

from tests.vm.machine import Disk, Hardware, Machine, booted

STAGE_WORDS = "console=ttyS0 panic=1 quiet loglevel=4 no_timer_check"
_PATIENCE = 180.0
_READY = b'{"ready": true}\n'


@dataclass(frozen=True, slots=True)
class Done:
    """How a command in the guest ended."""

    code: int
    out: str
    err: str

    def checked(self) -> Done:
        """Return itself if the command succeeded."""
        assert self.code == 0, self
        return self


class Guest:
    """A running system.

    Attributes:
        machine: it runs on.
    """

    def __init__(self, machine: Machine, channel: socket.socket) -> None:
        self.machine = machine
        self._channel = channel
        self._lines = channel.makefile("rb")
        self._asked = 0

    def up(self, version: str) -> None:
        """Wait until this version is up, and nothing else before."""
        line = self.machine.expect(r"guest: up \S+", limit=_PATIENCE)
        assert line.endswith(f"up {version}"), line
        while not self._lines.readline().endswith(_READY):
            pass  # the answer to a command that was cut off by a restart

    def run(self, *words: str, limit: float = _PATIENCE, given: str | None = None) -> Done:
        """Run a program and wait for its end.

        Args:
            words: program, by its whole path or a name in /usr/bin, and arguments.
            limit: seconds.
            given: its standard input.
        """
        self._ask(words, limit, given)
        self._channel.settimeout(limit + _PATIENCE)
        return self._answer()

    def json(self, *words: str) -> Any:
        """Run a program that must succeed, and return what it prints as a value."""
        return json.loads(self.run(*words).checked().out)

    def python(self, code: str) -> str:
        """Run a piece of Python that must succeed, and return what it prints."""
        return self.run("python3", "-c", code).checked().out

    def start(self, *words: str) -> int:
        """Run a program in the background; what it says goes to the console.

        Returns:
            Its process id.
        """
        said = self.python(
            "import subprocess; console = open('/dev/console', 'w'); p = subprocess.Popen("
            f"{words!r}, stdin=subprocess.DEVNULL, stdout=console, stderr=console); print(p.pid)"
        )
        return int(said)

    def begin(self, *words: str, limit: float = _PATIENCE) -> int:
        """Let a program begin, and return the number by which `ended` knows it."""
        return self._ask(words, limit, None)

    def ended(self, number: int) -> bool:
        """Whether a program that was begun has succeeded by now.

        Raises:
            AssertionError: it has failed.
        """
        told = rf"^guest: exit (-?\d+) of {number}$"
        found = re.search(told, self.machine.serial.text, re.MULTILINE)
        if found and found[1] != "0":
            raise AssertionError(self._answer())
        return found is not None

    def restart_by(self, *words: str) -> None:
        """Run a program that restarts the machine, and wait until it does."""
        number = self._ask(words, _PATIENCE, None)
        failed = f"guest: exit [1-9][0-9]* of {number}$"
        line = self.machine.expect("guest: restarting", failed, limit=_PATIENCE)
        if "restarting" not in line:
            raise AssertionError(self._answer())

    def restarts(self) -> str:
        """Wait until the machine restarts in good order, and return the line that says so."""
        return self.machine.expect("guest: restarting", limit=2 * _PATIENCE)

    def switch_off(self) -> None:
        """Let the system switch the machine off in good order."""
        self._ask(("python3", "-c", "import os, signal; os.kill(1, signal.SIGUSR1)"), 60.0, None)
        self.machine.off()

    def _answer(self) -> Done:
        answer = json.loads(self._lines.readline())
        return Done(answer["code"], answer["out"], answer["err"])

    def _ask(self, words: tuple[str, ...], limit: float, given: str | None) -> int:
        self._asked += 1
        asked = {"run": words, "limit": limit, "input": given, "number": self._asked}
        self._channel.sendall(json.dumps(asked).encode() + b"\n")
        return self._asked


@dataclass(frozen=True, slots=True)
class Computer:
    """A machine with a disk, and the kernel and initramfs that its firmware starts.

    Attributes:
        home: its folder.
        kernel: of the boot stage.
        stage: the initramfs of it.
    """

    home: Path
    kernel: Path
    stage: Path

    @property
    def disk(self) -> Path:
        """Its disk."""
        return self.home / "disk.img"

    @contextmanager
    def on(self, *more: str, disk: Disk | None = None, limit: float = 900.0) -> Iterator[Guest]:
        """Switch it on.

        Args:
            more: further words for QEMU.
            disk: another disk than its own.
            limit: seconds until it is switched off.
        """
        hardware = Hardware(
            disk or Disk(self.disk), self.kernel, self.stage, STAGE_WORDS, more=more
        )
        with switched_on(hardware, self.home, limit=limit) as guest:
            yield guest


@contextmanager
def switched_on(hardware: Hardware, home: Path, *, limit: float) -> Iterator[Guest]:
    """Switch a machine on that has, besides, the port over which its commands are run.

    Args:
        hardware: what it is made of.
        home: its folder.
        limit: seconds until it is switched off.
    """
    # No path: the folders of tests may be too long for a socket's.
    name = f"updog-vm-{os.getpid()}-{uuid4().hex}"
    port = ["-chardev", f"socket,id=tests,path={name},abstract=on,server=on,wait=off"]
    port += ["-device", "isa-serial,chardev=tests"]
    equipped = replace(hardware, more=(*port, *hardware.more))
    with booted(equipped, home, limit=limit) as machine, _connected(machine, name) as channel:
        yield Guest(machine, channel)


@contextmanager
def _connected(machine: Machine, name: str) -> Iterator[socket.socket]:
    # QEMU listens before it starts the guest; its console answers when it does.
    machine.monitor.ask("query-status")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as channel:
        channel.settimeout(_PATIENCE)
        channel.connect(f"\0{name}")
        yield channel


def copy_disk(source: Path, target: Path) -> None:
    """Copy a sparse disk."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with source.open("rb") as old, target.open("wb") as new:
        new.truncate(source.stat().st_size)
        while piece := old.read(1 << 20):
            if piece.count(0) != len(piece):
                new.seek(old.tell() - len(piece))
                new.write(piece)
    shutil.copymode(source, target)
