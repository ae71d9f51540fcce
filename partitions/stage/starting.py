"""From a set's partitions to its running kernel: boot image, dm-verity check, kexec."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import NamedTuple, NoReturn, Protocol

from partitions.blockio import Access, Extent
from partitions.device import open_device
from partitions.guid import Guid
from partitions.slot import Slot
from partitions.stage import devicemapper, syscalls
from partitions.stage.disks import SetNodes
from partitions.stage.errors import StageError
from partitions.stage.opening import opened
from partitions.stage.words import OnCorruption, Words, image_command_line, next_command_line, parse
from partitions.superblock import BLOCK, Superblock

FILE_SYSTEMS = {
    "ext4": (0x438, b"\x53\xef"),
    "squashfs": (0, b"hsqs"),
    "erofs": (0x400, b"\xe2\xe1\xf5\xe0"),
    "vfat": (0x1FE, b"\x55\xaa"),
}
"""What a boot or root image may be, and the bytes by which it is known."""

_MOUNT_POINT = Path("/bootimage")
_PROBE = 1 << 20
_LONGEST_COMMAND_LINE = 8 << 10


class Start(NamedTuple):
    """Which set to start.

    Attributes:
        disk: GUID of its disk.
        slot: its name.
        nodes: its partitions.
    """

    disk: Guid
    slot: Slot
    nodes: SetNodes


class Mapper(Protocol):
    """Makes dm-verity devices, as `partitions.stage.devicemapper` does."""

    def create(self, name: str, target: devicemapper.Target, on_corruption: OnCorruption) -> Path:
        """Make one and return its node."""

    def remove(self, name: str) -> None:
        """Remove it."""


def start(wanted: Start) -> NoReturn:
    """Load the kernel of a set, see that dm-verity takes its root, and start the kernel.

    The check is not the protection: that is the dm-verity device that the started system opens for
    itself, as nothing of this kernel survives into the next one. It is made because here a root
    that cannot work costs a second, and there a reset and a try.

    Raises:
        StageError: a part of the set is not there or not right.
        OSError: the kernel refused a part.
        PartitionError: a partition cannot be read.
    """
    line = load(wanted)
    check_root(wanted.nodes, parse(line))
    os.sync()
    syscalls.start_kernel()


def load(wanted: Start) -> str:
    """Load the kernel from a boot image, and return the command line that it gets."""
    with mounted(wanted.nodes.boot, _MOUNT_POINT) as folder:
        image_line = image_command_line(_command_line(folder / "cmdline"))
        line = next_command_line(image_line, wanted.disk, wanted.slot)
        with _part(folder / "linux") as kernel, _part(folder / "initrd") as initramfs:
            try:
                syscalls.load_kernel(kernel, initramfs, line)
            except OSError as error:
                raise StageError(
                    f"the kernel in {wanted.nodes.boot} is refused: {error.strerror}"
                ) from error
    return line


def check_root(nodes: SetNodes, words: Words, mapper: Mapper = devicemapper) -> None:
    """Read the beginning of the root through dm-verity.

    Raises:
        StageError: the command line has no root hash, or root, hash tree and root hash do not
            belong together.
    """
    with _looked_at(nodes, words, mapper) as node:
        try:
            with node.open("rb", buffering=0) as device:
                content = device.read(_PROBE)
        except OSError as error:
            raise StageError(
                f"{nodes.root} is not what the root hash says: {error.strerror}"
            ) from error
    if not content:
        raise StageError(f"{nodes.root} is empty")


def check_mount(nodes: SetNodes, words: Words, folder: Path, mapper: Mapper = devicemapper) -> None:
    """Mount the root through dm-verity, and let go of it.

    Raises:
        StageError: as in `check_root`, or its file system cannot be mounted.
    """
    with _looked_at(nodes, words, mapper) as node, mounted(node, folder):
        pass


def open_root(nodes: SetNodes, words: Words, mapper: Mapper = devicemapper) -> Path:
    """Make the dm-verity device of a set's root for the system, and return its node.

    What happens on corruption from now on is what the command line says.

    Raises:
        StageError: no root hash, no hash tree, or the kernel refused.
    """
    return mapper.create("root", _target(nodes, words), words.on_corruption)


@contextlib.contextmanager
def _looked_at(nodes: SetNodes, words: Words, mapper: Mapper) -> Iterator[Path]:
    """Have the root for a look: whatever is wrong with it is an error to who reads it."""
    name = "check"
    node = mapper.create(name, _target(nodes, words), OnCorruption.EIO)
    try:
        yield node
    finally:
        mapper.remove(name)


def _target(nodes: SetNodes, words: Words) -> devicemapper.Target:
    if words.root_hash is None:
        raise StageError("the command line of the set has no updog.root_hash=")
    with open_device(Extent(nodes.hash), Access.READ) as hashes:
        superblock = Superblock.from_block(hashes.pread(0, BLOCK))
    return devicemapper.Target(nodes.root, nodes.hash, words.root_hash, superblock)


def mount_any(node: Path, folder: Path) -> None:
    """Mount what is on a device, read-only, whichever of `FILE_SYSTEMS` it is.

    Raises:
        StageError: none of them, the kernel refuses it, or the device cannot be read.
    """
    try:
        with node.open("rb") as device:
            kind = file_system(device.read(BLOCK))
    except OSError as error:
        raise StageError(f"{node} cannot be read: {error.strerror}") from error
    if kind is None:
        raise StageError(f"{node} holds none of {', '.join(FILE_SYSTEMS)}")
    folder.mkdir(exist_ok=True)
    try:
        syscalls.mount(str(node), str(folder), kind, syscalls.MS_RDONLY)
    except OSError as error:
        raise StageError(f"the {kind} on {node} cannot be mounted: {error.strerror}") from error


def file_system(start: bytes) -> str | None:
    """Tell a file system by its first 4096 bytes; None if it is not one of `FILE_SYSTEMS`."""
    for kind, (offset, magic) in FILE_SYSTEMS.items():
        if start.startswith(magic, offset):
            return kind
    return None


@contextlib.contextmanager
def mounted(node: Path, folder: Path) -> Iterator[Path]:
    """Have a device mounted read-only; see `mount_any`."""
    mount_any(node, folder)
    try:
        yield folder
    finally:
        syscalls.unmount(str(folder))


def _command_line(path: Path) -> bytes:
    with _part(path) as descriptor:
        return os.read(descriptor, _LONGEST_COMMAND_LINE)


def _part(path: Path) -> AbstractContextManager[int]:
    return opened(path, f"the boot image has no file {path.name!r} that can be read")
