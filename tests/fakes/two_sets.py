"""A machine's disk in memory with room for images, and images in the form in which they are signed.

The sets of `gpt_disk` have a few sectors only; here set B is moved to the end of a larger disk.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import lz4.frame
from blake3 import blake3

from partitions.bootcontrol import GptBootControl
from partitions.bootflags import BootFlags
from partitions.disk import read_table
from partitions.layout import Slot
from partitions.sysfs import Located
from tests.fakes.gpt_disk import (
    BOOT_B,
    DEVICE_SECTORS,
    FRESH,
    HASH_B,
    ROOT_B,
    boot_bits,
    disk_with,
    make_table,
    with_entry,
)
from tests.fakes.memory_disk import Flush, MemoryDisk, MemoryDisks
from updog.install import Image, ImageSet

SECTOR = 512
DISK = Path("/dev/disk")
SIZES = {"boot": 96 << 10, "root": 3 << 20, "hash": 64 << 10}
NUMBERS = {"boot": BOOT_B, "root": ROOT_B, "hash": HASH_B}
RAW = {
    "boot": b"kernel and grub.cfg. " * 2000,
    "root": bytes(range(256)) * 8000,
    "hash": hashlib.sha256(b"tree").digest() * 2048,
}


@dataclass
class TwoSets:
    """The disk, the way to open it, and its boot bits."""

    disk: MemoryDisk
    opener: MemoryDisks
    control: GptBootControl
    places: dict[str, range]

    def bits(self) -> dict[Slot, BootFlags]:
        return boot_bits(read_table(self.disk).table)

    def content(self, role: str) -> bytes:
        place = self.places[role]
        return bytes(self.disk.data[place.start : place.stop])

    def story(self) -> list[str]:
        """What was written and flushed, in order, with repetitions told once."""
        story: list[str] = []
        for event in self.disk.log:
            told = "flush" if isinstance(event, Flush) else self._where(event.offset)
            if story[-1:] != [told]:
                story.append(told)
        return story

    def _where(self, offset: int) -> str:
        return next((role for role, place in self.places.items() if offset in place), "gpt")


def two_sets(boot: dict[Slot, BootFlags] | None = None, *, filled: bytes = b"\0") -> TwoSets:
    """A disk that runs set A; the partitions of set B are full of one byte."""
    places: dict[str, range] = {}
    at = DEVICE_SECTORS * SECTOR
    for role, size in SIZES.items():
        places[role] = range(at, at + size)
        at += size
    table = make_table(boot or FRESH, device_sectors=at // SECTOR + 64)
    for role, place in places.items():
        first, last = place.start // SECTOR, place.stop // SECTOR - 1
        table = with_entry(table, NUMBERS[role], first_lba=first, last_lba=last)
    disk = disk_with(table)
    for place in places.values():
        disk.data[place.start : place.stop] = filled * len(place)
    opener = MemoryDisks({DISK: disk})
    return TwoSets(disk, opener, GptBootControl(Located(DISK, active=Slot.A), opener), places)


@dataclass
class SignedImage:
    """An image in a repository: what is signed about it, and what the server really sends."""

    name: str
    raw: bytes
    sent: bytes = b""
    signed_raw: bool = True
    frame: bytes = field(init=False)

    def __post_init__(self) -> None:
        self.frame = lz4.frame.compress(self.raw, content_checksum=True)

    def image(self) -> Image:
        return Image(
            name=self.name,
            length=len(self.frame),
            hashes={"sha256": hashlib.sha256(self.frame).hexdigest()},
            open=self.chunks,
            raw_length=len(self.raw) if self.signed_raw else None,
            raw_sha256=hashlib.sha256(self.raw).hexdigest() if self.signed_raw else None,
            raw_blake3=blake3(self.raw).hexdigest() if self.signed_raw else None,
        )

    def chunks(self) -> Iterator[bytes]:
        data = self.sent or self.frame
        return (data[start : start + 10_000] for start in range(0, len(data), 10_000))


def signed_images(*, signed_raw: bool = True) -> dict[str, SignedImage]:
    """The three images of an update, by role."""
    return {
        role: SignedImage(f"{role}.lz4", raw, signed_raw=signed_raw) for role, raw in RAW.items()
    }


def image_set(images: dict[str, SignedImage]) -> ImageSet:
    return ImageSet(**{role: image.image() for role, image in images.items()})
