"""System calls that Python has no function for. Linux, through the C library.

Numbers are those of x86-64 and of the architectures with the generic table (arm64, riscv64).
"""

from __future__ import annotations

import ctypes
import os
from typing import NamedTuple, NoReturn

from partitions.stage.errors import StageError

MS_RDONLY = 1
MS_NOSUID = 2
MS_NODEV = 4
MS_NOEXEC = 8
MS_MOVE = 8192

_RESTART = 0x01234567
_KEXEC = 0x45584543

_libc = ctypes.CDLL(None, use_errno=True)


class _Numbers(NamedTuple):
    finit_module: int
    kexec_file_load: int


_GENERIC = _Numbers(finit_module=273, kexec_file_load=294)
_NUMBERS = {
    "x86_64": _Numbers(finit_module=313, kexec_file_load=320),
    "aarch64": _GENERIC,
    "riscv64": _GENERIC,
}


def mount(source: str, target: str, kind: str, flags: int, data: str = "") -> None:
    """Put a file system into the tree, by the system call of that name.

    Raises:
        OSError: the kernel refused.
    """
    words = (source, target, kind)
    _check(_libc.mount(*(word.encode() for word in words), ctypes.c_ulong(flags), data.encode()))


def unmount(target: str) -> None:
    """Unmount; see umount2(2).

    Raises:
        OSError: the kernel refused.
    """
    _check(_libc.umount2(target.encode(), 0))


def load_module(descriptor: int, parameters: str = "") -> None:
    """Load an open kernel module; see finit_module(2).

    Raises:
        OSError: the kernel refused; ``FileExistsError`` if it is loaded already.
    """
    _call(_numbers().finit_module, descriptor, parameters.encode(), 0)


def load_kernel(kernel: int, initramfs: int, command_line: str) -> None:
    """Put a kernel where `start_kernel` finds it; see kexec_file_load(2).

    Args:
        kernel: descriptor of its file.
        initramfs: the same.
        command_line: for it.

    Raises:
        OSError: not a kernel for this machine, not signed as it has to be, or no memory.
    """
    line = command_line.encode() + b"\0"
    _call(_numbers().kexec_file_load, kernel, initramfs, len(line), line, 0)


def start_kernel() -> NoReturn:
    """Leave this kernel for the one that was loaded.

    Raises:
        OSError: there is none.
    """
    _check(_libc.reboot(ctypes.c_int(_KEXEC)))
    raise StageError("the loaded kernel was not started")


def reset() -> NoReturn:
    """Restart the machine; what is not on the disks is lost.

    Raises:
        OSError: not allowed.
    """
    os.sync()
    _check(_libc.reboot(ctypes.c_int(_RESTART)))
    raise StageError("the machine was not restarted")


def _numbers() -> _Numbers:
    machine = os.uname().machine
    if machine not in _NUMBERS:
        raise StageError(f"the numbers of system calls on {machine} are not known")
    return _NUMBERS[machine]


def _call(number: int, *arguments: int | bytes) -> None:
    # A system call takes whole registers; ctypes would fill the lower half of one only.
    _check(_libc.syscall(*(_register(each) for each in (number, *arguments))))


def _register(argument: int | bytes) -> ctypes.c_long | bytes:
    return ctypes.c_long(argument) if isinstance(argument, int) else argument


def _check(result: int) -> None:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
