"""What to say about metadata that is believed although its time is over. PURE."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta

from waves.duration import format_moment

_DAY = timedelta(days=1)
_HOUR = timedelta(hours=1)


def overdue_lines(
    overdue: Mapping[str, datetime], now: datetime, grace: timedelta
) -> Iterator[str]:
    """Say of each role since when it is over, and for how long it will still do.

    Args:
        overdue: roles and when they expired.
        now: the time of the run.
        grace: how long past its expiry metadata is believed.
    """
    for role, expires in overdue.items():
        past = now - expires
        yield (
            f"{role}.json expired {in_words(past)} ago, at {format_moment(expires)}; "
            f"policy.freshness lets it be used offline for {in_words(grace - past)} more"
        )


def in_words(span: timedelta) -> str:
    """Return a span in the largest unit that fits, rounded down: ``12 days``, ``1 hour``."""
    units = ((_DAY, "day"), (_HOUR, "hour"), (timedelta(minutes=1), "minute"))
    for unit, name in units:
        count = span // unit
        if count >= 1:
            return f"{count} {name}{'s' if count > 1 else ''}"
    return "less than a minute"
