"""One operation as it was recorded: the disk before, the log, and what was promised meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias

from partitions.blockio import Access, Extent
from partitions.disk import read_table
from partitions.gpt import Table
from partitions.layout import PartitionSet, Slot, with_active
from updog.crashtest.contents import Contents, Span
from updog.crashtest.doubt import Reader
from updog.crashtest.oracle import Bits, bits_of, copies_on, view_of
from updog.crashtest.overlay import Overlay
from updog.crashtest.recorder import RecordedDisk, quiet_disk
from updog.crashtest.regions import DiskMap, disk_map, table_spans
from updog.crashtest.writelog import Event, Note, Write

Act: TypeAlias = Callable[[RecordedDisk], None]


@dataclass(frozen=True, slots=True)
class SetUnderTest:
    """A partition set of the disk.

    Attributes:
        slot: its name.
        spans: its three partitions.
        complete: whether it held a complete image before the operation: the machine runs from it,
            or its bits call it good.
        written: whether the operation writes images to it; when it is done, they are complete.
    """

    slot: Slot
    spans: tuple[Span, ...]
    complete: bool
    written: bool = False

    def is_whole(self, contents: Contents) -> bool:
        """Whether these contents are a complete image."""
        if contents is Contents.AFTER and self.written:
            return True
        return contents is not Contents.MIXED and self.complete


@dataclass(frozen=True, slots=True)
class Case:
    """A recorded operation.

    Attributes:
        operation: its name.
        path: the file that the real code believed to write.
        running: the set that the machine ran from.
        before: the disk before it.
        after: the disk after it, as a reader sees it then.
        log: what it did in between.
        sets: the partition sets.
        steps: the boot bits from before it, and after each of its steps.
        places: names of places on the disk.
        tables: where the two copies of the partition table lie.
        between: disks with complete images of updates that were made before the end.
    """

    operation: str
    path: Path
    running: Slot
    before: Overlay
    after: Overlay
    log: tuple[Event, ...]
    sets: tuple[SetUnderTest, ...]
    steps: frozenset[Bits]
    places: DiskMap
    tables: tuple[Span, Span]
    between: tuple[Overlay, ...] = ()

    @property
    def compared(self) -> tuple[Reader, ...]:
        """Readers of the disks that hold complete images: first the one before the operation."""
        return tuple(disk.read for disk in (self.before, *self.between, self.after))


def record(operation: str, path: Path, before: Overlay, running: Slot, act: Act) -> Case:
    """Run an operation on a disk in memory and write down what it does.

    Args:
        operation: its name, for the report.
        path: the file that the real code shall believe to write.
        before: the disk; it is not changed.
        running: the set that the machine runs from.
        act: the operation.

    Raises:
        PartitionError: the disk is not one of ours, or the operation was refused.
    """
    log: list[Event] = []
    after = before.fork()
    act(RecordedDisk(path, after, log.append))
    table = table_on(quiet_disk(path, before))
    return Case(
        operation,
        path,
        running,
        before,
        after,
        tuple(log),
        tuple(replace(each, written=_is_written(each, log)) for each in sets_on(table, running)),
        _steps(path, before, tuple(log), table_spans(table)),
        disk_map(table, before.size),
        table_spans(table),
    )


def table_on(disk: RecordedDisk) -> Table:
    """The partition table that a reader trusts now.

    Raises:
        GptError: there is none.
    """
    with disk.open(Extent(disk.path), Access.READ) as io:
        return read_table(io).table


def sets_on(table: Table, running: Slot) -> tuple[SetUnderTest, ...]:
    """The partition sets in a table, on a machine that runs from one of them.

    Raises:
        LayoutError: it is not a disk of ours.
    """
    bits = dict(bits_of(table).by_slot())
    return tuple(
        SetUnderTest(
            each.slot,
            _spans(table, each),
            each.slot is running or bits[each.slot].successful or bits[each.slot].tries_left > 0,
        )
        for each in with_active(table, Slot.A).sets
    )


def _is_written(each: SetUnderTest, log: Iterable[Event]) -> bool:
    return any(
        isinstance(event, Write) and any(span.holds(event.offset) for span in each.spans)
        for event in log
    )


def _spans(table: Table, each: PartitionSet) -> tuple[Span, ...]:
    unit = table.sector_size
    entries = (table.entry(number) for number in (each.boot, each.root, each.hash))
    return tuple(Span(entry.first_lba * unit, (entry.last_lba + 1) * unit) for entry in entries)


def _steps(
    path: Path, before: Overlay, log: tuple[Event, ...], tables: tuple[Span, Span]
) -> frozenset[Bits]:
    """The boot bits at the beginning of each step, and at the end."""
    disk = quiet_disk(path, before.fork())
    found = [view_of(copies_on(disk, tables))]
    for event in log:
        if isinstance(event, Write) and event.channel.is_disk:
            disk.bytes.write(event.offset, event.data)
        elif isinstance(event, Note):
            found.append(view_of(copies_on(disk, tables)))
    found.append(view_of(copies_on(disk, tables)))
    return frozenset(view.bits for view in found if view.bits is not None)
