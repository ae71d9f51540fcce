"""Between moments and what the clock on the wall shows. PURE."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, tzinfo

_SECOND = timedelta(seconds=1)


def wall(moment: datetime, zone: tzinfo) -> datetime:
    """What the clock on the wall shows; without a zone."""
    return moment.astimezone(zone).replace(tzinfo=None)


def instant(shown: datetime, zone: tzinfo) -> datetime:
    """When the clock shows a time, in UTC: the first time, or the first moment after a gap."""
    at = shown.replace(tzinfo=zone).astimezone(UTC)
    if wall(at, zone) == shown:
        return at
    # In a gap the two readings lie on both sides of its moment, the later offset before it.
    low, high = shown.replace(tzinfo=zone, fold=1).astimezone(UTC), at
    while high - low > _SECOND:
        middle = low + (high - low) // 2
        if wall(middle, zone) > shown:
            high = middle
        else:
            low = middle
    # The clock jumps at whole seconds, and `high` lies less than one behind that.
    return high.replace(microsecond=0)
