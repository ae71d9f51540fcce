"""A watchdog: it resets the machine unless it is fed in time."""

from __future__ import annotations

import contextlib
import fcntl
import os
import struct
from pathlib import Path
from typing import NamedTuple, Self

from partitions.stage.modules import load_modules

NODE = Path("/dev/watchdog")

_SETTIMEOUT = 0xC0045706  # WDIOC_SETTIMEOUT of linux/watchdog.h


class Watchdog(NamedTuple):
    """A running watchdog, which nobody can stop by closing it.

    Attributes:
        descriptor: of its device; it goes when the first process of a system is run in our place,
            which has to open the device for itself.
    """

    descriptor: int

    @classmethod
    def start(cls, seconds: int, node: Path = NODE) -> Self:
        """Start it.

        A hardware watchdog is taken if its driver is loaded; otherwise the kernel's own, which
        resets a machine whose kernel still lives.

        Raises:
            StageError: there is neither.
            OSError: the device refuses to be opened, or the time.
        """
        if not node.exists():
            load_modules("watchdog", f"soft_margin={seconds} nowayout=1")
        started = cls(os.open(node, os.O_WRONLY | os.O_CLOEXEC))
        try:
            fcntl.ioctl(started.descriptor, _SETTIMEOUT, struct.pack("i", seconds))
        except OSError:
            # Closed without the letter that would stop it: what it was set to before goes on.
            os.close(started.descriptor)
            raise
        return started

    def feed(self) -> None:
        """Let its time begin anew; a watchdog that takes no food does what it is there for."""
        with contextlib.suppress(OSError):
            os.write(self.descriptor, b"\0")
