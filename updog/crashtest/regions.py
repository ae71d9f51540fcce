"""Names for the bytes of a disk, so that a counterexample can be told in words. PURE."""

from __future__ import annotations

from dataclasses import dataclass

from partitions.gpt import Table, array_sectors
from updog.crashtest.contents import Span


@dataclass(frozen=True, slots=True)
class Region:
    """A named part of the disk."""

    name: str
    span: Span


@dataclass(frozen=True, slots=True)
class DiskMap:
    """Every part of a disk that has a name."""

    regions: tuple[Region, ...]

    def name_at(self, offset: int) -> str:
        """What lies at a byte."""
        found = (region.name for region in self.regions if region.span.holds(offset))
        return next(found, "space that nothing uses")


def disk_map(table: Table, size: int) -> DiskMap:
    """Name the parts of a disk.

    Args:
        table: its table, either copy.
        size: bytes of the disk.
    """
    unit = table.sector_size
    usable = Span(table.header.first_usable_lba * unit, (table.header.last_usable_lba + 1) * unit)
    array = array_sectors(table.header, unit) * unit
    last = max(table.header.my_lba, table.header.alternate_lba) * unit
    fixed = (
        Region("the protective MBR", Span(0, unit)),
        Region("the primary GPT header", Span(unit, 2 * unit)),
        Region("the primary GPT entries", Span(2 * unit, 2 * unit + array)),
        Region("the backup GPT header", Span(last, last + unit)),
        Region("the backup GPT entries", Span(usable.end, last)),
    )
    return DiskMap((*fixed, *_partitions(table), Region("the end of the disk", Span(last, size))))


def table_spans(table: Table) -> tuple[Span, Span]:
    """Where the two copies of a table lie, headers and entries."""
    unit = table.sector_size
    array = array_sectors(table.header, unit) * unit
    last = max(table.header.my_lba, table.header.alternate_lba) * unit
    return Span(unit, 2 * unit + array), Span(last - array, last + unit)


def _partitions(table: Table) -> tuple[Region, ...]:
    unit = table.sector_size
    return tuple(
        Region(
            f"partition {number} ({entry.name})" if entry.name else f"partition {number}",
            Span(entry.first_lba * unit, (entry.last_lba + 1) * unit),
        )
        for number, entry in table.used()
    )
