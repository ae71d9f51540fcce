"""What one run of the client touches, so that nothing is global and nothing is looked up."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from partitions.blockio import DeviceOpener
from partitions.bootcontrol import BootControl
from updog.body import Fetcher
from updog.clock import Clock
from updog.manifest import Update
from updog.moving import Progress, silent
from updog.pipeline.cancel import Cancel
from updog.select import Host
from updog.settings import Settings


def unwatched(_update: Update) -> None:
    """Nobody wants to know that an update starts."""


@dataclass(frozen=True, slots=True)
class Environment:
    """Everything that one run touches.

    Attributes:
        settings: the configuration.
        host: who asks.
        now: the time of the whole run.
        fetcher: the way to the repository.
        open_device: the way to the partitions.
        control: the way to the boot bits.
        grace: how long past its expiry metadata is believed (`updog.trust`).
        clock: for what takes long (`updog.session`); None where time stands still.
        starting: told which update is about to be installed.
        progress: told how far the images are.
        cancel: ends an installation when it is given.
    """

    settings: Settings
    host: Host
    now: datetime
    fetcher: Fetcher
    open_device: DeviceOpener
    control: BootControl
    grace: timedelta = timedelta(0)
    clock: Clock | None = None
    starting: Callable[[Update], None] = unwatched
    progress: Progress = silent
    cancel: Cancel | None = None
