"""From the configuration to the boot bits: which disk, which set of it runs, what starts it."""

from __future__ import annotations

from partitions.blockio import DeviceOpener
from partitions.bootcontrol import BootControl, GptBootControl
from partitions.device import open_device
from partitions.sysfs import Located, from_disk, locate
from updog.settings import Backend, Boot


def boot_control(boot: Boot, open_device: DeviceOpener) -> BootControl:
    """The boot bits of the configured disk, or of the disk that the system runs from (formats 9.3).

    Whoever gets them does not know where they are kept.

    Raises:
        PartitionError: there is no such disk, or the system does not tell which one it runs from.
    """
    return kept_by(boot, located_by(boot), open_device)


def located_by(boot: Boot) -> Located:
    """The disk, and what is known about the running set; see `boot_control`."""
    return locate() if boot.disk is None else from_disk(boot.disk, boot.active)


def kept_by(
    boot: Boot, located: Located, open_device: DeviceOpener = open_device
) -> GptBootControl:
    """The boot bits of a disk, where the configured bootloader keeps them."""
    if boot.backend is Backend.GPTPRIO:
        return GptBootControl(located, open_device)
    # Start-up: most machines never need it.
    from partitions.systemdboot.control import SystemdBootControl  # noqa: PLC0415
    from partitions.systemdboot.esp import Esp  # noqa: PLC0415

    return SystemdBootControl(located, Esp(boot.esp, boot.entries), open_device)
