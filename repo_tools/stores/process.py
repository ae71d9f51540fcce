"""Who a publisher is, so that another one can tell whether it still lives.

A process number means something only within one boot of one machine and one namespace of numbers,
and numbers come back; with the time at which the process began, it means one process for ever.
"""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from pathlib import Path

_PROC = Path("/proc")
# Fields of /proc/PID/stat after the name in parentheses, which may itself hold anything.
_STATE, _BEGAN = 0, 19
_DEAD = "ZX"


@dataclass(frozen=True, slots=True)
class Process:
    """One process on one machine.

    Attributes:
        host: name of the machine, for people.
        space: which boot and which namespace of process numbers.
        pid: its number.
        began: when it began, in ticks since the boot.
    """

    host: str
    space: str
    pid: int
    began: str

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}"

    def is_gone(self) -> bool:
        """Whether it is certain that this process has ended: never so for one of elsewhere."""
        return self.space == _space() and _began(self.pid) != self.began


def this_process() -> Process:
    """The process that asks."""
    return Process(socket.gethostname(), _space(), os.getpid(), _began(os.getpid()) or "")


def _space() -> str:
    boot = (_PROC / "sys/kernel/random/boot_id").read_text().strip()
    return f"{boot} {(_PROC / 'self/ns/pid').readlink()}"


def _began(pid: int) -> str | None:
    """When the process of that number began; None if there is none, or only its remains."""
    try:
        fields = (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[_STATE] in _DEAD else fields[_BEGAN]
