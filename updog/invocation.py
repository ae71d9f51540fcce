"""From a parsed command line to what a run needs: configuration, host, repository, disk, watchers.

What is imported inside a function is heavy, and not every command needs it.
"""

from __future__ import annotations

import sys
from argparse import Namespace
from typing import TYPE_CHECKING

from updog import config, logs
from updog.settings import Settings

if TYPE_CHECKING:
    from partitions.bootcontrol import BootControl
    from updog.moving import Progress
    from updog.update import Environment
    from updog.visit import Wish
    from updog.way import Way


def environment(args: Namespace) -> Environment:
    """Everything that a run which writes touches.

    Raises:
        UpdogError: the configuration, this host or the repository's certificates are not usable.
        PartitionError: the disk cannot be found.
    """
    from partitions.device import open_device
    from updog.update import Environment

    if getattr(args, "idle", False):
        _stand_back()
    met = way(args)
    return Environment(
        settings=met.settings,
        host=met.host,
        now=met.now,
        fetcher=met.fetcher,
        open_device=open_device,
        control=control(met.settings),
        grace=met.grace,
        clock=met.clock,
        starting=lambda update: remark(args, f"Starting update to {update.version}", told=True),
        progress=progress(args, met.settings),
    )


def way(args: Namespace) -> Way:
    """Who asks, and the way to the repository.

    Raises:
        UpdogError: the configuration, this host or the repository's certificates are not usable.
    """
    import logging

    from updog import host, timeofrun
    from updog.clock import SystemClock
    from updog.timepolicy import Confidence
    from updog.way import way as find_way

    settings = config.load(args.config)
    who = host.read_host(settings, variant=args.variant)
    run = timeofrun.time_of_run(SystemClock().now(), settings.paths)
    if run.confidence is Confidence.UNKNOWN:
        logging.getLogger(__name__).warning("%s", run.sentence)
    return find_way(settings, who, run.now, args.source, SystemClock(floor=run.now))


def wish(args: Namespace) -> Wish:
    """What the operator asks for."""
    from updog.visit import Wish

    force = getattr(args, "force", False)  # only the commands that write have it
    return Wish(image=args.image, ignore_waves=args.ignore_waves, force=force)


def control(settings: Settings) -> BootControl:
    """The way to the boot bits.

    Raises:
        PartitionError: the disk cannot be found.
    """
    from partitions.device import open_device
    from updog.control import boot_control

    return boot_control(settings.boot, open_device)


def progress(args: Namespace, settings: Settings | None = None) -> Progress:
    """Who watches: a file, where there is a configuration, and stderr as the flags say."""
    import shutil

    from updog.clock import SystemClock
    from updog.progress import JsonLines, ProgressLine, StatusFile, together

    watchers: list[Progress] = []
    if settings is not None:
        watchers.append(StatusFile(settings.paths.progress, SystemClock()))
    if getattr(args, "progress", "auto") == "json":
        watchers.append(JsonLines(sys.stderr, SystemClock()))
    elif not args.quiet and sys.stderr.isatty():
        width = shutil.get_terminal_size().columns
        watchers.append(ProgressLine(sys.stderr, SystemClock(), width))
    return together(watchers)


def remark(args: Namespace, text: str, *, told: bool = False) -> None:
    """Say something to the person at the terminal, unless they want none of it.

    Args:
        args: the command line.
        text: to be said.
        told: whether an event tells the same to whoever reads logs with fields.
    """
    if args.quiet:
        return
    if not logs.structured():
        sys.stderr.write(f"{text}\n")
    elif not told:
        import logging

        logging.getLogger(__name__).info("%s", text)


def _stand_back() -> None:
    import logging

    from updog.pipeline.courtesy import stand_back

    for trouble in stand_back():
        logging.getLogger(__name__).info("%s", trouble)
