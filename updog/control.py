"""From the configuration to the boot bits: which disk it is, and which set of it runs."""

from __future__ import annotations

from partitions.blockio import DeviceOpener
from partitions.bootcontrol import BootControl, GptBootControl
from partitions.sysfs import from_disk, locate
from updog.settings import Boot


def boot_control(boot: Boot, open_device: DeviceOpener) -> BootControl:
    """The boot bits of the configured disk, or of the disk that the system runs from (formats 9.3).

    Raises:
        PartitionError: there is no such disk, or the system does not tell which one it runs from.
    """
    located = locate() if boot.disk is None else from_disk(boot.disk, boot.active)
    return GptBootControl(located, open_device)
