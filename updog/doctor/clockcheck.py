"""The clock: by the rules that every run judges it by, and by what else there is to see."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from updog.doctor.check import Check, fail, ok, warn
from updog.errors import ConfigError
from updog.overdue import in_words
from updog.settings import Paths
from updog.timeofrun import time_of_run
from updog.timepolicy import Confidence
from waves.duration import format_moment

TOLERANCE = timedelta(minutes=5)
_SET = "Set the clock, and let an NTP client keep it."
_TIMESYNC = Path("/run/systemd/timesync/synchronized")
_TIMEX_SIZE = 1024
_TIME_ERROR = 5


def clock(now: datetime, paths: Paths, marker: Path = _TIMESYNC) -> Iterator[Check]:
    """Compare the clock with files whose times it must have passed; ask whether it is kept."""
    yield against_image(now, paths)
    yield against_state(now, paths)
    yield synchronised(kernel=kernel_synchronised(), marker=marker)


def against_image(now: datetime, paths: Paths) -> Check:
    """Compare with when the image was built, as a run does (docs/threat-model.md, "Time")."""
    run = time_of_run(now, paths)
    if run.confidence is Confidence.UNKNOWN:
        return fail("clock", run.sentence, _SET, ConfigError)
    if run.floor is None:
        return ok("clock", f"{format_moment(now)}; nothing tells when the image was built")
    return ok("clock", f"{format_moment(now)} is later than the files of the image")


def against_state(now: datetime, paths: Paths) -> Check:
    """Compare with the metadata that earlier runs stored, by this clock or a wrong one."""
    newest = _newest(tuple(paths.tuf_dir.glob("*.json")))
    if newest is not None and newest[0] - now > TOLERANCE:
        moment, path = newest
        said = f"{path} was stored {in_words(moment - now)} from now: the clock went back"
        return warn("clock", said, _SET)
    return ok("clock", "no run of updog was later than now")


def against_server(now: datetime, server: str, told: datetime | None) -> Check:
    """Compare with what a server says; nobody signs that, so it is no more than a hint."""
    if told is None:
        return ok("clock", f"{server} does not tell the time")
    if abs(told - now) > TOLERANCE:
        which = "ahead of" if now > told else "behind"
        said = f"the clock is {in_words(abs(told - now))} {which} that of {server}"
        return warn("clock", said, _SET)
    return ok("clock", f"it agrees with that of {server}")


def synchronised(*, kernel: bool | None, marker: Path = _TIMESYNC) -> Check:
    """Tell whether anybody keeps the clock right."""
    if marker.exists() or kernel:
        return ok("clock", "it is kept synchronised")
    if kernel is None:
        return ok("clock", "the kernel does not tell whether it is kept synchronised")
    return warn("clock", "nobody keeps it synchronised", "Enable an NTP client.")


def kernel_synchronised() -> bool | None:
    """Ask the kernel; None where it does not tell.

    A call of adjtimex(2) that sets nothing returns the state of the clock. No other way to that
    works without a particular NTP client.
    """
    try:
        library = ctypes.CDLL(None, use_errno=True)
        state = library.adjtimex(ctypes.create_string_buffer(_TIMEX_SIZE))
    except (OSError, AttributeError):
        return None
    return None if state < 0 else bool(state != _TIME_ERROR)


def _newest(paths: tuple[Path, ...]) -> tuple[datetime, Path] | None:
    found = []
    for path in paths:
        try:
            found.append((datetime.fromtimestamp(path.stat().st_mtime, UTC), path))
        except (OSError, OverflowError, ValueError):
            continue
    return max(found, default=None)
