"""Lines of access logs, written for one story each, and the reports on them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from repo_tools.fleet.asking import Question
from repo_tools.fleet.database import Database, Limits, opened
from repo_tools.fleet.figures import Fleet
from repo_tools.fleet.logformats import LogFormat
from repo_tools.fleet.sources import look
from repo_tools.fleet.survey import survey
from updog.version import Version

BEGIN = datetime(2031, 4, 7, 9, tzinfo=UTC)
OLD, NEW = "1.0.0", "1.1.0"
HOUR = timedelta(hours=1)
SMALL = Limits(memory="500MB", threads=1)


def line(hour: float, request: str, ip: str = "192.0.2.1", status: int = 200, size: int = 9) -> str:
    """A line as nginx writes it, some hours after `BEGIN`."""
    at = BEGIN + hour * HOUR
    return f'{ip} - - [{at:%d/%b/%Y:%H:%M:%S} +0000] "{request}" {status} {size} "-" "updog"'


@dataclass
class Story:
    """What hosts did, one after another."""

    lines: list[str] = field(default_factory=list)

    def checks(
        self,
        hour: float,
        seed: int,
        version: str = OLD,
        ip: str = "192.0.2.1",
        variant: str = "edge",
    ) -> Story:
        """A host asks for the metadata."""
        path = f"/{variant}/x86_64/timestamp.json?seed={seed}&version={version}"
        self.lines.append(line(hour, f"GET {path} HTTP/1.1", ip))
        return self

    def fetches(
        self, hour: float, seed: int, target: str = NEW, ip: str = "192.0.2.1", status: int = 200
    ) -> Story:
        """A host fetches an image."""
        told = f"migrations=a.lz4%2Cmanifest.json&seed={seed}&target={target}&version={OLD}"
        request = f"GET /targets/abc.root.ext4.lz4?{told} HTTP/1.1"
        self.lines.append(line(hour, request, ip, status, 1000))
        return self

    def report(self, folder: Path, question: Question | None = None) -> Fleet:
        """The report on all of it."""
        log = folder / "access.log"
        log.write_text("".join(f"{each}\n" for each in self.lines))
        with opened(SMALL) as database:
            fill(database, log)
            return survey(database, question or Question(Version.parse(NEW)))


def fill(database: Database, *logs: Path, said: LogFormat | None = None) -> None:
    """Load logs."""
    found = [look(log, said) for log in logs]
    database.load([each for each in found if each is not None])
