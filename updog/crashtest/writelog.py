"""What an operation did to a disk: its writes, its flushes, and what it was doing. PURE."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias


@dataclass(frozen=True, slots=True, order=True)
class Channel:
    """A node through which a disk is written: the whole disk, or one partition.

    Each node has a page cache of its own, so that a flush covers only what was written through the
    same node (formats 9.7).

    Attributes:
        offset: first byte of the node on the disk.
        size: bytes of the node.
    """

    offset: int
    size: int

    @property
    def is_disk(self) -> bool:
        """Whether this is the whole disk; no partition begins at its first byte."""
        return self.offset == 0


@dataclass(frozen=True, slots=True)
class Write:
    """Bytes handed to the disk; not durable before a `Flush` of the same channel.

    Attributes:
        offset: first byte, counted from the start of the disk.
    """

    channel: Channel
    offset: int
    data: bytes = field(repr=False)

    @property
    def end(self) -> int:
        """The byte behind the last one."""
        return self.offset + len(self.data)


@dataclass(frozen=True, slots=True)
class Flush:
    """Everything written through this channel before is on the medium when this returns."""

    channel: Channel


@dataclass(frozen=True, slots=True)
class Note:
    """The operation begins a new step; `text` says in words what it does from here on."""

    text: str


Event: TypeAlias = Write | Flush | Note


def step_at(log: tuple[Event, ...], position: int) -> str:
    """What the operation was doing when the first `position` events had happened."""
    notes = [event.text for event in log[:position] if isinstance(event, Note)]
    return notes[-1] if notes else "begin"


def write_at(log: tuple[Event, ...], index: int) -> Write:
    """The write that stands at this place of the log.

    Raises:
        TypeError: something else stands there.
    """
    event = log[index]
    if not isinstance(event, Write):
        raise TypeError(f"event {index} of the log is {event}, not a write")
    return event
