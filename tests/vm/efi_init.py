"""First program of a unified kernel image: which set it belongs to, its root hash says.

It adds to the boot stage's second life what an entry of systemd-boot cannot tell: the partition
set. The EFI system partition is mounted below /dev, the one folder that lasts and can be written.
"""

import os
from pathlib import Path

from partitions.bootstage import prepare, say
from partitions.errors import PartitionError
from partitions.guid import PartitionType
from partitions.layout import Slot, numbers_of, with_active
from partitions.stage import syscalls
from partitions.stage.disks import Found, find_disk, set_nodes
from partitions.stage.errors import StageError
from partitions.stage.modules import load_modules
from partitions.stage.starting import check_root
from partitions.stage.system import hand_over
from partitions.stage.words import Words
from partitions.sysfs import from_disk

ESP = Path("/dev/efi")


def main() -> None:
    """Find the set, mount the EFI system partition, and become the system."""
    words = prepare()
    load_modules("fat")
    found = find_disk(words.disk)
    slot = own_slot(found, words)
    (number,) = numbers_of(found.result.table, PartitionType.EFI_SYSTEM)
    ESP.mkdir()
    syscalls.mount(str(from_disk(found.path, slot).nodes[number]), str(ESP), "vfat", 0)
    hand_over(words._replace(slot=slot))


def own_slot(found: Found, words: Words) -> Slot:
    """The set whose root is the one that the command line names."""
    for each in with_active(found.result.table, Slot.A).sets:
        try:
            check_root(set_nodes(found.path, each), words)
        except (PartitionError, OSError) as error:
            say(f"not set {each.slot}: {error}")
        else:
            return each.slot
    raise StageError("no set has the root that this kernel was built for")


if os.getpid() == 1:
    try:
        main()
    except Exception as error:  # noqa: BLE001 - told before the machine is reset
        say(f"failed: {error}")
    syscalls.reset()
