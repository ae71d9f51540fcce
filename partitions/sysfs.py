"""Which disk the system runs from, which of its partitions, and the node of each partition.

    root file system --st_dev--> /sys/dev/block/MAJOR:MINOR
        a partition                    -> its parent directory is the disk
        a device-mapper device         -> its first slave is a partition of the disk

Nothing is asked of udev and no name is taken apart: the number of a partition is in its
``partition`` file, its node is /dev/NAME, whatever the driver calls it (sda3, nvme0n1p3, vda3,
mmcblk0p3, loop0p3). Every path is taken under ``root``, so that a test can build a machine in a
folder. The rules are formats 9.3.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from partitions.deviceerrors import reporting
from partitions.errors import DiscoveryError
from partitions.slot import Slot

WAY_OUT = (
    "name the disk and the running set: 'disk' and 'active' under [boot] in the configuration of"
    " updog, or --disk and --active of signpost"
)

_MULTIPATH = re.compile(r"(part\d+-)?mpath-")
_NOT_OURS = {
    "LVM-": "a logical volume",
    "CRYPT-LUKS": "an encrypted volume",
    "CRYPT-PLAIN": "an encrypted volume",
}


class Located(NamedTuple):
    """The disk that holds the partition sets, and what is known about the running one.

    Attributes:
        disk: node of the whole disk, or an image file.
        active: the running set, where it was given.
        active_partition: number of a partition of the running set, where the system told it.
        nodes: partition number to node; empty for an image file, whose partitions are windows.
    """

    disk: Path
    active: Slot | None = None
    active_partition: int | None = None
    nodes: Mapping[int, Path] = MappingProxyType({})


def device_of(path: Path) -> int:
    """Return the device number of the file system that ``path`` lies on."""
    with reporting(path, "find"):
        return path.stat().st_dev


def locate(root: Path = Path("/"), *, stat_root: Callable[[Path], int] = device_of) -> Located:
    """Find the disk that the system runs from.

    Args:
        root: where /sys and /dev are.
        stat_root: gives the device number of the root file system mounted at ``root``.

    Raises:
        DiscoveryError: the root file system does not lie, directly or through dm-verity, on a
            partition of one plain disk. The message names what it lies on.
    """
    number = stat_root(root)
    partition = _root_partition(root, os.major(number), os.minor(number))
    disk = partition.parent
    return Located(
        disk=_node(root, disk),
        active_partition=_partition_number(partition),
        nodes=_nodes(root, disk),
    )


def from_image(path: Path, active: Slot | None = None) -> Located:
    """Take a disk image file as the disk.

    Args:
        path: the image file.
        active: the set to take as the running one; None: the one the bootloader would boot next.
    """
    return Located(disk=path, active=active)


def from_disk(
    path: Path,
    active: Slot | None = None,
    root: Path = Path("/"),
    *,
    stat_root: Callable[[Path], int] = device_of,
) -> Located:
    """Take a disk that was named: an image file, or the node of a whole disk.

    Args:
        path: image file, or a node or a link to one (/dev/disk/by-id/...).
        active: the running set. An image file can do without (see ``from_image``); so can the
            disk that the system runs from, because the system tells.
        root: where /sys and /dev are.
        stat_root: see ``locate``.

    Raises:
        DeviceMissing: there is no such file or node.
        DiscoveryError: the node is not a whole disk, or it is another disk than the running one
            and ``active`` is not given.
    """
    with reporting(path, "find"):
        node = path.resolve(strict=True)
    disk = _whole_disk(root, node)
    if disk is None:
        # A device that sysfs does not know must not pass for an image file: the set that boots
        # next would count as the running one, and writes would go around the partitions' nodes.
        if stat.S_ISBLK(node.stat().st_mode):
            raise DiscoveryError(
                f"{node} is a block device that /sys/class/block does not know by this name; name"
                " the kernel's own node, or see that /sys is mounted"
            )
        return from_image(path, active)
    nodes = _nodes(root, disk)
    if active is not None:
        return Located(disk=path, active=active, nodes=nodes)
    return Located(
        disk=path, active_partition=_running_partition(root, node, stat_root), nodes=nodes
    )


def _running_partition(root: Path, node: Path, stat_root: Callable[[Path], int]) -> int | None:
    """Return the partition that the system runs from, which must be on the disk ``node``.

    For a device the set that boots next is never taken for the running one: after an update is
    activated they differ, and the running set would pass for the one to be cleared.
    """
    try:
        running = locate(root, stat_root=stat_root)
    except DiscoveryError as error:
        raise DiscoveryError(f"which set of {node} runs? {error}") from error
    if running.disk.resolve() != node:
        raise DiscoveryError(
            f"the system runs from {running.disk}, not from {node}; say with --active which set"
            f" of {node} counts as the running one"
        )
    return running.active_partition


def _root_partition(root: Path, major: int, minor: int) -> Path:
    """Return the sysfs directory of the partition under the root file system."""
    if major == 0:
        raise DiscoveryError(
            f"the root file system has no block device of its own (device {major}:{minor}: an"
            f" overlay, btrfs, tmpfs or network file system); {WAY_OUT}"
        )
    device = _sysfs_directory(root, major, minor)
    if (device / "dm").is_dir():
        return _partition_below(device)
    return _checked_partition(device, "the root file system")


def _sysfs_directory(root: Path, major: int, minor: int) -> Path:
    link = root / "sys" / "dev" / "block" / f"{major}:{minor}"
    try:
        return link.resolve(strict=True)
    except OSError as error:
        raise DiscoveryError(
            f"the kernel shows no block device {major}:{minor} for the root file system in"
            f" {link.parent}; is /sys mounted? Otherwise {WAY_OUT}"
        ) from error


def _partition_below(mapper: Path) -> Path:
    """Return the first partition under a device-mapper device; all must be of one disk."""
    _refuse_foreign_mapper(mapper)
    slaves = sorted((mapper / "slaves").glob("*"))
    if not slaves:
        raise DiscoveryError(f"{mapper.name} lies on no device that the kernel shows; {WAY_OUT}")
    below = [slave.resolve() for slave in slaves]
    for slave in below:
        if (slave / "dm").is_dir():
            _refuse_foreign_mapper(slave)
            raise DiscoveryError(
                f"{mapper.name} lies on {slave.name}, another device-mapper device; only dm-verity"
                f" directly on partitions is known here; {WAY_OUT}"
            )
    partitions = [_checked_partition(slave, mapper.name) for slave in below]
    disks = sorted({partition.parent.name for partition in partitions})
    if len(disks) > 1:
        raise DiscoveryError(
            f"{mapper.name} lies on several disks ({', '.join(disks)}); root and hash of a set"
            f" must be on one; {WAY_OUT}"
        )
    return partitions[0]


def _refuse_foreign_mapper(mapper: Path) -> None:
    """Refuse stacks in which writing to the partitions below would be wrong."""
    kind = _read(mapper / "dm" / "uuid")
    name = _read(mapper / "dm" / "name") or mapper.name
    if _MULTIPATH.match(kind):
        raise DiscoveryError(
            f"{mapper.name} ({name}) is a multipath device: writing to one of its paths would"
            f" bypass the others, so multipath disks are not supported; {WAY_OUT}"
        )
    for prefix, what in _NOT_OURS.items():
        if kind.startswith(prefix):
            raise DiscoveryError(
                f"the root file system is {what} ({name}), not dm-verity or a plain partition;"
                f" {WAY_OUT}"
            )


def _checked_partition(device: Path, what: str) -> Path:
    if (device / "partition").is_file():
        return device
    kind = "a RAID array" if (device / "md").is_dir() else "a whole disk without partitions"
    raise DiscoveryError(f"{what} lies on {device.name}, {kind}; {WAY_OUT}")


def _whole_disk(root: Path, node: Path) -> Path | None:
    """Return the sysfs directory of a whole disk's node; None for a file that is no node."""
    try:
        name = str(node.relative_to((root / "dev").resolve())).replace("/", "!")
    except ValueError:
        return None
    device = root / "sys" / "class" / "block" / name
    if not device.is_dir():
        return None
    device = device.resolve()
    if (device / "partition").is_file():
        raise DiscoveryError(
            f"{node} is one partition; name the whole disk, {_node(root, device.parent)}"
        )
    if (device / "dm").is_dir():
        _refuse_foreign_mapper(device)
    return device


def _nodes(root: Path, disk: Path) -> Mapping[int, Path]:
    children = (child for child in disk.iterdir() if (child / "partition").is_file())
    return MappingProxyType({_partition_number(child): _node(root, child) for child in children})


def _partition_number(partition: Path) -> int:
    text = _read(partition / "partition")
    try:
        return int(text)
    except ValueError as error:
        raise DiscoveryError(
            f"{partition / 'partition'} holds {text!r}, not a partition number"
        ) from error


def _node(root: Path, device: Path) -> Path:
    # The kernel writes "!" in sysfs where the name of the node has "/" (cciss!c0d0).
    return root / "dev" / device.name.replace("!", "/")


def _read(path: Path) -> str:
    """Return the one line of a sysfs file; empty if there is no such file."""
    try:
        return path.read_text(encoding="ascii", errors="replace").strip()
    except OSError:
        return ""
