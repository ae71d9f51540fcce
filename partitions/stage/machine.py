"""What the boot stage does to the machine it runs on; everything else it does is a decision."""

from __future__ import annotations

from pathlib import Path
from typing import NoReturn, Protocol

from partitions.stage.disks import SetNodes
from partitions.stage.starting import Start
from partitions.stage.words import Words


class Machine(Protocol):
    """A machine."""

    @property
    def root(self) -> Path:
        """Where /sys and /dev are."""

    def start_watchdog(self, seconds: int) -> None:
        """Have the machine reset unless something feeds a watchdog in that time.

        Raises:
            StageError: there is no watchdog.
            OSError: it refuses.
        """

    def pause(self, seconds: int) -> None:
        """Let time go by; a watchdog that was started is fed meanwhile."""

    def start(self, wanted: Start) -> NoReturn:
        """Leave this kernel for that of a set; see `partitions.stage.starting.start`.

        Raises:
            PartitionError: the set is not there or not right.
            OSError: the kernel refused a part.
        """

    def check_mount(self, nodes: SetNodes, words: Words) -> None:
        """See that a root can be mounted, without what dm-verity does to a machine if it cannot.

        Raises:
            PartitionError: it cannot.
        """

    def become(self, nodes: SetNodes, words: Words) -> NoReturn:
        """Turn this process into the first one of the system in these partitions.

        Raises:
            PartitionError: a part of the set is not there or not right.
            OSError: the kernel refused a step.
        """

    def reset(self) -> NoReturn:
        """Restart the machine.

        Raises:
            OSError: not allowed.
        """
