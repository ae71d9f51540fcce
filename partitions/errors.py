"""What can go wrong with a disk, split by who has to act.

    PartitionError
     ├── GptError               the partition table cannot be trusted
     ├── LayoutError            sound table, but this is not a disk of ours
     ├── DiscoveryError         the system does not say which disk or set it runs from
     ├── TransitionRefused      the change of boot bits is not allowed in this state
     │    ├── NoInactiveSet     the disk has one set only
     │    ├── AlreadyMarked     the other set is already marked for the next boot
     │    ├── NotBootable       the other set was never made valid
     │    └── BootUnconfirmed   the running boot is not proven, nothing safe would remain
     ├── ToolMissing            an optional library is not installed
     └── DeviceError            the device or image file failed us
          ├── DeviceMissing     no such node; we never create one
          ├── DeviceBusy        mounted, or another run has it
          ├── DeviceDenied      no permission
          ├── DeviceReadOnly    writing refused by the device
          └── DeviceTooSmall    an access outside the device or partition

``exit_code`` follows sysexits.h, as written in docs/cli.md. Every message says what happened, to
which thing, and what to do next.
"""

from __future__ import annotations

from typing import ClassVar, NamedTuple

EX_DATAERR = 65
EX_IOERR = 74
EX_TEMPFAIL = 75
EX_NOPERM = 77
EX_CONFIG = 78


class PartitionError(Exception):
    """Anything the disk side reports; never raised itself."""

    exit_code: ClassVar[int] = EX_IOERR


class GptError(PartitionError):
    """The partition table cannot be trusted."""

    exit_code = EX_DATAERR


class LayoutError(PartitionError):
    """The partition table is sound but does not hold our partition sets."""

    exit_code = EX_CONFIG


class DiscoveryError(PartitionError):
    """The running system does not tell which disk or partition set it runs from."""

    exit_code = EX_CONFIG


class Verbs(NamedTuple):
    """What the commands that change boot bits are called by whoever shows a refusal.

    Attributes:
        confirm: marks the running boot successful.
        apply: lets the other set boot next.
        cancel: takes that back.
        rollback: goes back to the other set, which has booted before.
    """

    confirm: str
    apply: str
    cancel: str
    rollback: str


SIGNPOST = Verbs(
    confirm="signpost mark-successful-boot",
    apply="signpost upgrade-to-inactive",
    cancel="signpost cancel-upgrade",
    rollback="signpost rollback-to-inactive",
)


class TransitionRefused(PartitionError):
    """The boot bits are in a state from which this change is not allowed.

    Args:
        message: why; ``{confirm}`` and the other names of `Verbs` stand for commands.
    """

    exit_code = EX_TEMPFAIL

    def told(self, verbs: Verbs) -> str:
        """The message, with the commands as somebody knows them."""
        text = super().__str__()
        # Not str.format: a path in the message may hold braces too.
        for name, verb in verbs._asdict().items():
            text = text.replace(f"{{{name}}}", verb)
        return text

    def __str__(self) -> str:
        return self.told(SIGNPOST)


class NoInactiveSet(TransitionRefused):
    """The disk has a single partition set; there is nothing to update into."""

    exit_code = EX_CONFIG


class AlreadyMarked(TransitionRefused):
    """The inactive set is already chosen for the next boot."""


class NotBootable(TransitionRefused):
    """The inactive set was never made valid, so the bootloader would not take it."""


class BootUnconfirmed(TransitionRefused):
    """The running boot is not marked successful; the change would leave nothing proven to boot."""


class ToolMissing(PartitionError):
    """An optional library that this needs is not installed."""

    exit_code = EX_CONFIG


class DeviceError(PartitionError):
    """A device or image file failed."""


class DeviceMissing(DeviceError):
    """There is no such device node or file; it is never created."""


class DeviceBusy(DeviceError):
    """The device is mounted or held by another process."""

    exit_code = EX_TEMPFAIL


class DeviceDenied(DeviceError):
    """The process may not open the device."""

    exit_code = EX_NOPERM


class DeviceReadOnly(DeviceError):
    """The device refuses writes."""


class DeviceTooSmall(DeviceError):
    """An access does not lie inside the device or partition."""
