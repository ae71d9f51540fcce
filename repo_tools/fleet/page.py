"""A report as one HTML page that needs nothing else: no script, no request, light and dark. PURE.

Its content security policy forbids scripts and requests, whatever a log may have brought in; and
nothing from a log gets in unescaped.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from html import escape
from importlib.resources import files

from repo_tools.fleet import charts, svg
from repo_tools.fleet.figures import LOST, MEANING, Fleet, State
from repo_tools.fleet.text import printable, share, when
from waves.duration import format_moment

SHOWN = 200
"""How many rows a table of the page has at most."""

_POLICY = "default-src 'none'; style-src 'unsafe-inline'"


def page(fleet: Fleet) -> str:
    """The whole page."""
    title = f"Fleet: {fleet.question.version}"
    style = files("repo_tools.fleet").joinpath("page.css").read_text(encoding="utf-8")
    body = "\n".join(_body(fleet))
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        f"<title>{escape(title)}</title>\n<style>\n{style}</style>\n</head>\n<body>\n"
        f"{body}\n</body>\n</html>\n"
    )


def _body(fleet: Fleet) -> Iterator[str]:
    yield f"<h1>Release {escape(str(fleet.question.version))}</h1>"
    yield f"<p>Logs from {format_moment(fleet.begin)} to {format_moment(fleet.end)}</p>"
    yield _tiles(fleet)
    yield from _section("Progress", charts.progress(fleet), svg.lines)
    if fleet.waves:
        yield from _section("Waves", charts.waves(fleet), svg.bars)
        yield _waves(fleet)
    yield from _section("Versions", charts.versions(fleet), svg.bars)
    yield _versions(fleet)
    yield "<h2>Where hosts stand</h2>"
    yield _states(fleet)
    yield "<h2>Failures to come back</h2>"
    yield _lost(fleet)
    yield from _section("Traffic", charts.traffic(fleet), svg.bars)
    yield from _lines(fleet)


def _tiles(fleet: Fleet) -> str:
    updated = fleet.states.get(State.RUNNING, 0) + fleet.states.get(State.AHEAD, 0)
    tiles = (
        (svg.short(fleet.hosts), "hosts"),
        (share(updated, fleet.hosts), "run the release or a newer one"),
        (svg.short(fleet.states.get(State.ON_THE_WAY, 0)), "on the way"),
        (svg.short(fleet.lost_count), "did not come back"),
    )
    cells = (f"<li><b>{escape(value)}</b> {escape(what)}</li>" for value, what in tiles)
    return f'<ul class="tiles">{"".join(cells)}</ul>'


def _section(title: str, chart: svg.Chart, draw: Callable[[svg.Chart], str]) -> Iterator[str]:
    yield f"<h2>{escape(title)}</h2>"
    drawn = draw(chart)
    caption = f"{escape(chart.title)}{svg.legend(chart)}"
    yield f"<figure>{drawn}<figcaption>{caption}</figcaption></figure>"


def _states(fleet: Fleet) -> str:
    rows = [
        (state.value, str(count), share(count, fleet.hosts), MEANING[state])
        for state, count in fleet.states.items()
    ]
    return _table(("state", "hosts", "share", "meaning"), rows)


def _versions(fleet: Fleet) -> str:
    rows = [
        (
            each.version,
            each.variant or "-",
            each.arch or "-",
            str(each.hosts),
            share(each.hosts, fleet.hosts),
            format_moment(each.first_seen),
            format_moment(each.last_seen),
        )
        for each in fleet.versions
    ]
    head = ("version", "variant", "arch", "hosts", "share", "first seen", "last seen")
    return _table(head, rows)


def _waves(fleet: Fleet) -> str:
    rows = [
        (
            str(each.wave + 1),
            when(each.first_ready),
            when(each.last_ready),
            *map(str, (each.hosts, each.due, each.fetched, each.updated, each.lost, each.early)),
        )
        for each in fleet.waves
    ]
    head = ("wave", "ready", "until", "hosts", "due", "fetched", "updated", "lost", "early")
    return _table(head, rows)


def _lost(fleet: Fleet) -> str:
    rows = [
        (
            each.ip or "-",
            str(each.seed),
            each.state.value,
            each.version,
            format_moment(each.last_image_at) if each.last_image_at else "-",
            format_moment(each.last_seen),
        )
        for each in fleet.lost
    ]
    head = ("address", "seed", "state", "version", "fetched", "last seen")
    total = sum(fleet.states.get(state, 0) for state in LOST)
    return _table(head, rows, total) if rows else "<p>None.</p>"


def _lines(fleet: Fleet) -> Iterator[str]:
    read = fleet.lines
    yield "<h2>Lines</h2>"
    yield (
        f"<p>{read.total} lines, {read.kinds.get('other', 0)} of them not from clients that say who"
        f" they are, {read.unreadable} unreadable.</p>"
    )
    if read.samples:
        samples = "\n".join(escape(printable(each)) for each in read.samples)
        yield f"<pre>{samples}</pre>"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]], total: int | None = None) -> str:
    names = "".join(f"<th>{escape(each)}</th>" for each in head)
    body = "".join(
        f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in rows[:SHOWN]
    )
    more = max(len(rows), total or 0) - SHOWN
    foot = f"<p>and {more} more</p>" if more > 0 else ""
    return f'<div class="wide"><table><tr>{names}</tr>{body}</table></div>{foot}'
