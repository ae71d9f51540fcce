"""The DuckDB behind a report: bounded in memory, asked for nothing outside, gone afterwards."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from repo_tools.fleet import queries
from repo_tools.fleet.logformats import Layout
from repo_tools.fleet.sources import LogFile, Packing, check_whole
from updog.errors import ConfigError, DataError, StorageError

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

SAMPLES = 5
SAMPLE_LENGTH = 200


@dataclass(frozen=True, slots=True)
class Limits:
    """What a report may use.

    Attributes:
        memory: as DuckDB writes it; what does not fit goes to a file beside the database.
        threads: processors; None: all.
        folder: where temporary files go; None: where the system puts them.
    """

    memory: str = "2GB"
    threads: int | None = None
    folder: Path | None = None


@dataclass(slots=True)
class Database:
    """Visits of a fleet, and what is computed from them.

    Attributes:
        connection: of DuckDB.
        home: a folder of its own for temporary files.
        rejected: lines that were no text or too long, at least.
        samples: the beginnings of some lines that could not be read.
    """

    connection: DuckDBPyConnection
    home: Path
    rejected: int = 0
    samples: list[str] | None = None

    def load(self, logs: Sequence[LogFile]) -> None:
        """Read lines into the table `visits`.

        Raises:
            DataError: a file is cut or damaged.
            StorageError: there is no room left for temporary files.
        """
        self.samples = []
        self._make_visits()
        for log in logs:
            if log.packing is Packing.ZSTD:
                check_whole(log)  # DuckDB takes a cut one for a short one
        for number, group in enumerate(_alike(logs)):
            self._view("lines", self._lines(number, group))
            self._view("requests", group[0].layout.fill(_reader(group[0].layout)))
            try:
                self._run("INSERT INTO visits " + queries.read("visits"))
            except DataError:
                for log in group:
                    check_whole(log)
                raise
            self._count_rejected()
            self._sample()

    def stage(self, name: str, sql: str) -> None:
        """Make a table of a query."""
        self._run(f"CREATE TABLE {name} AS {sql}")

    def rows(self, sql: str) -> list[tuple[object, ...]]:
        """What a query finds."""
        return self._run(sql).fetchall()

    def _make_visits(self) -> None:
        self._view("lines", "SELECT '' AS line WHERE 1 = 0")
        self._view("requests", queries.read("duckdb/combined"))
        self.stage("visits", queries.read("visits"))

    def _lines(self, number: int, group: Sequence[LogFile]) -> str:
        """The query of the lines of files, reached by names without a meaning to DuckDB."""
        folder = self.home / f"logs-{number}"
        folder.mkdir()
        names = []
        for place, log in enumerate(group):
            link = folder / f"{place:08}"
            link.symlink_to(log.path.resolve())
            names.append(queries.literal(str(link)))
        sql = queries.read("duckdb/lines").replace("{files}", ", ".join(names))
        return sql.replace("{compression}", group[0].packing)

    def _view(self, name: str, sql: str) -> None:
        self._run(f"CREATE OR REPLACE TEMP VIEW {name} AS {sql}")

    def _count_rejected(self) -> None:
        found = self.rows("SELECT count(*) FROM (SELECT DISTINCT file_id, line FROM reject_errors)")
        self.rejected += int(str(found[0][0]))
        self._run("DROP TABLE reject_errors")
        self._run("DROP TABLE reject_scans")

    def _sample(self) -> None:
        """Keep the beginnings of a few lines that could not be read, if there are any."""
        samples = self.samples if self.samples is not None else []
        if len(samples) >= SAMPLES or not self._has_unreadable():
            return
        sql = queries.read("duckdb/samples").replace("{most}", str(SAMPLES - len(samples)))
        samples += [str(line)[:SAMPLE_LENGTH] for (line,) in self.rows(sql)]

    def _has_unreadable(self) -> bool:
        return bool(self.rows("SELECT 1 FROM visits WHERE kind = 'unreadable' LIMIT 1"))

    def _run(self, sql: str) -> DuckDBPyConnection:
        import duckdb  # noqa: PLC0415 - an extra

        try:
            return self.connection.execute(sql)
        except (duckdb.OutOfMemoryException, duckdb.IOException) as error:
            raise _no_room_or_damaged(error) from error
        except duckdb.InvalidInputException as error:
            raise DataError(f"A log cannot be read: {_first_line(error)}") from error


@contextmanager
def opened(limits: Limits) -> Iterator[Database]:
    """A database on disk while the block runs.

    Raises:
        ConfigError: DuckDB is not installed, or a limit is not one.
    """
    try:
        import duckdb  # noqa: PLC0415 - an extra
    except ModuleNotFoundError as error:
        raise ConfigError(
            "The fleet view needs DuckDB, which is not installed.",
            hint="Install it with: pip install 'updog-agent[fleet]'",
        ) from error
    with TemporaryDirectory(prefix="updog-fleet-", dir=limits.folder) as home:
        settings = _settings(limits, Path(home))
        try:
            connection = duckdb.connect(f"{home}/fleet.duckdb", config=settings)
        except duckdb.Error as error:
            raise ConfigError(f"DuckDB refuses its settings: {_first_line(error)}") from error
        with connection:
            yield Database(connection, Path(home))


def _settings(limits: Limits, home: Path) -> dict[str, str | bool | int | float | list[str]]:
    settings: dict[str, str | bool | int | float | list[str]] = {
        "memory_limit": limits.memory,
        "temp_directory": f"{home}/spill",
        # Nothing is ever fetched from a network, whatever a query would like to have.
        "autoinstall_known_extensions": False,
        "allow_community_extensions": False,
        "preserve_insertion_order": False,
    }
    return settings if limits.threads is None else {**settings, "threads": limits.threads}


def _alike(logs: Iterable[LogFile]) -> list[list[LogFile]]:
    """Files that one statement can read together."""
    groups: dict[tuple[Packing, str], list[LogFile]] = {}
    for log in logs:
        groups.setdefault((log.packing, repr(log.layout)), []).append(log)
    return list(groups.values())


def _reader(layout: Layout) -> str:
    return queries.read(f"duckdb/{layout.format}")


def _no_room_or_damaged(error: Exception) -> DataError | StorageError:
    text = _first_line(error)
    if "space" in text.lower() or "memory" in text.lower():
        return StorageError(
            f"The report ran out of room: {text}",
            hint="Give it more: --memory 4GB, or --temp-dir on a disk with room.",
        )
    return DataError(f"A log cannot be read: {text}")


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0][:300]
