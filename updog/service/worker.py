"""The process that does one command of the service, by the functions that `updog` itself calls.

A process of its own: a fault of it is an exit code and not the end of the service, what TUF and
the images take in memory is given back when it ends, and it can be ended at any moment.

It is told on its command line what to do, writes JSON objects to stdout, one a line, progress or a
result, and what people want to read to stderr. Its exit codes are those of `updog`.
"""

from __future__ import annotations

import ctypes
import fcntl
import json
import os
import signal
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import TextIO

from updog import config, failure, install, invocation, labels, logs, report, timeofrun, why
from updog.clock import SystemClock
from updog.doctor.clockcheck import kernel_synchronised
from updog.errors import BusyError, InternalError
from updog.manifest import Update
from updog.progress import JsonLines, together
from updog.select import Chosen, Declined
from updog.settings import Settings
from updog.update import update_image
from updog.version import Version
from updog.visit import Wish, see

CANCELLED = 75
QUESTION = "why"
_PR_SET_PDEATHSIG = 1


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
        _die_with(args.parent)
        if args.held is not None:
            _check_held(args.held)
        return _COMMANDS[args.command](args, out)
    except KeyboardInterrupt:
        sys.stderr.write("updog: the command was cancelled; what was begun can be begun again.\n")
        return CANCELLED
    except Exception as error:  # noqa: BLE001 - every error ends as words and a code
        return failure.told(error)


def _parse(argv: Sequence[str] | None) -> Namespace:
    parser = ArgumentParser(prog="updog-worker", allow_abbrev=False)
    parser.add_argument("command", choices=sorted(_COMMANDS))
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--log-level", choices=logs.LEVELS, default="info")
    parser.add_argument("--held", type=int, metavar="FD", help="the run lock, inherited")
    parser.add_argument("--parent", type=int, metavar="PID", required=True)
    parser.add_argument("--version", type=Version.parse)
    # What the functions of the command line ask for besides.
    parser.set_defaults(variant=None, source=None, idle=False, quiet=True, progress="auto")
    parser.set_defaults(image=None, ignore_waves=False)
    return parser.parse_args(argv)


def refresh(args: Namespace, out: TextIO) -> int:
    """Ask the repository what there is."""
    way = invocation.way(args)
    seen = see(replace(way, settings=_unlocked(way.settings)), Wish())
    chosen = seen.outcome.update if isinstance(seen.outcome, Chosen) else None
    if isinstance(seen.outcome, Declined):
        _say("No update available", *report.declined_lines(seen.outcome))
    _tell(
        out,
        available=[str(update.version) for update in seen.available],
        chosen=None if chosen is None else _named(chosen),
    )
    return 0


def prepare(args: Namespace, out: TextIO) -> int:
    """Write the recorded update, and no other, to the inactive set.

    Raises:
        BusyError: it may not be installed now: it was withdrawn, or its wave is over.
    """
    env = invocation.environment(args)
    env = replace(
        env,
        settings=_unlocked(env.settings),
        starting=lambda update: _say(f"Starting update to {update.version}"),
        progress=together([env.progress, JsonLines(out, SystemClock())]),
    )
    result = update_image(env, Wish(image=args.version))
    if isinstance(result, Declined):
        raise BusyError(
            f"{args.version}, which was chosen, is not to be had any more: {result.message}.",
            hint="Refresh, and prepare what is chosen then.",
        )
    _tell(out, staged=_named(result.update))
    return 0


def activate(args: Namespace, _out: TextIO) -> int:
    """Let the staged update boot next."""
    install.activate(invocation.control(config.load(args.config)))
    return 0


def deactivate(args: Namespace, _out: TextIO) -> int:
    """Take an activation back."""
    install.revert(invocation.control(config.load(args.config)))
    return 0


def explain(args: Namespace, out: TextIO) -> int:
    """Tell what would be chosen and why; what cannot be found out is told as a problem."""
    way = invocation.way(args)
    paths = way.settings.paths
    clock = timeofrun.time_of_run(SystemClock().now(), paths, kernel_synchronised)
    findings = why.gather(
        way, lambda: invocation.control(way.settings), Wish(), labels.gather(paths), clock
    )
    _tell(out, why=json.loads(report.why_json(findings.why)))
    return 0


_COMMANDS: Mapping[str, Callable[[Namespace, TextIO], int]] = MappingProxyType(
    {
        "refresh": refresh,
        "prepare": prepare,
        "activate": activate,
        "deactivate": deactivate,
        QUESTION: explain,
    }
)


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


def _unlocked(settings: Settings) -> Settings:
    """Settings for functions that take the run lock, which this process has inherited already.

    They take another one beside it, which nobody else wants.
    """
    lock = settings.paths.lock
    beside = lock.with_name(f"{lock.name}.worker")
    return settings._replace(paths=settings.paths._replace(lock=beside))


def _named(update: Update) -> dict[str, str]:
    return {"arch": update.arch, "version": str(update.version), "variant": update.variant}


def _tell(out: TextIO, **result: object) -> None:
    out.write(json.dumps({"result": result}) + "\n")
    out.flush()


def _say(*lines: str) -> None:
    sys.stderr.write("".join(f"{line}\n" for line in lines))


if __name__ == "__main__":
    sys.exit(main())
