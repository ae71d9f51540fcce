"""A disk of 128 KiB with two sets, on which a whole crash trial takes a second or two."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from partitions.bootflags import BootFlags
from partitions.guid import PartitionType
from partitions.layout import Slot
from tests.fakes.gpt_disk import TYPES, disk_with, make_table
from updog.crashtest.images import Sizes
from updog.crashtest.machine import Agent
from updog.crashtest.overlay import Overlay
from updog.crashtest.scenarios import Stand

PATH = Path("tiny.img")
SIZES = Sizes(root=1500, boot=1100, hash=2048)
"""Within partitions of 2048 bytes; two of them leave a rest to be zeroed."""


def tiny_bytes(
    boot: Mapping[Slot, BootFlags] | None = None,
    *,
    types: tuple[PartitionType, ...] = TYPES,
    sector_size: int = 512,
) -> bytes:
    """The disk: set A proven, every byte of both sets an old image's."""
    table = make_table(boot, types=types, sector_size=sector_size)
    data = disk_with(table).data
    for number, entry in table.used():
        start, length = entry.first_lba * sector_size, entry.sectors * sector_size
        data[start : start + length] = bytes([0xA0 + number]) * length
    return bytes(data)


def overlay(data: bytes) -> Overlay:
    """A disk in memory over these bytes."""
    return Overlay(len(data), lambda offset, length: data[offset : offset + length])


def tiny_stand(
    data: bytes | None = None,
    *,
    agent: Agent | None = None,
    active: Slot | None = None,
    tries: int = 1,
) -> Stand:
    """Everything a trial needs."""
    contents = overlay(tiny_bytes() if data is None else data)
    return Stand(PATH, contents, active, SIZES, tries, agent or Agent())
