"""The process that does one command of the service, by the functions that `updog` itself calls.

A process of its own: a fault of it is an exit code and not the end of the service, what TUF and
the images take in memory is given back when it ends, and it can be ended at any moment.

It is told on its command line what to do, writes JSON objects to stdout, one a line, progress or a
result, and what people want to read to stderr. Its exit codes are those of `updog`.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import signal
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from types import MappingProxyType
from typing import TextIO, cast

from updog import ended, failure, lean, logs
from updog.errors import BusyError, InternalError

CANCELLED = 75
_PR_SET_PDEATHSIG = 1

# Each imports what it needs only when it is asked for: a change of boot bits loads no TUF.
_WORK: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "refresh": ("updog.service.asking", "refresh"),
        "why": ("updog.service.asking", "explain"),
        "prepare": ("updog.service.installing", "prepare"),
        "activate": ("updog.service.switching", "activate"),
        "deactivate": ("updog.service.switching", "deactivate"),
    }
)


def main(argv: Sequence[str] | None = None, out: TextIO = sys.stdout) -> int:
    """Do one command.

    Args:
        argv: the words after the program name; None takes those of this process.
        out: where progress and results go.

    Returns:
        The exit code, as listed in docs/cli.md.
    """
    args = _parse(argv)
    logs.set_up(args.log_level)
    try:
        # A stop of the whole service sends SIGTERM to this process as well.
        with ended.orderly_end():
            _die_with(args.parent)
            if args.held is not None:
                _check_held(args.held)
            module, name = _WORK[args.command]
            work = cast("Callable[[Namespace, TextIO], int]", getattr(import_module(module), name))
            return work(args, out)
    except KeyboardInterrupt:
        sys.stderr.write("updog: the command was cancelled; what was begun can be begun again.\n")
        return CANCELLED
    except Exception as error:  # noqa: BLE001 - every error ends as words and a code
        return failure.told(error)


def _parse(argv: Sequence[str] | None) -> Namespace:
    parser = ArgumentParser(prog="updog-worker", allow_abbrev=False)
    parser.add_argument("command", choices=sorted(_WORK))
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--log-level", choices=logs.LEVELS, default="info")
    parser.add_argument("--held", type=int, metavar="FD", help="the run lock, inherited")
    parser.add_argument("--parent", type=int, metavar="PID", required=True)
    parser.add_argument("--version", help="what to prepare")
    # What the functions of the command line ask for besides.
    parser.set_defaults(variant=None, source=None, idle=False, quiet=True, progress="auto")
    parser.set_defaults(image=None, ignore_waves=False)
    return parser.parse_args(argv)


def _die_with(parent: int) -> None:
    """Have the kernel end this process with the service: nobody else could end it, or would know.

    Raises:
        InternalError: the service is gone already.
    """
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        raise InternalError("The update service ended before its worker began.")


def _check_held(descriptor: int) -> None:
    """See that the run lock came along: flock on a descriptor that holds it changes nothing.

    Raises:
        BusyError: it did not, and somebody else has it.
    """
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        raise BusyError(f"The run lock did not come along: {error.strerror}.") from error


if __name__ == "__main__":
    lean.begin()
    sys.exit(main())
