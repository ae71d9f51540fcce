"""The configuration keys that the agent goes by: ``[schedule]`` and parts of ``[policy]``."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, TypeVar

from updog import config_values as values
from updog.config_fragment import Fragment, Key
from updog.errors import ConfigError
from updog.settings import Mode, Schedule

if TYPE_CHECKING:
    from updog.agent.windows import Blackout, CronWindow, Every, Fires, Window

MAX_SOAK = timedelta(days=3650)
MAX_JITTER = timedelta(days=1)
MAX_BACKOFF = timedelta(days=7)
MAX_BYTES = 1 << 50

T = TypeVar("T")


def _mode(value: object) -> Mode:
    return Mode(values.one_of(*Mode)(value))


def _check(value: object) -> Every | Fires:
    from updog.agent import windows  # noqa: PLC0415 - start-up: few have a schedule

    return windows.check(values.text(value))


def _window(text: str) -> Window | CronWindow:
    from updog.agent import windows  # noqa: PLC0415 - start-up: the same

    return windows.window(text)


def _blackout(text: str) -> Blackout:
    from updog.agent import windows  # noqa: PLC0415 - start-up: the same

    return windows.blackout(text)


def _each(read: Callable[[str], T]) -> Callable[[object], tuple[T, ...]]:
    """A reader of lists."""
    return lambda value: tuple(read(item) for item in values.words(value))


def _zone(value: object) -> str:
    from zoneinfo import ZoneInfo  # noqa: PLC0415 - start-up: the same

    name = values.text(value)
    try:
        ZoneInfo(name)
    except (OSError, ValueError, LookupError) as error:
        raise ValueError(f"must be a time zone such as Europe/Berlin, not {name!r}") from error
    return name


def _wait(high: timedelta) -> Callable[[object], timedelta]:
    def read(value: object) -> timedelta:
        found = values.span(high)(value)
        if not found:
            raise ValueError("must be above 0")
        return found

    return read


MODE = Key("policy.mode", _mode)
SOAK = Key("policy.soak", values.span(MAX_SOAK))
CHECK: Key[Every | Fires | None] = Key("schedule.check", _check)
TIMEZONE = Key("schedule.timezone", _zone)
JITTER = Key("schedule.jitter", values.span(MAX_JITTER))
WINDOWS = Key("schedule.windows", _each(_window))
BLACKOUTS = Key("schedule.blackouts", _each(_blackout))
DOWNLOADS = Key("schedule.downloads_in_windows", values.flag)
BACKOFF_MIN = Key("schedule.backoff_min", _wait(MAX_BACKOFF))
BACKOFF_MAX = Key("schedule.backoff_max", _wait(MAX_BACKOFF))
DAILY_BYTES = Key("schedule.daily_bytes", values.whole(0, MAX_BYTES))


def schedule(merged: Fragment) -> Schedule:
    """Read ``[schedule]``.

    Raises:
        ConfigError: a value breaks its rule, or two values do not go together.
    """
    get, default = merged.get, Schedule()
    found = Schedule(
        check=get(CHECK, default.check),
        timezone=get(TIMEZONE, default.timezone),
        jitter=get(JITTER, default.jitter),
        windows=get(WINDOWS, default.windows),
        blackouts=get(BLACKOUTS, default.blackouts),
        downloads_in_windows=get(DOWNLOADS, default.downloads_in_windows),
        backoff_min=get(BACKOFF_MIN, default.backoff_min),
        backoff_max=get(BACKOFF_MAX, default.backoff_max),
        daily_bytes=get(DAILY_BYTES, default.daily_bytes),
    )
    if found.backoff_max < found.backoff_min:
        key = BACKOFF_MAX if BACKOFF_MAX.name in merged.said else BACKOFF_MIN
        source = merged.said[key.name][1]
        raise ConfigError(f"{source}: schedule.backoff_max lies below schedule.backoff_min.")
    return found
