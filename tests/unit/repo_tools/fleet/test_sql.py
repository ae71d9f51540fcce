"""The queries stay in the subset of SQL that DuckDB, Trino and Athena share."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pytest

from repo_tools.fleet import export, queries
from repo_tools.fleet.asking import Question
from repo_tools.fleet.logformats import LogFormat
from updog.errors import UsageError
from updog.version import Version
from waves.schedule import MAX_SEED, Schedule, Wave

FILES = sorted(Path(queries.__file__).parent.joinpath("sql").glob("*.sql"))
QUESTION = Question(
    Version.parse("1.1.0"), Schedule((Wave(0, datetime(2031, 4, 7, tzinfo=UTC)),)), "o'edge"
)
# Each of these means the same to all three, for what is given to it here.
SHARED = {
    "cast",
    "concat",
    "count",
    "date_trunc",
    "in",
    "max",
    "max_by",
    "min",
    "nullif",
    "regexp_extract",
    "replace",
    "split_part",
    "strpos",
    "sum",
    "try_cast",
    "values",
    "and",
    "or",
    "from",
    "where",
    "as",
    "join",
}
NOT_SHARED = re.compile(
    r"::|\[|\b(?:QUALIFY|ILIKE|EXCLUDE|PIVOT|SAMPLE)\b|GROUP BY ALL|//|;|\{", re.IGNORECASE
)


def bare(sql: str) -> str:
    """The query without comments and without what stands in quotes."""
    return re.sub(r"'[^']*'", "''", re.sub(r"--.*", "", sql))


each_query = pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)


def test_every_query_is_a_stage_or_a_report() -> None:
    known = {"visits", "targets", *queries.STAGES, *queries.REPORTS}
    assert {path.stem for path in FILES} == known


@each_query
def test_only_functions_that_all_engines_know_are_called(path: Path) -> None:
    called = {name.lower() for name in re.findall(r"\b(\w+)\s*\(", bare(path.read_text()))}
    assert called <= SHARED


@each_query
def test_no_syntax_of_one_engine_is_used(path: Path) -> None:
    assert NOT_SHARED.search(bare(path.read_text())) is None


@each_query
def test_the_head_says_which_tables_are_read(path: Path) -> None:
    head = " ".join(re.findall(r"^--(.*)", path.read_text(), re.MULTILINE))
    told = set(re.findall(r"\w+", head.partition("Reads: ")[2]))
    read = set(re.findall(r"\b(?:FROM|JOIN)\s+(\w+)", bare(path.read_text())))
    assert read == told


def test_no_query_wants_the_same_functions_of_the_question() -> None:
    called = re.findall(r"\b(\w+)\s*\(", bare(queries.asked(QUESTION) + queries.plan(None)))
    assert {name.lower() for name in called} <= SHARED


def test_the_plan_has_every_seed_once() -> None:
    rows = duckdb.connect().execute(queries.plan(QUESTION.schedule)).fetchall()
    assert [row[0] for row in rows] == list(range(MAX_SEED))


def test_times_have_the_milliseconds_that_tables_of_athena_want() -> None:
    written = re.findall(r"TIMESTAMP '([^']*)'", queries.plan(QUESTION.schedule))
    assert set(written) == {"2031-04-07 00:00:00.000"}


def test_times_with_milliseconds_are_plain_timestamps() -> None:
    planned = duckdb.connect().sql(queries.plan(QUESTION.schedule))
    found = planned.project("ready_at, typeof(ready_at)").distinct().fetchall()
    assert found == [(datetime(2031, 4, 7), "TIMESTAMP")]  # noqa: DTZ001 - as DuckDB gives it


@pytest.mark.parametrize(("seed", "wave"), [(0, 0), (9, 0), (10, 0), (19, 0), (20, 1), (2047, 1)])
def test_a_seed_belongs_to_the_wave_in_whose_window_it_is(seed: int, wave: int) -> None:
    start = datetime(2031, 4, 7, tzinfo=UTC)
    assert queries.wave_of(Schedule((Wave(10, start), Wave(20, start))), seed) == wave


@pytest.mark.parametrize("log_format", LogFormat)
def test_what_is_exported_runs_in_the_order_of_its_names(
    tmp_path: Path, log_format: LogFormat
) -> None:
    written = export.write(QUESTION, tmp_path / "sql", log_format)
    declares, *rest = sorted((tmp_path / "sql").iterdir())
    assert written == [declares, *rest]
    assert "CREATE EXTERNAL TABLE" in declares.read_text()
    # Athena's declaration cannot run here; its view has these columns, in an engine of ours.
    with duckdb.connect() as connection:
        connection.execute(
            "CREATE TABLE requests (requested_at TIMESTAMP, client_ip VARCHAR, method VARCHAR,"
            " path VARCHAR, query VARCHAR, status INTEGER, bytes BIGINT)"
        )
        for path in rest:
            connection.execute(path.read_text())


@pytest.mark.parametrize("log_format", LogFormat)
def test_the_declaration_for_athena_gives_the_columns_that_queries_read(
    log_format: LogFormat,
) -> None:
    view = queries.read(f"athena/{log_format}").partition("CREATE OR REPLACE VIEW requests")[2]
    names = re.findall(r"(\w+)(?:,?\n)", view.partition("SELECT")[2].partition("FROM")[0])
    assert names == ["requested_at", "client_ip", "method", "path", "query", "status", "bytes"]


def test_a_folder_that_is_in_use_is_kept(tmp_path: Path) -> None:
    (tmp_path / "mine").touch()
    with pytest.raises(UsageError, match="is not empty"):
        export.write(QUESTION, tmp_path, LogFormat.S3)
