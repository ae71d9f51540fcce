"""Mistakes in the order of writes, each behind a switch, around the real code.

They exist to show that the crash explorer finds them. None changes what is written in the end: on a
machine that never loses power, each of these agents works.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from types import TracebackType
from typing import Self

from partitions.blockio import Access, BlockIO, Buffer, DeviceOpener, Extent
from partitions.bootcontrol import BootControl, SetExtents
from partitions.bootstatus import BootStatus
from partitions.layout import Slot
from updog.crashtest.machine import Agent, gpt_control
from updog.install import ImageSet, refuse_misfits, refuse_unconfirmed, stage, write
from updog.moving import UNWATCHED


class Fault(Enum):
    """The mistakes."""

    PRIMARY_FIRST = "primary copy first, and no flush before the backup"
    NO_FLUSH_BEFORE_VALID = "no flush between the images and the mark"
    VALID_TOO_EARLY = "marked valid before the last image"
    CLEAR_NOT_FLUSHED = "first image byte before the clearing is flushed"
    HEADERS_FIRST = "both headers before the entries they vouch for"
    RESTORED_ENTRIES_FIRST = "a damaged primary is restored while its old header still stands"


def faulty_agent(fault: Fault) -> Agent:
    """An agent that makes one mistake."""
    return _AGENTS[fault]()


def harmless_agent() -> Agent:
    """An agent that writes each header before its entries, but one copy after the other."""
    return Agent(control=_control_through(lambda inner: _Reordered(inner, _header_then_entries)))


def _primary_first() -> Agent:
    return Agent(control=_control_through(lambda inner: _Reordered(inner, _primary_then_backup)))


def _headers_first() -> Agent:
    return Agent(control=_control_through(lambda inner: _Reordered(inner, _headers_then_entries)))


def _restored_entries_first() -> Agent:
    return Agent(control=_control_through(lambda inner: _Reordered(inner, _copy_by_copy)))


def _no_flush_before_valid() -> Agent:
    def stage_unflushed(
        images: ImageSet, control: BootControl, open_device: DeviceOpener, /, *, tries: int
    ) -> object:
        return stage(images, control, _through(open_device, _Unflushed), tries=tries)

    return Agent(stage=stage_unflushed)


def _valid_too_early() -> Agent:
    return Agent(stage=_stage_with_early_mark)


def _stage_with_early_mark(
    images: ImageSet, control: BootControl, open_device: DeviceOpener, /, *, tries: int
) -> object:
    """`updog.install.stage` with its last two steps in the wrong order."""
    placed = images.placed(control.inactive_set())
    refuse_unconfirmed(control, force=False)
    refuse_misfits(placed, open_device)
    control.clear_inactive()
    *first, last = placed
    for image, place in first:
        write(image.offer(), place, open_device, UNWATCHED)
    control.mark_inactive_valid(tries)
    image, place = last
    return write(image.offer(), place, open_device, UNWATCHED)


def _clear_not_flushed() -> Agent:
    def control(path: Path, running: Slot, open_device: DeviceOpener) -> BootControl:
        sound = gpt_control(path, running, open_device)
        return _ClearsThrough(sound, gpt_control(path, running, _through(open_device, _Unflushed)))

    return Agent(control=control)


_AGENTS: dict[Fault, Callable[[], Agent]] = {
    Fault.PRIMARY_FIRST: _primary_first,
    Fault.NO_FLUSH_BEFORE_VALID: _no_flush_before_valid,
    Fault.VALID_TOO_EARLY: _valid_too_early,
    Fault.CLEAR_NOT_FLUSHED: _clear_not_flushed,
    Fault.HEADERS_FIRST: _headers_first,
    Fault.RESTORED_ENTRIES_FIRST: _restored_entries_first,
}

Wrapping = Callable[[BlockIO], BlockIO]


def _through(open_device: DeviceOpener, wrap: Wrapping) -> DeviceOpener:
    """An opener whose writable devices are wrapped."""

    def opened(extent: Extent, access: Access) -> BlockIO:
        device = open_device(extent, access)
        return device if access is Access.READ else wrap(device)

    return opened


def _control_through(
    wrap: Wrapping,
) -> Callable[[Path, Slot, DeviceOpener], BootControl]:
    return lambda path, running, open_device: gpt_control(
        path, running, _through(open_device, wrap)
    )


class _Wrapped:
    """A device that passes everything on."""

    def __init__(self, inner: BlockIO) -> None:
        self.inner = inner

    @property
    def path(self) -> Path:
        return self.inner.path

    @property
    def size(self) -> int:
        return self.inner.size

    @property
    def sector_size(self) -> int | None:
        return self.inner.sector_size

    def pread(self, offset: int, length: int) -> bytes:
        return self.inner.pread(offset, length)

    def pwrite(self, offset: int, data: Buffer) -> None:
        self.inner.pwrite(offset, data)

    def flush(self) -> None:
        self.inner.flush()

    def reread(self, offset: int, length: int) -> bytes:
        return self.inner.reread(offset, length)

    def close(self) -> None:
        self.inner.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
        /,
    ) -> None:
        self.close()


class _Unflushed(_Wrapped):
    """A device that forgets to flush."""

    def flush(self) -> None:
        pass


@dataclass(frozen=True)
class _Held:
    """A write that has not been passed on yet."""

    offset: int
    data: bytes = field(repr=False)


Order = Callable[[list[_Held], int], list[list[_Held]]]
"""Writes and the size of the disk to groups of writes; a flush follows each group."""


class _Reordered(_Wrapped):
    """A device that collects writes and passes them on in another order when it is closed."""

    def __init__(self, inner: BlockIO, order: Order) -> None:
        super().__init__(inner)
        self._order = order
        self._held: list[_Held] = []

    def pread(self, offset: int, length: int) -> bytes:
        found = bytearray(self.inner.pread(offset, length))
        for held in self._held:
            low, high = max(offset, held.offset), min(offset + length, held.offset + len(held.data))
            if low < high:
                found[low - offset : high - offset] = held.data[low - held.offset :][: high - low]
        return bytes(found)

    def reread(self, offset: int, length: int) -> bytes:
        return self.pread(offset, length)

    def pwrite(self, offset: int, data: Buffer) -> None:
        self._held.append(_Held(offset, bytes(data)))

    def flush(self) -> None:
        """Pass on only the flush of what an earlier run may have left in the page cache."""
        if not self._held:
            super().flush()

    def close(self) -> None:
        for group in self._order(self._held, self.size):
            for held in group:
                self.inner.pwrite(held.offset, held.data)
            if group:
                self.inner.flush()
        self._held = []
        super().close()


def _primary_then_backup(held: list[_Held], size: int) -> list[list[_Held]]:
    return [sorted(held, key=lambda each: each.offset > size // 2)]


def _headers_then_entries(held: list[_Held], _size: int) -> list[list[_Held]]:
    headers = [each for each in held if each.data.startswith(b"EFI PART")]
    return [headers, [each for each in held if each not in headers]]


def _copy_by_copy(held: list[_Held], size: int) -> list[list[_Held]]:
    backup = [each for each in held if each.offset > size // 2]
    primary = [each for each in held if each not in backup]
    return [primary, backup] if held and held[0] in primary else [backup, primary]


def _header_then_entries(held: list[_Held], size: int) -> list[list[_Held]]:
    return [
        group for copy in _copy_by_copy(held, size) for group in _headers_then_entries(copy, size)
    ]


@dataclass(frozen=True)
class _ClearsThrough:
    """A boot control that clears through another one, and does the rest itself."""

    sound: BootControl
    clearing: BootControl

    def status(self) -> BootStatus:
        return self.sound.status()

    def clear_inactive(self, *, force: bool = False) -> None:
        self.clearing.clear_inactive(force=force)

    def mark_inactive_valid(self, tries: int) -> None:
        self.sound.mark_inactive_valid(tries)

    def activate(self) -> None:
        self.sound.activate()

    def cancel(self) -> None:
        self.sound.cancel()

    def rollback(self) -> None:
        self.sound.rollback()

    def mark_successful(self) -> None:
        self.sound.mark_successful()

    def has_ever_succeeded(self) -> bool:
        return self.sound.has_ever_succeeded()

    def active_set(self) -> SetExtents:
        return self.sound.active_set()

    def inactive_set(self) -> SetExtents:
        return self.sound.inactive_set()
