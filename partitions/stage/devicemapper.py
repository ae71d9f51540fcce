"""dm-verity devices, made by device-mapper's own ioctl (linux/dm-ioctl.h)."""

from __future__ import annotations

import fcntl
import os
import struct
from contextlib import AbstractContextManager
from enum import IntEnum
from pathlib import Path
from typing import NamedTuple

from partitions.stage.errors import StageError
from partitions.stage.opening import opened
from partitions.stage.words import OnCorruption
from partitions.superblock import BLOCK, Superblock

CONTROL = Path("/dev/mapper/control")
SECTOR = 512

_HEADER = struct.Struct("=IIIIIIiIIIQ128s129s7x")
_TARGET = struct.Struct("=QQiI16s")
_VERSION = (4, 0, 0)
_READ_ONLY = 1
_ROUND = 8
_ROOM = 16 << 10
_DEVICE_AT = 40  # of the header, where the kernel puts the number of the device
_IOWR = 3
_TYPE = 0xFD


class _Command(IntEnum):
    CREATE = 3
    REMOVE = 4
    SUSPEND = 6
    LOAD = 9


class Target(NamedTuple):
    """What a mapped device is made of: one dm-verity target over all of it.

    Attributes:
        data: node of the data.
        hashes: node of the hash tree, superblock included.
        root_hash: hexadecimal.
        superblock: what the hash tree says about itself.
    """

    data: Path
    hashes: Path
    root_hash: str
    superblock: Superblock

    @property
    def sectors(self) -> int:
        """Length of the device in sectors of 512 bytes."""
        return self.superblock.data_blocks * BLOCK // SECTOR

    def parameters(self, on_corruption: OnCorruption) -> str:
        """Return the line of a dm-verity table."""
        salt = self.superblock.salt.hex() or "-"
        blocks = self.superblock.data_blocks
        line = (
            f"1 {self.data} {self.hashes} {BLOCK} {BLOCK} {blocks} 1 sha256 {self.root_hash} {salt}"
        )
        option = on_corruption.option
        return line if option is None else f"{line} 1 {option}"


def packed_target(target: Target, on_corruption: OnCorruption) -> bytes:
    """Return the target as the ioctl takes it."""
    parameters = target.parameters(on_corruption).encode() + b"\0"
    parameters = parameters.ljust(-(-len(parameters) // _ROUND) * _ROUND, b"\0")
    size = _TARGET.size + len(parameters)
    return _TARGET.pack(0, target.sectors, 0, size, b"verity") + parameters


def create(name: str, target: Target, on_corruption: OnCorruption) -> Path:
    """Make a device and return its node.

    Raises:
        StageError: the kernel refused: dm-verity is not there, the nodes are in use, or the tree
            does not fit the data.
    """
    with _control() as descriptor:
        try:
            answer = _ask(descriptor, _Command.CREATE, name, flags=_READ_ONLY)
            _fill(descriptor, name, packed_target(target, on_corruption))
        except OSError as error:
            raise StageError(f"dm-verity does not take {target.data}: {error.strerror}") from error
    (device,) = struct.unpack_from("=Q", answer, _DEVICE_AT)
    return Path(f"/dev/dm-{os.minor(device)}")


def remove(name: str) -> None:
    """Remove a device.

    Raises:
        OSError: it is in use, or not there.
    """
    with _control() as descriptor:
        _ask(descriptor, _Command.REMOVE, name)


def _fill(descriptor: int, name: str, table: bytes) -> None:
    """Give a new device its table and let it run, or remove it again."""
    try:
        _ask(descriptor, _Command.LOAD, name, table, flags=_READ_ONLY, targets=1)
        # Resumed, which is what "suspend" without its flag means: now it can be read.
        _ask(descriptor, _Command.SUSPEND, name)
    except BaseException:
        _ask(descriptor, _Command.REMOVE, name)
        raise


def _control() -> AbstractContextManager[int]:
    return opened(
        CONTROL, f"{CONTROL} cannot be opened; is the module dm-mod in the initramfs?", os.O_RDWR
    )


def _ask(
    descriptor: int,
    command: _Command,
    name: str,
    payload: bytes = b"",
    *,
    flags: int = 0,
    targets: int = 0,
) -> bytes:
    header = _HEADER.pack(
        *_VERSION, _ROOM, _HEADER.size, targets, 0, flags, 0, 0, 0, name.encode(), b""
    )
    buffer = bytearray((header + payload).ljust(_ROOM, b"\0"))
    request = _IOWR << 30 | _HEADER.size << 16 | _TYPE << 8 | command
    fcntl.ioctl(descriptor, request, buffer)
    return bytes(buffer)
