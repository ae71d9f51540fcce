"""The running set's partition beside the one that is written: it may hold some of the content.

What its blocks are was kept when it was written, or is found out by reading it. Nothing of that is
trusted: what is copied from there is proven by the digest of the whole image, which is read back,
and only where that is another are the blocks looked at one by one.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from partitions.blockio import Access, BlockIO, DeviceOpener, Extent
from partitions.bootstatus import SetExtents
from partitions.device import Device
from partitions.errors import DeviceError
from updog.pipeline.adaptive import Base
from updog.pipeline.columns import Slices
from updog.pipeline.direct import open_medium

log = logging.getLogger(__name__)


class Ledger(Protocol):
    """What is remembered about the sets beside the disk; nothing in it is trusted."""

    def cleared(self) -> None:
        """The inactive set is about to be overwritten: forget what it held."""

    def hashes(self, slot: str, role: str) -> Slices | None:
        """The hashes of a partition's blocks, or None where none are kept."""


class _NoLedger:
    """A `Ledger` that remembers nothing."""

    def cleared(self) -> None:
        """There is nothing to forget."""

    def hashes(self, _slot: str, _role: str) -> Slices | None:
        """None is known."""
        return None


NO_LEDGER = _NoLedger()


@dataclass(frozen=True, slots=True)
class Beside:
    """The partition of the running set with the same role: it may hold some of the content.

    Attributes:
        extent: where it is.
        hashes: of its blocks, kept when it was written; not trusted; None to look at it.
    """

    extent: Extent
    hashes: Slices | None = None

    @classmethod
    def of(cls, active: SetExtents, ledger: Ledger) -> tuple[Beside, Beside, Beside]:
        """Those of root, boot and hash: the order in which images are written."""
        slot = str(active.slot)
        return (
            cls(active.root, ledger.hashes(slot, "root")),
            cls(active.boot, ledger.hashes(slot, "boot")),
            cls(active.hash, ledger.hashes(slot, "hash")),
        )


@contextlib.contextmanager
def opened_beside(
    beside: Beside | None, held: BlockIO, open_device: DeviceOpener
) -> Iterator[Base | None]:
    """The running set's partition, for reading; one that cannot be read is done without.

    Args:
        beside: where it is; None for none.
        held: the partition that is open already: with image files, of the same file.
        open_device: opens partitions.
    """
    if beside is None:
        yield None
        return
    with contextlib.ExitStack() as stack:
        try:
            device = stack.enter_context(_beside(beside.extent, held, open_device))
            medium = stack.enter_context(open_medium(device, beside.extent, Access.READ))
        except DeviceError as error:
            log.warning("%s; nothing is taken from there.", error)
            base = None
        else:
            base = Base(medium, beside.hashes)
        yield base


def _beside(extent: Extent, held: BlockIO, open_device: DeviceOpener) -> BlockIO:
    """Open a partition that may be part of the file that is held already."""
    if isinstance(held, Device) and held.path == extent.path:
        return held.window(extent)
    return open_device(extent, Access.READ)
