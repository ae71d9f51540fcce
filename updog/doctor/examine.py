"""All looks in order: what causes trouble comes before what suffers from it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from partitions.blockio import DeviceOpener
from updog.doctor import clockcheck, files, machine
from updog.doctor.check import Check, failed_by, ok, warn
from updog.errors import InternalError, StorageError, UpdogError
from updog.settings import Settings
from updog.timeofrun import time_of_run


def examine(config: Path, now: datetime, open_device: DeviceOpener) -> Iterator[Check]:
    """Look at everything; a failure ends only what depends on it.

    Args:
        config: the configuration file.
        now: the time, which the clock's own check doubts.
        open_device: the way to the disk, which is only read.
    """
    check, settings = files.configuration(config)
    yield check
    if settings is None:
        return
    looks = (
        _host(settings),
        files.permissions(settings.paths),
        machine.disk(settings.boot, open_device),
        clockcheck.clock(now, settings.paths),
        _servers(settings, now),
    )
    for look in looks:
        yield from _guarded(look)


def _host(settings: Settings) -> Iterator[Check]:
    yield files.identity(settings)


def _servers(settings: Settings, now: datetime) -> Iterator[Check]:
    from updog.doctor import line, repository, route  # noqa: PLC0415 - after what needs no network
    from updog.network import fetch_settings  # noqa: PLC0415 - the same

    reached, asked = 0, 0
    for way in route.routes(settings):
        asked += 1
        checks = []
        for check in line.walk(way, fetch_settings(settings), now):
            checks.append(check)
            yield check
        reached += not any(check.failed for check in checks)
    if not asked:
        yield ok("network", f"none is needed for {settings.metadata_base_url}")
    if asked and not reached:
        yield warn("tuf", "the repository was not asked, because no server can be reached")
        yield from repository.kept(settings.paths.tuf_dir)
        return
    # Metadata is judged by the time that a run would take.
    yield from repository.repository(settings, time_of_run(now, settings.paths).now)


def _guarded(look: Iterator[Check]) -> Iterator[Check]:
    """The checks of a look; one that breaks becomes a failure, and the next look is taken."""
    try:
        yield from look
    except UpdogError as error:
        yield failed_by("doctor", error)
    except OSError as error:
        yield failed_by("doctor", StorageError(f"{error.filename or 'a file'}: {error.strerror}."))
    except Exception as error:  # noqa: BLE001 - the other looks must still be taken
        said = f"internal error: {type(error).__name__}: {error}"
        yield failed_by("doctor", InternalError(said, hint="Please report it."))
