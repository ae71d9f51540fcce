"""A running machine, put into a file and woken up as often as wanted, without booting."""

from __future__ import annotations

import shlex
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.vm.guest import Computer, Guest
from tests.vm.machine import Disk

BUS = "virtio-blk-pci"
"""QEMU cannot save machines with an NVMe drive."""
_PATIENCE = 300.0
_AT_WORK = {"setup", "active", "device", "pre-switchover", "none"}


def freeze(guest: Guest, target: Path) -> None:
    """Stop a machine and write what it holds, memory and devices but not its disk, to a file."""
    monitor = guest.machine.monitor
    monitor.ask("stop")
    monitor.ask("migrate-set-parameters", **{"max-bandwidth": 1 << 33})
    monitor.ask("migrate", uri=f"exec:cat > {shlex.quote(str(target))}")
    deadline = time.monotonic() + _PATIENCE
    while (status := monitor.ask("query-migrate").get("status", "none")) in _AT_WORK:
        assert time.monotonic() < deadline, status
        time.sleep(0.02)
    assert status == "completed", status


@contextmanager
def woken(computer: Computer, frozen: Path, address: str) -> Iterator[Guest]:
    """Go on from where a machine was frozen, on a drive that holds what it held then."""
    incoming = ("-incoming", f"exec:cat {shlex.quote(str(frozen))}")
    with computer.on(*incoming, disk=Disk(address, bus=BUS)) as guest:
        monitor = guest.machine.monitor
        deadline = time.monotonic() + _PATIENCE
        while (status := monitor.ask("query-status")["status"]) == "inmigrate":
            assert time.monotonic() < deadline, status
            time.sleep(0.02)
        monitor.ask("cont")
        yield guest
