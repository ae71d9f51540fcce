"""Cron expressions on the clock of a time zone. PURE.

croniter counts on a clock without a zone; what daylight saving makes of that is decided here:

- A time that the clock skips happens at the first moment after the gap.
- A time that the clock shows twice happens the first time.

So whatever is due once a day happens once a day, also on those two days.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta, tzinfo

from croniter import CroniterError, croniter

from updog.agent.wallclock import instant, wall

# The clock never goes back by more in any zone in use; a fire in the repeated time may have been
# earlier than what the clock shows now suggests.
_REPEATED = timedelta(hours=3)
_PROBE = datetime(2024, 1, 1)  # noqa: DTZ001 - wall time, of no zone


def validated(expression: str) -> str:
    """Return a cron expression that happens at some time.

    Raises:
        ValueError: it means nothing, or a day that never comes.
    """
    try:
        croniter(expression, _PROBE).get_next(datetime)
    except (CroniterError, ValueError, KeyError, OverflowError) as error:
        raise ValueError(f"{expression!r} is no cron expression: {error}") from error
    return expression


def after(expression: str, moment: datetime, zone: tzinfo) -> datetime:
    """The first time that an expression happens after a moment; in UTC."""
    fires = croniter(expression, wall(moment, zone))
    return _first(lambda: fires.get_next(datetime), zone, lambda fire: fire > moment)


def latest(expression: str, moment: datetime, zone: tzinfo) -> datetime:
    """The last time that an expression happened up to a moment; in UTC."""
    fires = croniter(expression, wall(moment, zone) + _REPEATED)
    return _first(lambda: fires.get_prev(datetime), zone, lambda fire: fire <= moment)


def _first(
    fires: Callable[[], datetime], zone: tzinfo, suits: Callable[[datetime], bool]
) -> datetime:
    while True:
        fire = instant(fires(), zone)
        if suits(fire):
            return fire
