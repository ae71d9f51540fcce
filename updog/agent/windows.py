"""The words of a schedule as values: windows, blackouts, and when to ask. PURE.

A calendar is made of them in `updog.agent.calendar`. Every reader raises ValueError and says what
it expected; `updog.config` adds file and key. Everything here is light: the configuration is
read by commands that need no calendar.
"""

from __future__ import annotations

import re
from datetime import date, timedelta
from typing import NamedTuple

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
DAY_MINUTES = 24 * 60
MINUTES = 60
LAST_MINUTE = 59
CRON_FIELDS = 5
LEAP_YEAR = 2024
LONGEST_WINDOW = timedelta(days=7)
SHORTEST_CHECK = timedelta(minutes=1)
LONGEST_CHECK = timedelta(weeks=4)

_WINDOW = re.compile(r"(?P<days>[A-Za-z,-]+) +(?P<start>\d\d:\d\d)-(?P<end>\d\d:\d\d)", re.ASCII)
_CRON_WINDOW = re.compile(r"cron +(?P<cron>.+?) +for +(?P<length>\d+ +\w+)", re.ASCII)
_CRON_FIELD = re.compile(r"[0-9A-Za-z*/,?L#-]+", re.ASCII)
_DAY = re.compile(r"(?:(?P<year>\d{4})-)?(?P<month>\d\d)-(?P<day>\d\d)", re.ASCII)


class Window(NamedTuple):
    """A weekly window.

    Attributes:
        days: the days it begins on, 0 for Monday.
        start: minutes from midnight by the clock on the wall.
        end: the same; at or before `start` it lies on the next day.
    """

    days: frozenset[int]
    start: int
    end: int


class CronWindow(NamedTuple):
    """A window that begins whenever a cron expression says.

    Attributes:
        cron: the expression.
        length: how long it lasts, in real time.
    """

    cron: str
    length: timedelta


class Every(NamedTuple):
    """A moment at each whole multiple of a span since 1970 (UTC).

    Attributes:
        span: from one to the next.
    """

    span: timedelta


class Fires(NamedTuple):
    """The moments that a cron expression says.

    Attributes:
        cron: the expression.
    """

    cron: str


class Blackout(NamedTuple):
    """Days on which nothing is installed and nothing restarts, the first and the last included.

    Attributes:
        first: year, or None for every year; month; day.
        last: the same.
    """

    first: tuple[int | None, int, int]
    last: tuple[int | None, int, int]

    def covers(self, day: date) -> bool:
        """Whether a day is one of them."""
        today = (day.month, day.day)
        first, last = self.first[1:], self.last[1:]
        if self.first[0] is not None:
            return self.first <= (day.year, *today) <= self.last
        if first <= last:
            return first <= today <= last
        return today >= first or today <= last


def window(text: str) -> Window | CronWindow:
    """Read ``Mon-Fri 02:00-05:00``, ``daily 22:00-04:00`` or ``cron 0 2 1-7 * * for 3 hours``.

    Raises:
        ValueError: it is neither.
    """
    if text.startswith("cron "):
        return _cron_window(text)
    match = _WINDOW.fullmatch(text)
    if match is None:
        raise ValueError(
            f"{text!r} is no window; write 'Mon-Fri 02:00-05:00', 'daily 02:00-05:00' or"
            " 'cron 0 2 * * sun for 3 hours'"
        )
    start, end = _minutes(match["start"]), _minutes(match["end"])
    if start in (end, DAY_MINUTES):
        raise ValueError(f"{text!r} ends where it begins; a whole day is 00:00-24:00")
    return Window(_days(match["days"]), start, end)


def check(text: str) -> Every | Fires:
    """Read ``4 hours``, or a cron expression such as ``15 */4 * * *``.

    Raises:
        ValueError: it is neither.
    """
    if len(text.split()) == CRON_FIELDS:
        return Fires(cron(text))
    span = _span(text)
    if not SHORTEST_CHECK <= span <= LONGEST_CHECK:
        raise ValueError(f"must lie between 1 minute and 4 weeks, not {text}")
    return Every(span)


def cron(text: str) -> str:
    """Take a cron expression by its form; `updog.agent.cron` knows what it means.

    Raises:
        ValueError: it has not five fields.
    """
    fields = text.split()
    if len(fields) != CRON_FIELDS or not all(map(_CRON_FIELD.fullmatch, fields)):
        raise ValueError(f"{text!r} is no cron expression of minute, hour, day, month, weekday")
    return " ".join(fields)


def blackout(text: str) -> Blackout:
    """Read ``2031-12-20..2032-01-06``, ``2031-12-24``, or of every year: ``12-24..01-02``.

    Raises:
        ValueError: it is none of these, has a day that does not exist, or ends before it begins.
    """
    begin, _, end = text.partition("..")
    first, last = _day(begin, text), _day(end or begin, text)
    if (first[0] is None) != (last[0] is None):
        raise ValueError(f"{text!r}: give the year on both sides, or on none")
    # Without years, an end before the beginning lies in the next year.
    if first[0] is not None and last < first:
        raise ValueError(f"{text!r} ends before it begins")
    return Blackout(first, last)


def _cron_window(text: str) -> CronWindow:
    match = _CRON_WINDOW.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is no window; write 'cron 0 2 * * sun for 3 hours'")
    length = _span(match["length"])
    if not timedelta(0) < length <= LONGEST_WINDOW:
        raise ValueError(f"{text!r} must last above 0 and at most 7 days")
    return CronWindow(cron(match["cron"]), length)


def _span(text: str) -> timedelta:
    from waves.duration import parse_offset  # noqa: PLC0415 - start-up: few have a schedule

    return parse_offset(text)


def _days(text: str) -> frozenset[int]:
    if text.lower() == "daily":
        return frozenset(range(len(DAYS)))
    found: set[int] = set()
    for part in text.lower().split(","):
        begin, _, end = part.partition("-")
        first, last = _weekday(begin), _weekday(end or begin)
        # Fri-Mon goes over the end of the week.
        found.update((first + step) % 7 for step in range((last - first) % 7 + 1))
    return frozenset(found)


def _weekday(text: str) -> int:
    if text not in DAYS:
        raise ValueError(f"{text!r} is no day; write Mon, Tue, Wed, Thu, Fri, Sat, Sun or daily")
    return DAYS.index(text)


def _minutes(text: str) -> int:
    hours, minutes = int(text[:2]), int(text[3:])
    total = hours * MINUTES + minutes
    if minutes > LAST_MINUTE or total > DAY_MINUTES:
        raise ValueError(f"{text!r} is no time of day")
    return total


def _day(text: str, whole: str) -> tuple[int | None, int, int]:
    match = _DAY.fullmatch(text)
    if match is None:
        raise ValueError(f"{whole!r} are no days; write 2031-12-20..2032-01-06 or 12-24..01-02")
    year = int(match["year"]) if match["year"] else None
    try:
        # A day of every year may be the 29th of February.
        named = date(year or LEAP_YEAR, int(match["month"]), int(match["day"]))
    except ValueError as error:
        raise ValueError(f"{whole!r} has a day that does not exist") from error
    return year, named.month, named.day
