"""The SQL files of the fleet view, and the two small views that carry a question.

``sql/*.sql`` are SELECT statements in the subset that DuckDB, Trino and Athena share; a file is
named after the table that it makes or the report that it is. ``sql/duckdb/`` reads the lines of
logs, ``sql/athena/`` declares logs in a bucket: these two give each engine its table `requests`.
"""

from __future__ import annotations

from bisect import bisect_right
from datetime import datetime
from importlib.resources import files

from repo_tools.fleet.asking import Question
from waves.duration import whole_second
from waves.schedule import MAX_SEED, Schedule

STAGES = ("hostdays", "hosts", "standing")
"""Tables made one after another, behind `visits`, `asked` and `plan`."""

REPORTS = ("lines", "versions", "days", "states", "waves", "progress", "lost", "traffic")

_NO_WAVES = datetime.fromisoformat("1970-01-01T00:00:00+00:00")


def read(name: str) -> str:
    """The text of a query, such as ``hosts`` or ``duckdb/lines``."""
    path = files("repo_tools.fleet").joinpath("sql", *f"{name}.sql".split("/"))
    return path.read_text(encoding="utf-8").strip()


def asked(question: Question) -> str:
    """The query of the view `asked`: one row with what the question says. Reads: visits."""
    grace = int(question.grace.total_seconds())
    parts = (
        f"{literal(str(question.version))} AS version",
        f"{literal(question.by.value)} AS host_by",
        f"CAST({literal(question.variant)} AS VARCHAR) AS variant",
        f"CAST({literal(question.arch)} AS VARCHAR) AS arch",
        "max(requested_at) AS log_end",
        f"max(requested_at) - INTERVAL '{grace}' SECOND AS lost_before",
    )
    return f"SELECT {', '.join(parts)} FROM visits"  # noqa: S608 - literals that are quoted


def plan(schedule: Schedule | None) -> str:
    """The query of the view `plan`: for each seed its wave (from 0) and when it is ready."""
    if schedule is None:
        return (
            "SELECT CAST(NULL AS INTEGER) AS seed, CAST(NULL AS INTEGER) AS wave,"
            " CAST(NULL AS TIMESTAMP) AS ready_at WHERE 1 = 0"
        )
    rows = (
        f"({seed}, {wave_of(schedule, seed)}, {_timestamp(schedule.ready_at(seed) or _NO_WAVES)})"
        for seed in range(MAX_SEED)
    )
    return f"SELECT * FROM (VALUES {', '.join(rows)}) AS planned (seed, wave, ready_at)"  # noqa: S608 - numbers


def wave_of(schedule: Schedule, seed: int) -> int:
    """The number of the wave, from 0, in whose window a seed becomes ready."""
    firsts = [wave.first_seed for wave in schedule.waves]
    return max(0, bisect_right(firsts, seed) - 1)


def literal(text: str | None) -> str:
    """A string as SQL writes it."""
    return "NULL" if text is None else "'" + text.replace("'", "''") + "'"


def _timestamp(moment: datetime) -> str:
    # Its digits are its type. Tables of Athena and Hive take three, and no other number.
    return f"TIMESTAMP '{whole_second(moment):%Y-%m-%d %H:%M:%S}.000'"
