"""The status of the machine: what its disk says, and what the service remembers. PURE."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from partitions.bootstatus import BootStatus
from updog.service.machine import State
from updog.service.record import ImageId, Outcome, Record


class Label(NamedTuple):
    """What was written last, and to which set."""

    slot: str
    image: ImageId


class Status(NamedTuple):
    """Everything that a status tells.

    Attributes:
        state: where the machine is.
        running: the system that runs.
        running_next: whether it boots next, too.
        staged: the update on the inactive set, if it may boot.
        record: what is remembered.
        confirmed: whether the running boot is marked successful.
        healthy: whether the partition table needs no repair.
    """

    state: State
    running: ImageId
    running_next: bool
    staged: ImageId | None
    record: Record
    confirmed: bool
    healthy: bool


def look(boot: BootStatus, label: Label | None, host: ImageId, record: Record) -> Status:
    """Put together what is known.

    Args:
        boot: the boot bits, as they are now.
        label: what was written last.
        host: the system that runs.
        record: what the service remembers.
    """
    record = record.for_host(host)
    staged, state = None, State.IDLE
    if label is not None and _waits(boot, label.slot):
        staged = label.image
        state = State.READY if boot.next == label.slot else State.STAGED
    elif record.refreshed and record.chosen is not None:
        state = State.AVAILABLE
    return Status(
        state, host, boot.next == boot.active, staged, record, boot.confirmed, boot.healthy
    )


def tree(status: Status) -> dict[str, object]:
    """The status as JSON (formats 10.4)."""
    record, staged = status.record, status.staged
    ready = status.state is State.READY
    return {
        "update_state": status.state.value,
        "available_updates": list(record.available),
        "chosen_update": None if record.chosen is None else record.chosen._asdict(),
        "active_partition": _partition(status.running, next_to_boot=status.running_next),
        "staging_partition": None if staged is None else _partition(staged, next_to_boot=ready),
        "most_recent_command": None if record.last is None else outcome_tree(record.last),
    }


def outcome_tree(outcome: Outcome) -> dict[str, object]:
    """How a command ended, as JSON."""
    return {
        "cmd_type": outcome.command.value,
        "cmd_status": outcome.status.value,
        "timestamp": outcome.at,
        "exit_status": outcome.exit_status,
        "stderr": outcome.stderr,
    }


def _partition(image: ImageId, *, next_to_boot: bool) -> Mapping[str, object]:
    return {"image": image._asdict(), "next_to_boot": next_to_boot}


def _waits(boot: BootStatus, slot: str) -> bool:
    """Whether a set waits for its first boot.

    A set with a success mark has booted before: it is what the machine came from, and what it falls
    back to. One without tries has failed to boot, or was cleared.
    """
    if slot == boot.active:
        return False
    flags = next((each.flags for each in boot.sets if each.slot == slot), None)
    return flags is not None and flags.tries_left > 0 and not flags.successful
