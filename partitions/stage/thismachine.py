"""The machine that really runs the boot stage."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from partitions.stage import syscalls
from partitions.stage.disks import SetNodes
from partitions.stage.starting import Start, check_mount, start
from partitions.stage.switching import ROOT, become
from partitions.stage.watchdog import Watchdog
from partitions.stage.words import Words


class ThisMachine:
    """Implements `partitions.stage.machine.Machine` by the calls that its kernel offers."""

    def __init__(
        self, watchdog: Watchdog | None = None, sleep: Callable[[float], object] = time.sleep
    ) -> None:
        """Take charge.

        Args:
            watchdog: one that runs already.
            sleep: lets seconds go by.
        """
        self._watchdog = watchdog
        self._sleep = sleep

    @property
    def root(self) -> Path:
        """Where /sys and /dev are."""
        return Path("/")

    def start_watchdog(self, seconds: int) -> None:
        """Start one; see `partitions.stage.watchdog.Watchdog.start`."""
        self._watchdog = Watchdog.start(seconds)

    def pause(self, seconds: int) -> None:
        """Let time go by.

        The watchdog is there for what hangs. Who waits on purpose, and not for ever, feeds it:
        else a short one would make a quick loop of resets out of every pause.
        """
        for _ in range(seconds):
            self._feed()
            self._sleep(1)
        self._feed()

    def start(self, wanted: Start) -> NoReturn:
        """Leave this kernel for that of a set."""
        start(wanted)

    def check_mount(self, nodes: SetNodes, words: Words) -> None:
        """See that a root can be mounted."""
        check_mount(nodes, words, ROOT)

    def become(self, nodes: SetNodes, words: Words) -> NoReturn:
        """Turn into the first process of the system."""
        become(nodes, words)

    def reset(self) -> NoReturn:
        """Restart the machine."""
        syscalls.reset()

    def _feed(self) -> None:
        if self._watchdog is not None:
            self._watchdog.feed()
