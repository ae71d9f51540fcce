"""A drive as a file of this machine: what a program on the host does to it goes through NBD."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_LIMIT = 30.0


@contextmanager
def mounted(address: str, place: Path) -> Iterator[None]:
    """Put a drive over a file while the block runs; needs root, for FUSE.

    Args:
        address: of `tests.vm.nbd.served`.
        place: an existing file; what it holds is hidden meanwhile.
    """
    host, _, rest = address.removeprefix("nbd://").partition(":")
    port, _, export = rest.partition("/")
    node = f"driver=nbd,node-name=disk,server.type=inet,server.host={host},server.port={port}"
    shown = f"type=fuse,id=file,node-name=disk,mountpoint={place},writable=on"
    words = ["qemu-storage-daemon", "--blockdev", f"{node},export={export}", "--export", shown]
    before = place.stat().st_dev
    with subprocess.Popen(words) as daemon:
        try:
            _await(place, before, daemon)
            yield
        finally:
            daemon.terminate()
            daemon.wait(_LIMIT)


def _await(place: Path, before: int, daemon: subprocess.Popen[bytes]) -> None:
    """Wait until the file is another one; the daemon has no way to tell."""
    deadline = time.monotonic() + _LIMIT
    while place.stat().st_dev == before:
        assert daemon.poll() is None, "qemu-storage-daemon ended; is this root, and is there FUSE?"
        assert time.monotonic() < deadline, "the drive does not appear as a file"
        time.sleep(0.01)
