"""What is published, as a stock TUF client sees it over HTTP, also while a publisher is at work."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from tuf.ngclient import Updater

from repo_tools import root
from repo_tools.keys import KeyType
from repo_tools.publish import publish, refresh
from repo_tools.repository import Repository
from repo_tools.serve import serving
from tests.fakes.repositories import (
    add_version,
    allow_step,
    image_bytes,
    new_repository,
    published_repository,
)
from updog import manifest
from updog.clock import SystemClock

ROOT = Path(__file__).resolve().parents[2]
# Publishers that are to be killed are forked from a process that has this module loaded already.
CHILDREN = multiprocessing.get_context("forkserver")
CHILDREN.set_forkserver_preload([__name__])


@pytest.fixture
def now() -> datetime:
    """The stock client asks the system for the time, so these repositories live in the present."""
    return SystemClock().now()


@pytest.fixture
def repository(tmp_path: Path, now: datetime) -> Repository:
    return published_repository(tmp_path / "repository", now)


@dataclass(frozen=True)
class Reader:
    """A stock TUF client with a memory of its own."""

    repository: Repository
    home: Path
    url: str

    def refreshed(self) -> Updater:
        self.home.mkdir(exist_ok=True)
        updater = Updater(
            metadata_dir=str(self.home),
            metadata_base_url=f"{self.url}/edge/x86_64/",
            target_dir=str(self.home),
            target_base_url=f"{self.url}/targets/",
            bootstrap=(self.repository.roots / "1.root.json").read_bytes(),
        )
        updater.refresh()
        return updater

    def read(self, updater: Updater, name: str) -> bytes:
        info = updater.get_targetinfo(name)
        assert info is not None, name
        return Path(updater.download_target(info, str(self.home / name))).read_bytes()

    def versions(self) -> list[str]:
        """The versions on offer; each of their images was fetched and verified."""
        updater = self.refreshed()
        updates = manifest.parse(self.read(updater, "manifest.json")).updates
        for update in updates:
            for name in (update.images.boot, update.images.root, update.images.hash):
                self.read(updater, name)
        return [str(update.version) for update in updates]


@contextmanager
def reading(repository: Repository, home: Path) -> Iterator[Reader]:
    with serving(repository.published) as url:
        yield Reader(repository, home, url)


@pytest.fixture
def reader(repository: Repository, tmp_path: Path) -> Iterator[Reader]:
    with reading(repository, tmp_path / "reader") as reader:
        yield reader


def draft_next(repository: Repository) -> None:
    add_version(repository, "1.2.0")
    allow_step(repository, "1.1.0", "1.2.0")


@pytest.mark.parametrize("key_type", list(KeyType))
def test_stock_client_reads_what_we_publish(
    tmp_path: Path, now: datetime, key_type: KeyType
) -> None:
    repository = new_repository(tmp_path / "repository", now, key_type)
    add_version(repository, "1.1.0")
    publish(repository, now=now)
    with reading(repository, tmp_path / "reader") as reader:
        assert reader.versions() == ["1.1.0"]


def test_lz4_command_restores_the_image_that_a_client_got(reader: Reader) -> None:
    packed = reader.home / "os-1.1.0-root.ext4.lz4"
    reader.read(reader.refreshed(), packed.name)
    raw = subprocess.run(["lz4", "-dc", packed], capture_output=True, check=True).stdout
    assert raw == image_bytes("os-1.1.0-root.ext4")


def test_client_that_knows_the_last_publish_takes_the_next(
    repository: Repository, reader: Reader, now: datetime
) -> None:
    assert reader.versions() == ["1.1.0"]
    draft_next(repository)
    publish(repository, now=now)
    assert reader.versions() == ["1.1.0", "1.2.0"]


def test_client_follows_renewed_roots(
    repository: Repository, reader: Reader, now: datetime
) -> None:
    reader.refreshed()
    for _ in range(3):
        root.renew(repository.keys, repository.roots, now=now)
    refresh(repository, now=now)
    assert reader.versions() == ["1.1.0"]
    assert (reader.home / "root.json").resolve().name == "4.root.json"


def test_client_takes_a_refreshed_repository(
    repository: Repository, reader: Reader, now: datetime
) -> None:
    reader.refreshed()
    refresh(repository, now=now + timedelta(days=3))
    assert reader.versions() == ["1.1.0"]


def test_readers_never_fail_while_a_publisher_is_at_work(
    repository: Repository, reader: Reader, now: datetime
) -> None:
    draft_next(repository)
    finished = threading.Event()
    failures: list[str] = []

    def read_on(number: int) -> None:
        own = Reader(repository, reader.home / str(number), reader.url)
        while not finished.is_set():
            try:
                own.versions()
            except Exception as error:  # noqa: BLE001 - whatever it is, the test tells it
                failures.append(repr(error))
                return

    reader.home.mkdir()
    threads = [threading.Thread(target=read_on, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for _ in range(25):
        publish(repository, now=now)
    finished.set()
    for thread in threads:
        thread.join()
    assert failures == []


def test_second_publisher_process_ends_with_75(repository: Repository) -> None:
    command = [sys.executable, "-m", "repo_tools.cli", "publish", str(repository.folder)]
    with repository.locked():
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 75
    assert "another updog-repo is at work" in done.stderr.lower()


def test_lock_of_a_killed_publisher_is_free(repository: Repository, now: datetime) -> None:
    holder = CHILDREN.Process(target=die_at_event, args=(repository.folder, now, 5))
    holder.start()
    holder.join()
    assert holder.exitcode == -signal.SIGKILL
    assert publish(repository, now=now)


def die_at_event(folder: Path, now: datetime, number: int) -> None:
    """Publish, but be killed just before the ``number``-th change to the file system.

    The interpreter tells an audit hook about each such call, so nothing in the product is replaced.
    """
    seen = 0

    def count(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal seen
        touched = str(folder) in str(arguments) or event == "os.chmod"
        if event in {"open", "os.rename", "os.mkdir", "os.chmod", "os.remove"} and touched:
            seen += 1
            if seen == number:
                os.kill(os.getpid(), signal.SIGKILL)

    opened = Repository.open(folder)
    sys.addaudithook(count)
    publish(opened, now=now)


@pytest.mark.slow(seconds=40)
def test_publisher_killed_at_any_moment_leaves_a_valid_repository(
    repository: Repository, tmp_path: Path, now: datetime
) -> None:
    """Before every open, rename, mkdir and chmod: readers see the old or the new, then the new."""
    draft_next(repository)
    # A renewed root goes out in the same publish.
    root.renew(repository.keys, repository.roots, now=now)
    seen = set()
    for number in range(1, 500):
        copy = tmp_path / f"copy-{number}"
        shutil.copytree(repository.folder, copy)
        publisher = CHILDREN.Process(target=die_at_event, args=(copy, now, number))
        publisher.start()
        publisher.join()
        after_kill, after_rerun = see(Repository.open(copy), tmp_path / f"reader-{number}", now)
        seen.add(tuple(after_kill))
        assert after_rerun == ["1.1.0", "1.2.0"], number
        shutil.rmtree(copy)
        if publisher.exitcode == 0:
            break
        assert publisher.exitcode == -signal.SIGKILL
    assert number > 30
    assert seen == {("1.1.0",), ("1.1.0", "1.2.0")}


def see(repository: Repository, home: Path, now: datetime) -> tuple[list[str], list[str]]:
    """What one reader finds after the kill, and after the publish was run again."""
    with reading(repository, home) as reader:
        after_kill = reader.versions()
        publish(repository, now=now)
        return after_kill, reader.versions()


@pytest.mark.slow
def test_first_publish_killed_at_any_moment_is_completed_by_the_next(
    tmp_path: Path, now: datetime
) -> None:
    repository = new_repository(tmp_path / "repository", now)
    add_version(repository, "1.1.0")
    for number in range(1, 500, 3):
        copy = tmp_path / f"copy-{number}"
        shutil.copytree(repository.folder, copy)
        publisher = CHILDREN.Process(target=die_at_event, args=(copy, now, number))
        publisher.start()
        publisher.join()
        publish(Repository.open(copy), now=now)
        with reading(Repository.open(copy), tmp_path / f"reader-{number}") as reader:
            assert reader.versions() == ["1.1.0"]
        if publisher.exitcode == 0:
            break
    assert number > 20
