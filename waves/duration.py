"""Text of rollouts to times and back: offsets ("4 hours") and moments (RFC 3339).

Everything here is exact to the microsecond, the resolution of `datetime`. Where a value lies
between two steps of the scale it is rounded **up**: a host may come late by less than one step,
but never before the published moment.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from waves.errors import WaveError

_UNITS = {
    "minute": timedelta(minutes=1),
    "hour": timedelta(hours=1),
    "day": timedelta(days=1),
    "week": timedelta(weeks=1),
}
_MAX_COUNT = 2**32 - 1
_MAX_COUNT_DIGITS = len(str(_MAX_COUNT))
_OFFSET = re.compile(rf"(?:in +)?([0-9]+) +({'|'.join(_UNITS)})s?", re.ASCII)
# Month and day may lack their leading zero: manifests of the field have such dates (formats 2.2).
_MOMENT = re.compile(
    r"(?P<date>\d{4}-\d{1,2}-\d{1,2})[Tt ](?P<time>\d{2}:\d{2}:\d{2})(?:\.(?P<fraction>\d+))?"
    r"(?:[Zz]|(?P<sign>[+-])(?P<zone>\d{2}:\d{2}))",
    re.ASCII,
)
_LEAP_SECOND = 60
_SECOND = timedelta(seconds=1)
# The last moment that can be written in whole seconds with a four-digit year.
_LAST = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)
_SHOWN = 60


def quoted(text: str) -> str:
    """``text`` for an error message: in quotes, printable, and never longer than a line."""
    return ascii(text) if len(text) <= _SHOWN else f"{text[:_SHOWN]!a}..."


def parse_offset(text: str) -> timedelta:
    """The time span written as ``N minutes|hours|days|weeks`` (formats 3.2).

    Args:
        text: singular units and a leading ``in`` are accepted; N is a u32.

    Raises:
        WaveError: another form, N above 2**32 - 1, or a span longer than any calendar.
    """
    match = _OFFSET.fullmatch(text)
    if match is None:
        raise WaveError(
            f"{quoted(text)} is not an offset; write for example '30 minutes', '4 hours', '2 days'"
            " or '1 week'"
        )
    digits = match[1].lstrip("0") or "0"
    # The length is looked at first: turning endless digits into a number is slow, or refused.
    if len(digits) > _MAX_COUNT_DIGITS or int(digits) > _MAX_COUNT:
        raise WaveError(f"{quoted(text)}: the number is above {_MAX_COUNT}")
    try:
        return int(digits) * _UNITS[match[2]]
    except OverflowError:
        raise WaveError(f"{quoted(text)} is longer than any calendar") from None


def parse_moment(text: str) -> datetime:
    """The moment, in UTC, that an RFC 3339 text names (formats 2.2).

    Any number of fraction digits is taken; what is finer than a microsecond rounds up. A leap
    second (``:60``) is the second after ``:59``.

    Raises:
        WaveError: another form, a date that does not exist, or a moment outside years 1 to 9999.
    """
    match = _MOMENT.fullmatch(text)
    if match is None:
        raise WaveError(f"{quoted(text)} is not an RFC 3339 moment such as 2031-04-07T09:00:00Z")
    try:
        moment = _civil(match["date"], match["time"]) + _fraction(match["fraction"] or "")
        moment -= _zone(match["sign"], match["zone"])
    except (ValueError, OverflowError) as error:
        raise WaveError(f"{quoted(text)} names no moment: {error}") from None
    if moment > _LAST:
        raise WaveError(f"{quoted(text)} is after the year 9999")
    return moment


def _civil(date: str, time: str) -> datetime:
    year, month, day = map(int, date.split("-"))
    hour, minute, second = map(int, time.split(":"))
    leap = second == _LEAP_SECOND
    start = datetime(year, month, day, hour, minute, second - leap, tzinfo=UTC)
    return start + leap * _SECOND


def _fraction(digits: str) -> timedelta:
    whole = int(digits[:6].ljust(6, "0"))
    return timedelta(microseconds=whole + bool(digits[6:].strip("0")))


def _zone(sign: str | None, zone: str | None) -> timedelta:
    if zone is None:
        return timedelta(0)
    hours, minutes = map(int, zone.split(":"))
    if hours > 23 or minutes > 59:  # noqa: PLR2004 - the limits of a clock
        raise ValueError(f"there is no time zone {sign}{zone}")
    offset = timedelta(hours=hours, minutes=minutes)
    return -offset if sign == "-" else offset


def parse_start(text: str, base: datetime) -> datetime:
    """The moment that a command line names: RFC 3339, or an offset counted from ``base``.

    Raises:
        WaveError: neither form, or the sum leaves the calendar.
    """
    return counted_from(parse_offset_or_moment(text), base)


def parse_offset_or_moment(text: str) -> timedelta | datetime:
    """What ``text`` says: a span to be counted from a base time, or a fixed moment.

    Raises:
        WaveError: neither form.
    """
    if _OFFSET.fullmatch(text):
        return parse_offset(text)
    if text[:4].isdecimal() and text[4:5] == "-":
        return parse_moment(text)
    raise WaveError(
        f"{quoted(text)} is neither an offset such as '4 hours' nor an RFC 3339 moment such as"
        " 2031-04-07T09:00:00Z"
    )


def counted_from(start: timedelta | datetime, base: datetime) -> datetime:
    """``start`` as a moment in UTC: a span counts from ``base``, a moment stands for itself.

    Raises:
        WaveError: ``base`` carries no time zone, or the sum leaves the calendar.
    """
    if isinstance(start, datetime):
        return in_utc(start)
    try:
        moment = in_utc(base) + start
    except OverflowError:
        raise WaveError(f"{start} after {format_moment(base)} is after the year 9999") from None
    if moment > _LAST:
        raise WaveError(f"{start} after {format_moment(base)} is after the year 9999")
    return moment


def in_utc(moment: datetime) -> datetime:
    """The same moment on the UTC clock.

    Raises:
        WaveError: the moment carries no time zone, so it names no point in time, or it leaves the
            calendar in UTC.
    """
    if moment.utcoffset() is None:
        raise WaveError(f"{moment.isoformat()} has no time zone; add Z or an offset like +02:00")
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise WaveError(f"{moment.isoformat()} lies outside the years 1 to 9999 in UTC") from None


def whole_second(moment: datetime) -> datetime:
    """``moment`` in UTC, rounded up to a whole second: the one form every reader takes (D4)."""
    moment = in_utc(moment)
    floor = moment.replace(microsecond=0)
    return floor if floor in (moment, _LAST) else floor + _SECOND


def format_moment(moment: datetime) -> str:
    """``moment`` as ``YYYY-MM-DDTHH:MM:SSZ``, rounded up to the second (formats 2.4)."""
    return f"{whole_second(moment).replace(tzinfo=None).isoformat()}Z"
