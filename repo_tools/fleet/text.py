"""A report as lines for a terminal. PURE."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from datetime import datetime
from itertools import chain

from repo_tools.fleet.figures import MEANING, Fleet, LostHost, WaveCount
from waves.duration import format_moment
from waves.pause import PAUSED

SHOWN = 20
"""How many versions and lost hosts a terminal shows."""


def lines(fleet: Fleet) -> Iterator[str]:
    """The whole report, part after part."""
    parts = (_head, _states, _versions, _waves, _lost)
    return chain.from_iterable(part(fleet) for part in parts)


def printable(text: str) -> str:
    """What a terminal may be shown: nothing in a log can move its cursor."""
    return "".join(each if each.isprintable() else ascii(each)[1:-1] for each in text)


def share(part: int, whole: int) -> str:
    """A percentage with one digit behind the point."""
    return f"{100 * part / whole:.1f} %" if whole else "-"


def when(moment: datetime) -> str:
    """A moment for people; a start that is paused has none."""
    return "paused" if moment >= PAUSED else format_moment(moment)


def _head(fleet: Fleet) -> Iterator[str]:
    yield f"Release {fleet.question.version}, {fleet.hosts} hosts"
    yield f"Logs from {format_moment(fleet.begin)} to {format_moment(fleet.end)}"
    read = fleet.lines
    yield (
        f"{read.total} lines; {read.kinds.get('other', 0)} not from clients that say who they are,"
        f" {read.unreadable} unreadable"
    )
    for sample in read.samples:
        yield f"  unreadable: {printable(sample)[:100]}"


def _states(fleet: Fleet) -> Iterator[str]:
    yield ""
    rows = [
        (state.value, str(count), share(count, fleet.hosts), MEANING[state])
        for state, count in fleet.states.items()
    ]
    yield from table(("state", "hosts", "share", "meaning"), rows, right={1, 2})


def _versions(fleet: Fleet) -> Iterator[str]:
    yield ""
    rows = [
        (
            each.version,
            each.variant or "-",
            each.arch or "-",
            str(each.hosts),
            share(each.hosts, fleet.hosts),
            format_moment(each.last_seen),
        )
        for each in fleet.versions[:SHOWN]
    ]
    head = ("version", "variant", "arch", "hosts", "share", "last seen")
    yield from table(head, rows, right={3, 4})
    yield from _left_out(len(fleet.versions), "version")


def _waves(fleet: Fleet) -> Iterator[str]:
    if not fleet.waves:
        return
    yield ""
    head = ("wave", "ready", "until", "hosts", "due", "fetched", "updated", "lost", "early")
    rows = [_wave_row(each) for each in fleet.waves]
    yield from table(head, rows, right={0, 3, 4, 5, 6, 7, 8})


def _wave_row(each: WaveCount) -> tuple[str, ...]:
    counts = (each.hosts, each.due, each.fetched, each.updated, each.lost, each.early)
    moments = when(each.first_ready), when(each.last_ready)
    return (str(each.wave + 1), *moments, *map(str, counts))


def _lost(fleet: Fleet) -> Iterator[str]:
    yield ""
    yield f"{fleet.lost_count} hosts fetched an image and did not come back with the release"
    if fleet.lost:
        head = ("address", "seed", "state", "version", "fetched", "last seen")
        yield from table(head, [_lost_row(each) for each in fleet.lost[:SHOWN]], right={1})
        yield from _left_out(fleet.lost_count, "host")


def _lost_row(each: LostHost) -> tuple[str, ...]:
    fetched = format_moment(each.last_image_at) if each.last_image_at else "-"
    address = each.ip or "-"
    return address, str(each.seed), each.state, each.version, fetched, format_moment(each.last_seen)


def _left_out(count: int, what: str) -> Iterator[str]:
    if count > SHOWN:
        yield f"and {count - SHOWN} {what}s more"


def table(
    head: Sequence[str], rows: Sequence[Sequence[str]], right: AbstractSet[int] = frozenset()
) -> Iterator[str]:
    """Columns as wide as they need to be; those in ``right`` end at one place."""
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    for row in (head, *rows):
        cells = (
            each.rjust(width) if place in right else each.ljust(width)
            for place, (each, width) in enumerate(zip(row, widths, strict=True))
        )
        yield "  ".join(cells).rstrip()
