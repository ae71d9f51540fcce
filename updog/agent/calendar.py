"""When a machine may ask, install and restart. PURE: the time comes in.

Weekly windows go by the clock on the wall: a moment is inside if what the clock shows is. In the
night when an hour is repeated both passes count, in the night when it is skipped none does. A
window of a cron expression begins by the rule of `updog.agent.cron` and then lasts its full length.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo

from updog.agent.wallclock import instant
from updog.agent.windows import DAY_MINUTES, MINUTES, Blackout, CronWindow, Every, Fires, Window

DAY = timedelta(days=1)
HORIZON_DAYS = 800
"""How far ahead an open window is looked for."""
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
USUAL_CHECK = Every(timedelta(hours=4))


def share(identity: str) -> float:
    """Where a host lies in whatever is spread over the fleet: 0 to below 1, evenly, and for ever.

    Args:
        identity: what tells this host from others.
    """
    digest = hashlib.sha256(b"updog schedule\0" + identity.encode()).digest()
    return int.from_bytes(digest[:6]) / (1 << 48)


@dataclass(frozen=True, slots=True)
class Calendar:
    """A schedule on the clock of its zone, for one host.

    Attributes:
        zone: the zone of all its times.
        check: when the fleet asks.
        delay: how much later this host does; see `share`.
        windows: when the machine may restart; empty for any time.
        blackouts: days without installing and restarting.
        downloads_in_windows: whether installing keeps to the windows too.
    """

    zone: tzinfo = UTC
    check: Every | Fires = USUAL_CHECK
    delay: timedelta = timedelta(0)
    windows: tuple[Window | CronWindow, ...] = ()
    blackouts: tuple[Blackout, ...] = ()
    downloads_in_windows: bool = False

    def is_open(self, now: datetime) -> bool:
        """Whether the machine may restart now."""
        if self.is_blackout(now):
            return False
        return not self.windows or any(self._covers(each, now) for each in self.windows)

    def may_install(self, now: datetime) -> bool:
        """Whether an update may be fetched and written now."""
        return self.is_open(now) if self.downloads_in_windows else not self.is_blackout(now)

    def is_blackout(self, now: datetime) -> bool:
        """Whether today, on the clock of the zone, nothing is installed and nothing restarts."""
        return self._is_black(now.astimezone(self.zone).date())

    def next_open(self, now: datetime) -> datetime | None:
        """The first moment from now on at which the machine may restart, or None within two years.

        To the second; in UTC.
        """
        return self._next(now, self.windows)

    def next_install(self, now: datetime) -> datetime | None:
        """The same for installing."""
        return self._next(now, self.windows if self.downloads_in_windows else ())

    def next_check(self, now: datetime) -> datetime:
        """When this host asks next, after now."""
        earlier = now - self.delay
        if isinstance(self.check, Every):
            return _floor(earlier, self.check.span) + self.check.span + self.delay
        from updog.agent import cron  # noqa: PLC0415 - croniter is needed by those who use cron

        return cron.after(self.check.cron, earlier, self.zone) + self.delay

    def last_check(self, now: datetime) -> datetime:
        """When this host should have asked last, up to now."""
        earlier = now - self.delay
        if isinstance(self.check, Every):
            return _floor(earlier, self.check.span) + self.delay
        from updog.agent import cron  # noqa: PLC0415 - the same

        return cron.latest(self.check.cron, earlier, self.zone) + self.delay

    def next_day(self, now: datetime) -> datetime:
        """When the next day begins on the clock of the zone; in UTC."""
        return self._begins(now.astimezone(self.zone).date() + DAY)

    def _is_black(self, day: date) -> bool:
        return any(blackout.covers(day) for blackout in self.blackouts)

    def _covers(self, window: Window | CronWindow, now: datetime) -> bool:
        if isinstance(window, CronWindow):
            from updog.agent import cron  # noqa: PLC0415 - the same

            return now < cron.latest(window.cron, now, self.zone) + window.length
        shown = now.astimezone(self.zone)
        minute, today = shown.hour * MINUTES + shown.minute, shown.weekday()
        if window.start < window.end:
            return today in window.days and window.start <= minute < window.end
        late = today in window.days and minute >= window.start
        return late or ((today - 1) % 7 in window.days and minute < window.end)

    def _next(self, now: datetime, windows: tuple[Window | CronWindow, ...]) -> datetime | None:
        plain = Calendar(zone=self.zone, windows=windows, blackouts=self.blackouts)
        if plain.is_open(now):
            return now
        today = now.astimezone(self.zone).date()
        for ahead in range(HORIZON_DAYS):
            day = today + ahead * DAY
            if plain._is_black(day):
                continue
            found = sorted(at for at in plain._changes(day) if at > now and plain.is_open(at))
            if found:
                return found[0]
        return None

    def _changes(self, day: date) -> Iterator[datetime]:
        """The moments of a day at which a window may open: its beginning, and theirs."""
        begin = self._begins(day)
        yield begin
        for window in self.windows:
            if isinstance(window, CronWindow):
                yield from self._cron_starts(window.cron, begin, self._begins(day + DAY))
            elif day.weekday() in window.days and window.start < DAY_MINUTES:
                yield self._shown(day, window.start)

    def _cron_starts(self, expression: str, begin: datetime, end: datetime) -> Iterator[datetime]:
        from updog.agent import cron  # noqa: PLC0415 - the same

        at = cron.after(expression, begin - timedelta(seconds=1), self.zone)
        while at < end:
            yield at
            at = cron.after(expression, at, self.zone)

    def _begins(self, day: date) -> datetime:
        return self._shown(day, 0)

    def _shown(self, day: date, minute: int) -> datetime:
        shown = datetime.combine(day, time(minute // MINUTES, minute % MINUTES))
        return instant(shown, self.zone)


def _floor(moment: datetime, span: timedelta) -> datetime:
    return EPOCH + (moment - EPOCH) // span * span
