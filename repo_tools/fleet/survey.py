"""From logs in a database to a report: the queries in their order, their rows as values."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, TypeVar

from repo_tools.fleet import queries
from repo_tools.fleet.asking import Question
from repo_tools.fleet.database import Database
from repo_tools.fleet.figures import (
    DayCount,
    Event,
    Fleet,
    Lines,
    LostHost,
    State,
    Traffic,
    VersionCount,
    WaveCount,
)
from updog.errors import DataError
from updog.version import Version

T = TypeVar("T")


def newest_rollout(database: Database) -> Version:
    """The release that most hosts fetched; where none was fetched, what most requests report.

    Raises:
        DataError: no line is a client's.
    """
    for release, _wanted, _hosts in database.rows(queries.read("targets")):
        try:
            return Version.parse(str(release))
        except ValueError:
            continue  # looks like a version, and is none
    raise _nobody(_lines(database))


def survey(database: Database, question: Question) -> Fleet:
    """Answer a question from what is loaded.

    Raises:
        DataError: no line is a client's.
    """
    lines = _lines(database)
    span = database.rows("SELECT min(requested_at), max(requested_at) FROM visits")[0]
    if span[0] is None or not _clients(lines):
        raise _nobody(lines)
    database.stage("asked", queries.asked(question))
    database.stage("plan", queries.plan(question.schedule))
    for stage in queries.STAGES:
        database.stage(stage, queries.read(stage))
    begin, end = _row(span)
    counted = dict(_report(database, "states"))
    return Fleet(
        question=question,
        begin=begin,
        end=end,
        lines=lines,
        versions=_values(database, "versions", VersionCount),
        days=_values(database, "days", DayCount),
        states={state: counted[state.value] for state in State if state.value in counted},
        waves=_values(database, "waves", WaveCount),
        progress=_values(database, "progress", Event),
        lost=tuple(_lost(row) for row in _report(database, "lost")),
        traffic=_values(database, "traffic", Traffic),
    )


def _lines(database: Database) -> Lines:
    kinds = dict(_report(database, "lines"))
    return Lines(kinds, database.rejected, tuple(database.samples or ()))


def _clients(lines: Lines) -> int:
    """Lines of clients that say who they are."""
    return sum(count for kind, count in lines.kinds.items() if kind not in {"unreadable", "other"})


def _nobody(lines: Lines) -> DataError:
    return DataError(
        f"None of {lines.total} lines is from a client that tells its seed and version;"
        f" {lines.unreadable} could not be read.",
        hint="Clients tell them unless download.send_host_info is false (docs/fleet.md).",
    )


def _report(database: Database, name: str) -> Iterable[Any]:
    return [_row(row) for row in database.rows(queries.read(name))]


def _values(database: Database, name: str, kind: type[T]) -> tuple[T, ...]:
    """The rows of a report as values: its columns are the attributes, in their order."""
    return tuple(kind(*row) for row in _report(database, name))


def _row(row: tuple[object, ...]) -> tuple[Any, ...]:
    """Times in the database are UTC without saying so."""
    return tuple(each.replace(tzinfo=UTC) if isinstance(each, datetime) else each for each in row)


def _lost(row: tuple[Any, ...]) -> LostHost:
    ip, _host_seed, seed, state, *rest = row
    return LostHost(ip, seed, State(state), *rest)
