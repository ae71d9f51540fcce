"""The disk: both copies of the partition table, the boot bits, and whether this boot is proven."""

from __future__ import annotations

from collections.abc import Iterator

from partitions.blockio import DeviceOpener
from partitions.bootcontrol import BootStatus, SetStatus
from partitions.errors import PartitionError
from updog.control import boot_control
from updog.doctor.check import Check, fail, failed_by, ok, warn
from updog.errors import DataError
from updog.settings import Boot


def disk(boot: Boot, open_device: DeviceOpener) -> Iterator[Check]:
    """Read the partition table, as an update would before it changes anything."""
    try:
        status = boot_control(boot, open_device).status()
    except PartitionError as error:
        yield failed_by("disk", error)
        return
    yield _table(status)
    yield _next(status)
    yield _confirmed(status)


def _table(status: BootStatus) -> Check:
    if status.healthy:
        return ok("disk", f"{status.disk}: both copies of the partition table are whole and agree")
    notes = "; ".join(status.notes) or "the two copies of the partition table differ"
    return warn("disk", f"{status.disk}: {notes}", "Run 'signpost repair'.")


def _next(status: BootStatus) -> Check:
    sets = ", ".join(_flags(one) for one in status.sets)
    if status.next is None:
        todo = "Run 'updog mark-successful' before the next restart."
        return fail("boot", f"no set would boot ({sets})", todo, DataError)
    return ok("boot", f"set {status.active} runs, {status.next} boots next ({sets})")


def _flags(one: SetStatus) -> str:
    bits = one.flags
    return f"{one.slot}: P={bits.priority} T={bits.tries_left} S={int(bits.successful)}"


def _confirmed(status: BootStatus) -> Check:
    if status.confirmed:
        return ok("confirmed", f"the running boot of set {status.active} is marked successful")
    todo = "Run 'updog mark-successful' once the system works; until then nothing is installed."
    return warn("confirmed", f"the running boot of set {status.active} is not confirmed", todo)
