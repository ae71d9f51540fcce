"""Standing back for the programs that the machine is for: idle classes of disk and processor.

An update that takes a minute longer hurts nobody; one that makes a service miss its deadlines does.
Neither wish is worth failing for: a kernel or container that refuses is told of as a remark.
"""

from __future__ import annotations

import ctypes
import os
import platform
from collections.abc import Callable
from enum import IntEnum
from typing import TypeAlias

# ioprio_set has no wrapper in libc; its number is part of each architecture's kernel interface.
_SET_NUMBERS = {
    "x86_64": 251,
    "aarch64": 30,
    "riscv64": 30,
    "loongarch64": 30,
    "i686": 289,
    "armv7l": 314,
    "ppc64le": 273,
    "s390x": 282,
}
_WHO_PROCESS = 1
_CLASS_SHIFT = 13

Syscall: TypeAlias = Callable[..., int]


class IoClass(IntEnum):
    """How the kernel's I/O scheduler treats a thread."""

    NONE = 0
    """As its nice value says."""
    REALTIME = 1
    BEST_EFFORT = 2
    IDLE = 3
    """Served only when nobody else has asked for a while."""


def stand_back(nice: int = 19, machine: str = platform.machine()) -> tuple[str, ...]:
    """Let everybody else go first, from now on: this thread, and those that it starts.

    Call it before the first stage is started: Linux keeps both values for each thread.

    Args:
        nice: how far to step back from the processor, 0 … 19; never less than it is already.
        machine: the architecture, as ``uname -m`` names it.

    Returns:
        Remarks about what could not be done; empty when all was.
    """
    return tuple(filter(None, (_idle_io(machine), _nice(nice), _idle_processor())))


def _idle_io(machine: str) -> str:
    number = _SET_NUMBERS.get(machine)
    if number is None:
        return f"The idle I/O class is not set: its call is not known on {machine}."
    value = IoClass.IDLE << _CLASS_SHIFT
    if _syscall()(number, _WHO_PROCESS, 0, value) == 0:
        return ""
    reason = os.strerror(ctypes.get_errno())
    return f"The idle I/O class is not set: {reason}. Reads and writes have normal priority."


def _idle_processor() -> str:
    """Have the processor only when nobody else wants it; the nice value says so to other tools."""
    try:
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    except OSError as error:
        return f"The idle processor class is not set: {error.strerror}."
    return ""


def io_class(machine: str = platform.machine()) -> IoClass | None:
    """The I/O class of this thread; None where the kernel does not tell."""
    number = _SET_NUMBERS.get(machine)
    if number is None:
        return None
    # The call that asks follows the one that sets, in every table.
    value = _syscall()(number + 1, _WHO_PROCESS, 0)
    return IoClass(value >> _CLASS_SHIFT) if value >= 0 else None


def _syscall() -> Syscall:
    found: Syscall = ctypes.CDLL(None, use_errno=True).syscall
    return found


def _nice(wanted: int) -> str:
    try:
        missing = wanted - os.nice(0)
        if missing > 0:
            os.nice(missing)
    except OSError as error:
        return f"The processor priority is not lowered: {error.strerror}."
    return ""
