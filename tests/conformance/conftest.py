"""A repository in memory and the client's command line, called in this process."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from tests.conformance import client
from tests.fakes.clock import NOW
from tests.fakes.repository import URLS, FakeRepository


@dataclass
class Caller:
    """Calls the client as a suite would, and looks at what it leaves.

    Attributes:
        repo: what the client talks to; its log holds each request.
        home: below it, ``metadata`` and ``targets``.
        clock: where the client is told the time.
    """

    repo: FakeRepository
    home: Path
    clock: pytest.MonkeyPatch

    @property
    def metadata(self) -> Path:
        return self.home / "metadata"

    def init(self, root: bytes | None = None) -> int:
        file = self.home / "first-root"
        file.write_bytes(root or self.repo.shipped_root())
        return self._run("init", str(file))

    def refresh(self, after: timedelta = timedelta(0)) -> int:
        self._set_clock(NOW + after)
        return self._run("--metadata-url", URLS.metadata, "refresh")

    def download(self, *names: str, after: timedelta = timedelta(0)) -> int:
        self._set_clock(NOW + after)
        wanted = [word for name in names for word in ("--target-name", name)]
        where = ["--target-base-url", URLS.targets, "--target-dir", str(self.home / "targets")]
        return self._run("--metadata-url", URLS.metadata, *wanted, *where, "download")

    def requests(self) -> list[str]:
        """What was asked for since this was last called, without the folder of metadata."""
        log = [path.removeprefix("metadata/").removesuffix(".json") for path in self.repo.log]
        self.repo.log.clear()
        return log

    def trusted(self) -> dict[str, int]:
        """The version of each trusted role."""
        return {
            path.name.removesuffix(".json"): json.loads(path.read_bytes())["signed"]["version"]
            for path in sorted(self.metadata.iterdir())
        }

    def downloaded(self) -> list[bytes]:
        folder = self.home / "targets"
        return sorted(path.read_bytes() for path in folder.iterdir()) if folder.exists() else []

    def _run(self, *words: str) -> int:
        return client.main(["--metadata-dir", str(self.metadata), *words], self.repo)

    def _set_clock(self, moment: datetime) -> None:
        self.clock.setenv(client.TIME, moment.isoformat())


@pytest.fixture
def repo() -> FakeRepository:
    return FakeRepository()


@pytest.fixture
def caller(repo: FakeRepository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Caller:
    made = Caller(repo, tmp_path, monkeypatch)
    assert made.init() == 0
    return made
