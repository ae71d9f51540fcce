"""Which charts the page of a report has: its figures, put into columns. PURE."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from repo_tools.fleet.figures import Fleet
from repo_tools.fleet.svg import Chart, Series, thinned
from waves.pause import PAUSED

MOST_COLUMNS = 120
MOST_VERSIONS = 7
"""Versions with a colour of their own; all others share one."""

_HOUR = timedelta(hours=1)
_DAY = timedelta(days=1)


def versions(fleet: Fleet) -> Chart:
    """Hosts that were heard on each day, by version."""
    named = list(dict.fromkeys(row.version for row in fleet.versions))[:MOST_VERSIONS]
    days = _steps((row.day for row in fleet.days), _DAY)
    counts: dict[str, dict[datetime, int]] = defaultdict(lambda: defaultdict(int))
    for row in fleet.days:
        counts[row.version if row.version in named else "others"][row.day] += row.hosts
    names = [*named, "others"] if "others" in counts else named
    groups = thinned(len(days), MOST_COLUMNS)
    # Of days that share a column the last one is shown: hosts of several days are no sum.
    shown = [days[last - 1] for _, last in groups]
    series = [Series(name, [counts[name][day] for day in shown]) for name in names]
    return Chart("Hosts heard on each day, by version", _labels(shown, _DAY), series)


def progress(fleet: Fleet) -> Chart:
    """How much of the fleet was let in by the plan, has fetched, and reports the release."""
    hours = _between(fleet.begin, fleet.end, _HOUR)
    groups = thinned(len(hours), MOST_COLUMNS)
    shown = [hours[last - 1] for _, last in groups]
    events = ("ready", "fetched", "reported") if fleet.waves else ("fetched", "reported")
    names = {"ready": "let in by the plan", "fetched": "fetched an image", "reported": "reported"}
    series = [Series(names[event], _curve(fleet, event, shown)) for event in events]
    title = f"Progress of {fleet.question.version} in percent of the fleet"
    return Chart(title, _labels(shown, _HOUR), series, unit=" %")


def waves(fleet: Fleet) -> Chart:
    """How far each wave is, in percent of its hosts."""
    rows = fleet.waves
    columns = [f"wave {row.wave + 1}" for row in rows]
    parts = (
        ("updated", [row.updated for row in rows]),
        ("lost", [row.lost for row in rows]),
        ("due", [max(0, row.due - row.updated - row.lost) for row in rows]),
    )
    series = [
        Series(
            name,
            [min(100.0, 100 * part / row.hosts) for part, row in zip(counts, rows, strict=True)],
        )
        for name, counts in parts
    ]
    return Chart("How far each wave is, in percent of its hosts", columns, series, unit=" %")


def traffic(fleet: Fleet) -> Chart:
    """Bytes sent in each hour, or in several where the logs are long."""
    by_hour = {row.hour: row for row in fleet.traffic}
    hours = _steps(by_hour, _HOUR)
    groups = thinned(len(hours), MOST_COLUMNS)
    images, others = [], []
    for first, last in groups:
        rows = [by_hour[hour] for hour in hours[first:last] if hour in by_hour]
        images.append(sum(row.image_bytes or 0 for row in rows))
        others.append(sum((row.bytes or 0) - (row.image_bytes or 0) for row in rows))
    labels = _labels([hours[first] for first, _ in groups], _HOUR)
    series = [Series("images", images), Series("everything else", others)]
    return Chart("Bytes sent", labels, series, unit="B")


def _curve(fleet: Fleet, event: str, hours: Sequence[datetime]) -> list[float]:
    """Percent of all hosts to which an event happened until the end of each hour."""
    happened = sorted((row.hour, row.hosts) for row in fleet.progress if row.event == event)
    found, total, place = [], 0, 0
    for hour in hours:
        while place < len(happened) and happened[place][0] <= hour:
            total += happened[place][1]
            place += 1
        found.append(100 * total / max(1, fleet.hosts))
    return found


def _steps(moments: Iterable[datetime], step: timedelta) -> list[datetime]:
    """All days or hours from the first to the last of these, those without anything included."""
    known = [each for each in moments if each < PAUSED]
    return _between(min(known), max(known), step) if known else []


def _between(begin: datetime, end: datetime, step: timedelta) -> list[datetime]:
    begin = begin.replace(minute=0, second=0, microsecond=0)
    begin = begin.replace(hour=0) if step == _DAY else begin
    return [begin + number * step for number in range((end - begin) // step + 1)]


def _labels(moments: Sequence[datetime], step: timedelta) -> list[str]:
    form = "%Y-%m-%d" if step == _DAY else "%m-%d %H:%M"
    return [format(each, form) for each in moments]
