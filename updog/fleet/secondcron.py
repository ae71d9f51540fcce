"""Cron expressions with seconds, as Bottlerocket's operator takes them. PURE.

Six or seven fields, in UTC: second, minute, hour, day, month, weekday, and perhaps the year. Days
of the week are counted from Sunday as 1 to Saturday as 7, and where both a day and a weekday are
given, both must fit. That is how those expressions were meant by the program they come from, and
differs from most crons on both counts.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from croniter import CroniterError, croniter

FIELDS = (6, 7)
ALWAYS = "* * * * * * *"
EVERY_SECOND = frozenset({"*", "*/1", "0-59", "0/1", "0-59/1"})
SECOND = timedelta(seconds=1)
_WEEKDAY = 5
_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_NUMBER = re.compile(r"(?<![/\d])\d+")
_PROBE = datetime(2024, 1, 1, tzinfo=UTC)


class SecondCron(NamedTuple):
    """One expression.

    Attributes:
        text: as it was given.
        translated: as croniter reads it.
    """

    text: str
    translated: str

    @property
    def lasts(self) -> bool:
        """Whether it describes spans of time: it happens at every second of its minutes.

        Told by its form alone, so that it does not depend on when one looks.
        """
        return self.text.split()[0] in EVERY_SECOND

    def latest(self, moment: datetime) -> datetime | None:
        """The last second at which it happened, up to a moment; None if it never did."""
        return self._fire(moment.replace(microsecond=0) + SECOND, before=True)

    def after(self, moment: datetime) -> datetime | None:
        """The first second at which it happens after a moment; None if it never does."""
        return self._fire(moment, before=False)

    def covers(self, moment: datetime) -> bool:
        """Whether it happens in the second of a moment."""
        return self.latest(moment) == moment.replace(microsecond=0)

    def _fire(self, moment: datetime, *, before: bool) -> datetime | None:
        fires = croniter(self.translated, moment, second_at_beginning=True, day_or=False)
        try:
            found: datetime = fires.get_prev(datetime) if before else fires.get_next(datetime)
        except CroniterError:
            return None
        return found


def parse(text: str) -> SecondCron:
    """Read an expression.

    Raises:
        ValueError: it is none, or never happens at all.
    """
    fields = text.lower().split()
    if len(fields) not in FIELDS:
        raise ValueError(
            f"{text!r} has {len(fields)} fields; write second, minute, hour, day, month, weekday"
            " and perhaps year, such as '* * 2-4 * * Sat *'"
        )
    fields[_WEEKDAY] = _weekday(fields[_WEEKDAY], text)
    found = SecondCron(text, " ".join("*" if each == "?" else each for each in fields))
    try:
        known = found.after(_PROBE)
    except (CroniterError, ValueError, KeyError, OverflowError) as error:
        raise ValueError(f"{text!r} is no cron expression: {error}") from error
    if known is None:
        raise ValueError(f"{text!r} never happens")
    return found


def _weekday(field: str, text: str) -> str:
    """Days from 1 to 7 as croniter's names of days, which no count can mistake."""

    def named(match: re.Match[str]) -> str:
        number = int(match[0])
        if not 1 <= number <= len(_DAYS):
            raise ValueError(f"{text!r}: days of the week are 1 (Sunday) to 7 (Saturday), or names")
        return str(number - 1)

    # Names first become numbers, so that a range from a name to a number is one, too.
    for index, name in enumerate(_DAYS, start=1):
        field = re.sub(rf"\b{name}[a-z]*\b", str(index), field)
    return _NUMBER.sub(named, field)
