"""A device that visits a repository: shipped root, store on disk, one session for each run."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from tests.fakes.clock import NOW
from tests.fakes.repository import URLS, FakeRepository
from updog.session import Session
from updog.tufstore import MetadataStore


class Visitor:
    """One host with a state directory; each `session` is a new run of the program."""

    def __init__(self, repo: FakeRepository, directory: Path) -> None:
        self.repo = repo
        self.directory = directory
        self.store = MetadataStore(directory)
        self.shipped = repo.shipped_root()
        self.now = NOW

    def session(self, now: datetime | None = None) -> Session:
        return Session(URLS, self.shipped, self.store, self.repo, now or self.now)

    def refreshed(self, now: datetime | None = None) -> Session:
        session = self.session(now)
        session.refresh()
        return session
