"""Running the programs of a folder, each with a time-out, as processes or transient units."""

from __future__ import annotations

import os
import shutil
import signal
import stat
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO, NamedTuple

from updog.health.folder import Program
from updog.settings import Health, Isolation

GRACE = 5.0
"""Seconds between the request to end and the end."""
TAIL = 400
SYSTEMD = Path("/run/systemd/system")


class Ended(NamedTuple):
    """How a program ended.

    Attributes:
        program: which.
        passed: whether it ended with 0, in time.
        why: how else, with the end of what it said.
    """

    program: Program
    passed: bool
    why: str = ""


def run_all(
    which: Sequence[Program], health: Health, environment: Mapping[str, str]
) -> tuple[Ended, ...]:
    """Run programs, so many at a time as the configuration says; in their order.

    Args:
        which: the programs.
        health: time-out, parallelism and isolation.
        environment: variables on top of our own.
    """
    if not which:
        return ()
    units = takes_units(health.isolation)

    def one(program: Program) -> Ended:
        return run(program, health.timeout, environment, units=units)

    with ThreadPoolExecutor(min(health.parallel, len(which))) as pool:
        return tuple(pool.map(one, which))


def takes_units(isolation: Isolation) -> bool:
    """Whether programs run as transient units."""
    if isolation is Isolation.AUTO:
        return os.geteuid() == 0 and SYSTEMD.is_dir() and shutil.which("systemd-run") is not None
    return isolation is Isolation.UNIT


def run(
    program: Program, timeout: float, environment: Mapping[str, str], *, units: bool = False
) -> Ended:
    """Run one program and wait for its end, which comes at the latest a little after `timeout`."""
    if trouble := _trouble(program.path):
        return Ended(program, passed=False, why=trouble)
    command = unit_command(program, timeout, environment) if units else (str(program.path),)
    # systemd ends a unit in time itself, and says so; this is for a systemd that does not answer.
    limit = timeout + 2 * GRACE if units else timeout
    with tempfile.TemporaryFile() as output:
        try:
            process = subprocess.Popen(  # noqa: S603 - the administrator's own, without a shell
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                env={**os.environ, **environment},
            )
        except OSError as error:
            return Ended(program, passed=False, why=f"cannot be run: {error.strerror}")
        code = _wait(process, limit)
        return _ended(program, code, timeout, _tail(output))


def unit_command(
    program: Program, timeout: float, environment: Mapping[str, str]
) -> tuple[str, ...]:
    """The command that runs a program as a transient unit and waits for it."""
    return (
        "systemd-run",
        "--quiet",
        "--wait",
        "--pipe",
        "--collect",
        "--service-type=exec",
        f"--property=RuntimeMaxSec={timeout:g}",
        f"--property=TimeoutStopSec={GRACE:g}",
        "--property=PrivateTmp=yes",
        *(f"--setenv={name}={value}" for name, value in environment.items()),
        "--",
        str(program.path),
    )


def _trouble(path: Path) -> str:
    """What keeps a file from being run. A check that is silently left out would be worse."""
    try:
        mode = path.stat().st_mode
    except OSError as error:
        return f"cannot be looked at: {error.strerror}"
    if not mode & stat.S_IXUSR:
        return "is not executable"
    return "may be changed by everybody" if mode & stat.S_IWOTH else ""


def _wait(process: subprocess.Popen[bytes], timeout: float) -> int | None:
    """The exit code, or None after the time-out; the whole group is gone then."""
    try:
        return process.wait(timeout)
    except subprocess.TimeoutExpired:
        _signal(process, signal.SIGTERM)
    try:
        process.wait(GRACE)
    except subprocess.TimeoutExpired:
        pass
    finally:
        _signal(process, signal.SIGKILL)
        process.wait()
    return None


def _signal(process: subprocess.Popen[bytes], number: int) -> None:
    try:
        os.killpg(process.pid, number)
    except (ProcessLookupError, PermissionError):
        return


def _ended(program: Program, code: int | None, timeout: float, said: str) -> Ended:
    if code == 0:
        return Ended(program, passed=True)
    if code is None:
        how = f"did not end within {timeout:g} seconds"
    else:
        how = f"was ended by signal {-code}" if code < 0 else f"ended with {code}"
    return Ended(program, passed=False, why=f"{how}: {said}" if said else how)


def _tail(output: IO[bytes]) -> str:
    """The end of what a program said, as one line that is safe to show."""
    length = output.seek(0, os.SEEK_END)
    output.seek(max(0, length - TAIL))
    text = " ".join(output.read(TAIL).decode(errors="replace").split())
    return "".join(each if each.isprintable() else "?" for each in text)
