"""The way of an update from "chosen for the next boot" to "confirmed", or back.

`expect` stands before the restart, `arrive` and `judge_boot` after it. Nothing here needs the
network or looks at metadata: an update that was proven when it was written is judged by this
machine alone, however long ago that was.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from partitions.bootcontrol import BootControl, BootStatus
from partitions.errors import PartitionError
from updog import events, staged
from updog.errors import PermissionDenied, StorageError, UpdogError
from updog.health import record
from updog.health.folder import Program, programs
from updog.health.record import Bad, Pending, Record
from updog.health.run import run_all
from updog.health.verdict import (
    Arrival,
    Boots,
    Fate,
    Judged,
    Ran,
    Standing,
    arrival,
    fate,
    judge,
)
from updog.osrelease import read_fields
from updog.settings import Health, Settings
from updog.timeofrun import time_of_run
from waves.duration import format_moment

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")

log = logging.getLogger(__name__)


class Machine(NamedTuple):
    """What the gate works on.

    Attributes:
        settings: the configuration.
        control: the boot bits.
        boot_id: of the running boot.
        now: the time, for the record only.
    """

    settings: Settings
    control: BootControl
    boot_id: str
    now: str

    @property
    def path(self) -> Path:
        """Where the record is."""
        return self.settings.paths.health


class Verdict(NamedTuple):
    """What became of the running boot.

    Attributes:
        fate: what is done about it.
        why: one sentence.
        judged: the checks that failed.
        ran: how many checks were run.
    """

    fate: Fate
    why: str
    judged: Judged = Judged()
    ran: int = 0


def machine(settings: Settings, control: BootControl) -> Machine:
    """The machine that this runs on."""
    from updog.clock import SystemClock  # noqa: PLC0415 - start-up: few have something to note

    run = time_of_run(SystemClock().now(), settings.paths)
    return Machine(settings, control, this_boot(), format_moment(run.now))


def this_boot() -> str:
    """What tells this boot from others; empty where the kernel does not say."""
    try:
        return BOOT_ID.read_text().strip()
    except OSError:
        return ""


def expect(machine: Machine, version: str = "") -> None:
    """Remember which update the next boot is to bring, and what the checks say before it.

    Args:
        machine: the machine.
        version: of the update; empty for what the label of the set says.

    Raises:
        StorageError, PermissionDenied: it cannot be remembered.
        PartitionError: the disk cannot be read.
    """
    slot = machine.control.inactive_set().slot
    checks = {each.name: each.passed for each in run_checks(machine.settings.health)}
    named = version or _labelled(machine, slot.value)
    pending = Pending(named, slot.value, machine.boot_id, checks)
    # A set that was written anew is another one than the gate may have left before.
    record.change(
        machine.path,
        lambda old: old._replace(
            pending=pending,
            given_up=tuple(each for each in old.given_up if each != slot.value),
        ),
    )


def arrive(machine: Machine) -> Arrival:
    """See how an expected update came up, and note one that did not.

    Raises:
        StorageError, PermissionDenied: it cannot be noted.
        PartitionError: the disk cannot be read.
    """
    pending = record.load(machine.path).pending
    if pending is None:
        return Arrival.NOT_YET
    how = arrival(_boots(pending, machine))
    if how is Arrival.DID_NOT_BOOT:
        why = f"set {pending.slot} did not stay up, and the machine fell back"
        bad = Bad(pending.version, machine.now, why)
        record.change(machine.path, lambda old: old.noting(bad)._replace(pending=None))
        version = pending.version or "unknown"
        told = events.about(events.BAD_VERSION, version=version, why=why)
        log.warning("Version %s is noted as bad: %s.", version, why, extra=told)
    elif how is Arrival.TAKEN_BACK:
        record.change(machine.path, lambda old: old._replace(pending=None))
    return how


def judge_boot(machine: Machine, *, skip: bool = False) -> Verdict:
    """Run the checks and decide on the running boot; do all of it but the restart.

    Args:
        machine: the machine.
        skip: confirm without asking any check.

    Raises:
        StorageError, PermissionDenied: a bad version cannot be noted; then nothing is rolled back.
        PartitionError: the disk failed or refused.
    """
    arrive(machine)
    status, health = machine.control.status(), machine.settings.health
    if skip or status.confirmed:
        return _confirm(machine, "it was confirmed before" if status.confirmed else "as told")
    told = {"UPDOG_SLOT": status.active.value, "UPDOG_VERSION": _running(machine)}
    hooks(health.before_dir, "before", health, told)
    ran = run_checks(health, told)
    known = record.load(machine.path)
    judged = judge(ran, _before(known, status))
    what, why = fate(judged, _standing(known, status, health))
    verdict = Verdict(what, why, judged, len(ran))
    if what is Fate.CONFIRM:
        verdict = _confirm(machine, why)._replace(judged=judged, ran=len(ran))
    else:
        verdict = _refuse(machine, verdict, status)
    hooks(health.after_dir, "after", health, {**told, "UPDOG_VERDICT": verdict.fate.value})
    return verdict


def run_checks(health: Health, told: dict[str, str] | None = None) -> tuple[Ran, ...]:
    """Run all checks, required and wanted together."""
    required = programs(health.required_dir, "required")
    wanted = programs(health.wanted_dir, "wanted")
    ended = run_all((*required, *wanted), health, told or {})
    return tuple(
        Ran(each.program.name, each.program in required, each.passed, each.why) for each in ended
    )


def hooks(folder: Path, role: str, health: Health, told: dict[str, str]) -> None:
    """Run hooks one after the other; one that fails is said and decides nothing."""
    which: Sequence[Program] = programs(folder, role)
    for ended in run_all(which, health._replace(parallel=1), told):
        if not ended.passed:
            log.warning("hook %s %s", ended.program.name, ended.why)


def may_fail(step: Callable[[], object]) -> None:
    """Take a step of bookkeeping whose failure is no reason to stop an update or a boot."""
    try:
        step()
    except (UpdogError, PartitionError) as error:
        log.warning("%s", error)


def _confirm(machine: Machine, why: str) -> Verdict:
    status = machine.control.status()
    machine.control.mark_successful()
    version, confirmed = _running(machine), status.confirmed

    def settled(old: Record) -> Record:
        pending = old.pending
        here = pending is not None and pending.slot == status.active.value
        if confirmed:
            # Confirmed long ago: that says nothing about the updates since.
            return old._replace(pending=None) if here else old
        return old.clearing(version)._replace(
            pending=None if here else pending, rollbacks=0, given_up=()
        )

    if machine.path.exists():
        may_fail(lambda: record.change(machine.path, settled))
    return Verdict(Fate.CONFIRM, why)


def _refuse(machine: Machine, verdict: Verdict, status: BootStatus) -> Verdict:
    """Note the version, and choose the old set again if that is its fate."""
    version, slot = _running(machine), status.active.value
    if not version:
        return verdict._replace(fate=Fate.LEAVE, why=f"{verdict.why}; its version is not known")
    bad, rolling = Bad(version, machine.now, verdict.why), verdict.fate is Fate.ROLL_BACK

    def noted(old: Record) -> Record:
        new = old.noting(bad)
        if rolling:
            new = new._replace(rollbacks=new.rollbacks + 1, given_up=(*new.given_up, slot))
        return new

    events.tell(events.BAD_VERSION, version=version, why=verdict.why)
    # Before the boot bits change: a machine that went back and forgot why would come here again.
    try:
        record.change(machine.path, noted)
    except (StorageError, PermissionDenied) as error:
        log.error("%s", error)  # noqa: TRY400 - said without a traceback
        return verdict._replace(fate=Fate.LEAVE, why=f"{verdict.why}; it cannot be remembered")
    if rolling:
        machine.control.rollback()
    return verdict


def _before(known: Record, status: BootStatus) -> dict[str, bool] | None:
    pending = known.pending
    if pending is None or pending.slot != status.active.value:
        return None
    return dict(pending.checks)


def _standing(known: Record, status: BootStatus, health: Health) -> Standing:
    others = [each for each in status.sets if each.slot != status.active]
    fallback = any(
        (each.flags.successful or each.flags.will_boot) and each.slot.value not in known.given_up
        for each in others
    )
    return Standing(health.on_failure, fallback, known.rollbacks, health.max_rollbacks)


def _boots(pending: Pending, machine: Machine) -> Boots:
    status = machine.control.status()
    there = [each for each in status.sets if each.slot.value == pending.slot]
    untried = any(not each.flags.priority and each.flags.tries_left for each in there)
    return Boots(
        restarted=machine.boot_id != pending.boot_id,
        runs=status.active.value == pending.slot,
        next=status.next is not None and status.next.value == pending.slot,
        untried=untried,
    )


def _labelled(machine: Machine, slot: str) -> str:
    label = staged.recall(machine.settings.paths.staged)
    return label.version if label is not None and label.slot == slot else ""


def _running(machine: Machine) -> str:
    try:
        return read_fields(machine.settings.paths.os_release).get("VERSION_ID") or ""
    except UpdogError as error:
        log.warning("%s", error)
        return ""
