"""Mutated GPT headers, by the million: `python -m tests.fuzz.gpt_headers [COUNT [SEED]]`.

Each round takes a sound disk, changes fields of one or both headers (to near, wild or random
values), mostly with a right checksum, so that every check behind it is reached, and reads it.
Whatever the headers say, reading gives a table or one of our errors, never reads outside the disk,
and a table that is given boots what the sound one booted.
"""

from __future__ import annotations

import random
import sys
import time
import zlib
from dataclasses import dataclass, field

from partitions.boot import choose_next
from partitions.disk import read_table
from partitions.errors import PartitionError
from partitions.gpt import Table
from tests.fakes.gpt_disk import DEVICE_SECTORS, backup_of, disk_with, make_table

FIELDS = (
    *((0, 8), (8, 4), (12, 4), (20, 4), (24, 8), (32, 8), (40, 8), (48, 8)),
    *((56, 16), (72, 8), (80, 4), (84, 4), (88, 4)),
)
WILD = (0, 1, 2, 33, 34, 127, 128, 255, 256, 1 << 31, 1 << 32, 1 << 63, (1 << 64) - 1)
SIZES = (512, 4096)


@dataclass(slots=True)
class Tally:
    """What became of the headers.

    Attributes:
        read: disks on which a copy was still good.
        refused: disks refused with one of our errors.
    """

    read: int = 0
    refused: int = 0


@dataclass(slots=True)
class Fuzzer:
    """Sound disks to start from, and the source of chance."""

    chance: random.Random
    tables: dict[int, Table] = field(
        default_factory=lambda: {s: make_table(sector_size=s) for s in SIZES}
    )
    tally: Tally = field(default_factory=Tally)

    def round(self) -> None:
        """One disk with one or two mutated headers.

        Raises:
            AssertionError: a promise was broken.
            Exception: anything that is not ours escaped.
        """
        size = self.chance.choice(SIZES)
        table = self.tables[size]
        disk = disk_with(table)
        copies = self.chance.choice(((1,), (DEVICE_SECTORS - 1,), (1, DEVICE_SECTORS - 1)))
        for lba in copies:
            sound = table if lba == 1 else backup_of(table)
            disk.data[lba * size : (lba + 1) * size] = self._mutated(sound.header_sector())
        try:
            result = read_table(disk)
        except PartitionError:
            self.tally.refused += 1
        else:
            self.tally.read += 1
            assert booted(result.table) == booted(table)
        assert all(at >= 0 and at + length <= disk.size for at, length in disk.reads)

    def _mutated(self, sector: bytes) -> bytes:
        changed = bytearray(sector)
        for at, width in self.chance.sample(FIELDS, self.chance.randint(1, 3)):
            changed[at : at + width] = self._value(changed[at : at + width], width)
        if self.chance.random() < 0.9:
            end = min(max(int.from_bytes(changed[12:16], "little"), 92), len(changed))
            changed[16:20] = bytes(4)
            changed[16:20] = zlib.crc32(changed[:end]).to_bytes(4, "little")
        return bytes(changed)

    def _value(self, old: bytes | bytearray, width: int) -> bytes:
        kind = self.chance.randrange(3)
        if kind == 0:
            return self.chance.randbytes(width)
        near = int.from_bytes(old, "little") + self.chance.randint(-3, 3)
        value = near if kind == 1 else self.chance.choice(WILD)
        return (value % (1 << 8 * width)).to_bytes(width, "little")


def booted(table: Table) -> int | None:
    """The BOOT partition that the bootloader would take."""
    choice = choose_next(table)
    return None if choice is None else choice.number


def main() -> None:
    """Run COUNT rounds and say how many headers were read and refused."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else 0
    fuzzer = Fuzzer(random.Random(seed))
    start = time.monotonic()
    for _ in range(count):
        fuzzer.round()
    spent = time.monotonic() - start
    tally = fuzzer.tally
    sys.stdout.write(
        f"{count} disks with mutated headers in {spent:.0f} s (seed {seed}): "
        f"{tally.read} read, {tally.refused} refused, no foreign exception\n"
    )


if __name__ == "__main__":
    main()
