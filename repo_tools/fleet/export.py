"""A question as files of SQL, for Athena or Trino, where logs outgrow one machine."""

from __future__ import annotations

from pathlib import Path

from repo_tools.fleet import queries
from repo_tools.fleet.asking import Question
from repo_tools.fleet.logformats import LogFormat
from updog.errors import UsageError


def write(question: Question, folder: Path, log_format: LogFormat) -> list[Path]:
    """Write what is to be run, in the order of the names.

    Args:
        question: what is asked.
        folder: made if it is not there.
        log_format: of the logs in the bucket.

    Raises:
        UsageError: the folder holds something already.
        OSError: it cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise UsageError(f"{folder} is not empty.", hint="Name a folder that is new.")
    written = []
    for number, (name, sql) in enumerate(_statements(question, log_format)):
        path = folder / f"{number:02}-{name}.sql"
        path.write_text(f"{sql}\n", encoding="utf-8")
        written.append(path)
    return written


def _statements(question: Question, log_format: LogFormat) -> list[tuple[str, str]]:
    made = {
        "visits": queries.read("visits"),
        "asked": queries.asked(question),
        "plan": queries.plan(question.schedule),
        **{stage: queries.read(stage) for stage in queries.STAGES},
    }
    tables = [(name, f"CREATE TABLE {name} AS\n{sql}") for name, sql in made.items()]
    reports = [(name, queries.read(name)) for name in queries.REPORTS]
    return [("requests", queries.read(f"athena/{log_format}")), *tables, *reports]
