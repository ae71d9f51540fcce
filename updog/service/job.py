"""Running the worker from the service's event loop: what it tells, how it ends, how it is ended."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, cast

LINE_LIMIT = 32 << 20
STDERR_LIMIT = 64 << 10
PATIENCE = 5.0
"""Seconds that a worker gets to end by itself after it was told to."""

CANCELLED = "The command was cancelled; what was begun can be begun again.\n"


class Ended(NamedTuple):
    """How a worker ended.

    Attributes:
        exit_status: 0, an exit code, or the number of the signal that ended it.
        stderr: what it said, the end of it.
        result: what it found out; empty where it did not get so far.
        cancelled: whether it was told to end.
    """

    exit_status: int
    stderr: str
    result: Mapping[str, object]
    cancelled: bool = False


class Errand(NamedTuple):
    """What a worker is to do.

    Attributes:
        words: the command and its flags.
        config: the configuration file.
        log_level: as on the command line.
        lock: descriptor of the run lock, to be inherited; None where it takes the lock itself.
    """

    words: Sequence[str]
    config: Path
    log_level: str = "info"
    lock: int | None = None


class Job:
    """One worker."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        # Both are pipes, made in `start`.
        self._stdout = cast("asyncio.StreamReader", process.stdout)
        self._stderr = cast("asyncio.StreamReader", process.stderr)
        self.cancelled = False

    @property
    def pid(self) -> int:
        """Its process."""
        return self._process.pid

    @classmethod
    async def start(cls, errand: Errand) -> Job:
        """Start a worker.

        Raises:
            OSError: there can be no further process.
        """
        held = () if errand.lock is None else (errand.lock,)
        process = await asyncio.create_subprocess_exec(
            *command_line(errand),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            limit=LINE_LIMIT,
            pass_fds=held,
            # Ctrl-C at a terminal is for the service; it ends its worker in order.
            start_new_session=True,
        )
        return cls(process)

    async def wait(self, progress: Callable[[Mapping[str, object]], None]) -> Ended:
        """Wait until it has ended.

        Args:
            progress: told how far it is, as `updog.progress.as_tree` says it.
        """
        result, stderr = await asyncio.gather(self._results(progress), self._messages())
        code = await self._process.wait()
        # One that was told to end may have been too young to say so in words.
        said = CANCELLED if self.cancelled and code else stderr
        return Ended(abs(code), said, result, self.cancelled)

    async def end(self) -> None:
        """Tell it to end, and end it where it does not."""
        self.cancelled = True
        self._signal(signal.SIGINT)
        try:
            await asyncio.wait_for(self._process.wait(), PATIENCE)
        except TimeoutError:
            self._signal(signal.SIGKILL)
            await self._process.wait()

    def _signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(number)

    async def _results(
        self, progress: Callable[[Mapping[str, object]], None]
    ) -> Mapping[str, object]:
        found: Mapping[str, object] = {}
        async for line in self._stdout:
            tree = _object(line)
            if "result" in tree:
                found = _mapping(tree["result"])
            elif tree:
                progress(tree)
        return found

    async def _messages(self) -> str:
        kept = b""
        while piece := await self._stderr.read(STDERR_LIMIT):
            kept = (kept + piece)[-STDERR_LIMIT:]
        return kept.decode(errors="replace")


def command_line(errand: Errand) -> tuple[str, ...]:
    """The words that start a worker."""
    held = () if errand.lock is None else (f"--held={errand.lock}",)
    return (
        sys.executable,
        "-P",  # nothing is imported from wherever the service was started
        "-m",
        "updog.service.worker",
        f"--config={errand.config}",
        f"--log-level={errand.log_level}",
        f"--parent={os.getpid()}",
        *held,
        *errand.words,
    )


def _object(line: bytes) -> Mapping[str, object]:
    try:
        return _mapping(json.loads(line))
    except (ValueError, RecursionError):
        return {}


def _mapping(said: object) -> Mapping[str, object]:
    return said if isinstance(said, dict) else {}
