"""Running one migration: locked in, within a time, with its words in our log."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO

from updog.errors import MigrationError
from updog.migrate.confine import Order, lines
from updog.migrate.sealed import Sealed

log = logging.getLogger(__name__)

OUTPUT_LIMIT = 4096
PIPE_LIMIT = 4096
_HINT = "The data store is as it was. Start the previous set, and tell the publisher."


@dataclass(frozen=True, slots=True)
class Sandbox:
    """How migrations are run.

    Attributes:
        seconds: how long one may take.
        confined: whether to lock them in.
    """

    seconds: float = 300.0
    confined: bool = True

    def run(self, program: Sealed, work: Path, words: Sequence[str]) -> tuple[str, ...]:
        """Run a migration to its end.

        Args:
            program: what.
            work: the one folder that it may write to.
            words: its arguments; ``{work}`` stands for where it sees that folder.

        Returns:
            What could not be locked, for people.

        Raises:
            MigrationError: it failed, could not be run, or took too long.
        """
        with TemporaryFile() as output:
            code, told = self._run(program, work, words, output)
            output.seek(max(0, output.seek(0, os.SEEK_END) - OUTPUT_LIMIT))
            said = output.read().decode(errors="replace").strip()
        for line in said.splitlines():
            log.log(logging.ERROR if code else logging.INFO, "%s: %s", program.name, line)
        if code is None:
            raise MigrationError(
                f"the migration {program.name} took longer than {self.seconds:g} seconds",
                hint=_HINT,
            )
        if code:
            last = said.splitlines()[-1] if said else "it said nothing"
            message = f"the migration {program.name} failed with {code}: {last}"
            raise MigrationError(message, hint=_HINT)
        return tuple(lines(told))

    def _run(
        self, program: Sealed, work: Path, words: Sequence[str], output: IO[bytes]
    ) -> tuple[int | None, bytes]:
        """The exit code, or None for a time-out; and what was told on the pipe."""
        reading, telling = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        order = Order(
            program=program.descriptor,
            told=telling,
            work=str(work),
            words=(program.name, *words),
            seconds=int(self.seconds) + 1,
            confined=self.confined,
        )
        try:
            process = subprocess.Popen(  # noqa: S603 - our own launcher, without a shell
                _launcher(order),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                pass_fds=(program.descriptor, telling),
                start_new_session=True,
                cwd="/",
            )
            code = _ended(process, self.seconds)
            with contextlib.suppress(BlockingIOError):
                return code, os.read(reading, PIPE_LIMIT)
            return code, b""
        finally:
            os.close(reading)
            os.close(telling)


def _launcher(order: Order) -> list[str]:
    # Isolated: neither variables nor the current folder decide what is imported.
    where = str(Path(__file__).resolve().parents[2])
    start = (
        f"import sys; sys.path.append({where!r}); from updog.migrate.confine import main; main()"
    )
    return [sys.executable, "-I", "-c", start, json.dumps(order._asdict())]


def _ended(process: subprocess.Popen[bytes], seconds: float) -> int | None:
    try:
        return process.wait(seconds)
    except subprocess.TimeoutExpired:
        return None
    finally:
        # Also after a good end: nothing that a migration left behind goes on running.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
