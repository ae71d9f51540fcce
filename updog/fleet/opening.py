"""When new nodes may be taken. PURE: the time comes in.

What has begun is always finished; a window only decides what is begun.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from updog.agent.calendar import Calendar
from updog.fleet.secondcron import ALWAYS, SecondCron


class Opening(NamedTuple):
    """Whether nodes may be taken now.

    Attributes:
        open: whether they may.
        round: whether it is a round that ends when nothing is left to take.
        next: when they may again, as far as is known; None while they may.
    """

    open: bool
    round: bool = False
    next: datetime | None = None


OPEN = Opening(open=True)


@dataclass(frozen=True, slots=True)
class Windows:
    """When nodes may be taken: by one of the two, or always.

    Attributes:
        calendar: weekly windows with their zone.
        cron: an expression. One that lasts is a window; any other begins a round whenever it
            happens, and the round ends when nothing is left to take.
    """

    calendar: Calendar | None = None
    cron: SecondCron | None = None

    def at(self, now: datetime, closed: datetime | None) -> Opening:
        """Whether nodes may be taken.

        Args:
            now: when.
            closed: when the last round ended, or the fleet was set up; None if that is not known.
        """
        if self.calendar is not None:
            shut = not self.calendar.is_open(now)
            return Opening(open=False, next=self.calendar.next_open(now)) if shut else OPEN
        if self.cron is None or self.cron.text == ALWAYS:
            return OPEN
        if self.cron.lasts:
            shut = not self.cron.covers(now)
            return Opening(open=False, next=self.cron.after(now)) if shut else OPEN
        return _round(self.cron, now, closed)


def _round(cron: SecondCron, now: datetime, closed: datetime | None) -> Opening:
    began = cron.latest(now)
    if began is not None and (closed is None or began > closed):
        return Opening(open=True, round=True)
    return Opening(open=False, round=True, next=cron.after(now))
