"""The heart of the service: takes commands one at a time, and knows how things are.

All methods run in one event loop. What reads or writes files runs in threads beside it, so that a
slow disk does not keep the service from answering.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from updog import events
from updog.agent import inhibitors
from updog.clock import Clock
from updog.durable import write_durably
from updog.errors import BusyError, InternalError, PermissionDenied, StorageError
from updog.lock import RunLock, is_held
from updog.reboot import reboot
from updog.service import machine
from updog.service.audience import Audience
from updog.service.job import Ended, Errand, Job
from updog.service.machine import Command, Refusal
from updog.service.record import ImageId, Outcome, Record, dump
from updog.service.refused import Refused, busy, refused
from updog.service.view import Status
from updog.settings import Settings

log = logging.getLogger(__name__)

CANCELLABLE = frozenset({Command.REFRESH, Command.PREPARE})
"""The others are one write of the boot bits, and over before anybody could stop them."""


@dataclass(frozen=True, slots=True)
class Machinery:
    """What the service works with.

    Attributes:
        settings: the configuration at its start.
        config: its file, which each command reads anew.
        clock: tells when commands end.
        look: puts together the status, given what is remembered; may take its time.
        log_level: of the workers.
    """

    settings: Settings
    config: Path
    clock: Clock
    look: Callable[[Record], Status]
    log_level: str = "info"


@dataclass(slots=True)
class Running:
    """A command under way."""

    command: Command
    number: int
    job: Job
    task: asyncio.Task[None]
    ending: asyncio.Task[None] | None = None


class Keeper:
    """The service without its HTTP.

    Args:
        machinery: what it works with.
        record: what is remembered from before.
    """

    def __init__(self, machinery: Machinery, record: Record) -> None:
        self.audience = Audience()
        self.ended: dict[tuple[Command, str], int] = {}
        self._machinery = machinery
        self._record = record
        self._running: Running | None = None
        self._closing = False
        self._admission = asyncio.Lock()
        self._question: asyncio.Task[Ended] | None = None
        self._asked: Job | None = None

    @property
    def record(self) -> Record:
        """What is remembered now."""
        return self._record

    @property
    def running(self) -> Command | None:
        """The command under way."""
        return None if self._running is None else self._running.command

    async def begin(self) -> None:
        """Take over from a service that ended with a command under way."""
        if self._record.running is not None:
            self._record = self._record.interrupted(self._machinery.clock.now())
            await self._save(self._record)

    async def status(self) -> Status:
        """How things are.

        Raises:
            Refused: a command is under way, here or at a command line.
            UpdogError, PartitionError: the machine does not tell.
        """
        lock = self._machinery.settings.paths.lock
        if self.running is not None or await asyncio.to_thread(is_held, lock):
            raise busy()
        return await asyncio.to_thread(self._machinery.look, self._record)

    async def start(self, command: Command) -> int:
        """Begin a command.

        Returns:
            Its number, by which `outcome` finds it.

        Raises:
            Refused: another one is under way, or this one is not allowed now.
            UpdogError, PartitionError: the machine does not tell what is allowed.
        """
        # They wait here for each other's beginning only, which is short, and not for the work.
        async with self._admission:
            if self.running or self._closing:
                raise busy()
            await self._end_question()
            lock = RunLock(self._machinery.settings.paths.lock)
            try:
                lock.__enter__()
            except BusyError as error:
                raise Refused(Refusal.BUSY, str(error)) from error
            try:
                return await self._start(command, lock)
            except BaseException:
                lock.__exit__(None, None, None)
                raise

    async def cancel(self) -> None:
        """End the command under way.

        Raises:
            Refused: there is none that could be.
        """
        running = self._running
        if running is None:
            raise Refused(Refusal.NOT_NOW, "No command of this service is under way.")
        if running.command not in CANCELLABLE:
            raise Refused(Refusal.NOT_NOW, f"{running.command} is as good as done.")
        # Not waited for: like every action, its outcome is in the status.
        if running.ending is None:
            running.ending = asyncio.create_task(running.job.end())

    async def outcome(self, number: int) -> Outcome | None:
        """How a command ended; None where it has not, or where that is long ago."""
        return self._record.outcome(number)

    async def why(self) -> Mapping[str, object]:
        """What would be chosen and why, asked anew; those who ask at once get one answer.

        Raises:
            Refused: a command is under way, or began meanwhile.
            UpdogError: nothing can be told.
        """
        if self.running or self._closing:
            raise busy()
        if self._question is None:
            self._question = asyncio.create_task(self._ask())
        ended = await asyncio.shield(self._question)
        if ended.cancelled and not ended.result:
            raise busy()
        answer = ended.result.get("why")
        if not isinstance(answer, dict):
            raise InternalError(ended.stderr.strip() or "The question has no answer.")
        return answer

    async def reboot(self) -> None:
        """Have the machine restarted, by the configured command.

        Raises:
            BusyError: somebody inhibits that.
            ConfigError: the command cannot be run, or refuses.
        """
        # Asked here, because systemctl does not ask where root calls it without a terminal.
        if who := await asyncio.to_thread(inhibitors.blocking):
            raise BusyError(
                f"A restart is inhibited by {', '.join(who)}.",
                hint="Try again when that is done; 'systemd-inhibit --list' shows it.",
            )
        await asyncio.to_thread(reboot, self._machinery.settings.boot.reboot_command)

    async def close(self) -> None:
        """Take no further command, and end what is under way, in order."""
        self._closing = True
        await self._end_question()
        if running := self._running:
            await running.job.end()
            await running.task

    async def _start(self, command: Command, lock: RunLock) -> int:
        status = await asyncio.to_thread(self._machinery.look, self._record)
        record = status.record
        refusal = machine.refusal(
            status.state, command, chosen=bool(record.chosen), staged=bool(status.staged)
        )
        if refusal is not None:
            raise refused(refusal, command, status.state)
        number = record.next_number
        self._record = record.begun(command, self._machinery.clock.now())
        try:
            await asyncio.to_thread(self._write, self._record)
            job = await Job.start(self._errand(command, lock))
        except BaseException:
            self._record = record
            await self._save(self._record)
            raise
        self.audience.begin(command, number)
        task = asyncio.create_task(self._finish(job, status.running, lock))
        self._running = Running(command, number, job, task)
        return number

    def _errand(self, command: Command, lock: RunLock) -> Errand:
        words: tuple[str, ...] = (command.value,)
        if command is Command.PREPARE and self._record.chosen is not None:
            words = (*words, f"--version={self._record.chosen.version}")
        return Errand(words, self._machinery.config, self._machinery.log_level, lock.descriptor)

    async def _finish(self, job: Job, host: ImageId, lock: RunLock) -> None:
        """Wait for the worker's end and write it down; only then may the next command begin."""
        record = self._record
        try:
            ended = await job.wait(self.audience.move)
            record = _after(record, ended, host, self._machinery.clock)
            await self._save(record)
        finally:
            # All at once: whoever hears of the end may give the next command.
            lock.__exit__(None, None, None)
            self._record, self._running = record, None
            self._count(record)
            self.audience.end()

    def _count(self, record: Record) -> None:
        last = record.last
        if last is not None:
            key = (last.command, last.status.value)
            self.ended[key] = self.ended.get(key, 0) + 1
            told = events.about(
                events.ENDED,
                order=last.command,
                status=last.status,
                exit_code=last.exit_status,
            )
            log.info(
                "%s: %s (exit status %d)", last.command, last.status, last.exit_status, extra=told
            )

    async def _ask(self) -> Ended:
        try:
            self._asked = await Job.start(
                Errand(("why",), self._machinery.config, self._machinery.log_level)
            )
            return await self._asked.wait(lambda _moving: None)
        finally:
            self._question = self._asked = None

    async def _end_question(self) -> None:
        """A command is never kept waiting by somebody who only asks."""
        question = self._question
        if question is None:
            return
        if self._asked is not None:
            await self._asked.end()
        await asyncio.wait({question})

    async def _save(self, record: Record) -> None:
        try:
            await asyncio.to_thread(self._write, record)
        except (StorageError, PermissionDenied) as error:
            # What is done is done, and the disk tells it; only its history would be lost.
            log.warning("%s", error)

    def _write(self, record: Record) -> None:
        write_durably(self._machinery.settings.paths.service_record, dump(record))


def _after(record: Record, ended: Ended, host: ImageId, clock: Clock) -> Record:
    record = record.ended(ended.exit_status, ended.stderr, clock.now())
    available = ended.result.get("available")
    if ended.exit_status == 0 and isinstance(available, list):
        chosen = _image(ended.result.get("chosen"))
        record = record.offered(host, tuple(map(str, available)), chosen)
    return record


def _image(said: object) -> ImageId | None:
    if not isinstance(said, dict):
        return None
    return ImageId(*(str(said[name]) for name in ImageId._fields))
