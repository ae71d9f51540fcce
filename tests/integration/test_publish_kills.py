"""Publishers killed by signal 9 at random moments, while clients of ours read all the time.

The killed thing is a process of its own; the readers are the client's own session over HTTP. What
they see must be one of two repositories, whole and verified to the last byte: the old or the new.

Of fifty runs some are done before their signal: the moment is drawn from the time that a run took
when nobody disturbed it. So more than half of them must have been killed, not all fifty.
"""

from __future__ import annotations

import multiprocessing
import os
import random
import shutil
import signal
import threading
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import NoReturn

import pytest

from repo_tools.keyring import RETIRED
from repo_tools.publish import publish, refresh
from repo_tools.repository import Repository
from repo_tools.serve import serving
from repo_tools.stores.opening import open_store
from repo_tools.stores.place import FILE, read_place
from repo_tools.stores.store import Store
from tests.fakes.repositories import (
    EDITION,
    NOW,
    add_version,
    allow_step,
    published_repository,
    rotate_online,
)
from tests.fakes.s3server import ENVIRONMENT, S3Server, s3_server
from updog import manifest
from updog.fetch import HttpFetcher
from updog.session import RepositoryUrls, Session
from updog.tufstore import MetadataStore
from updog.version import Version

SEED = 20310407
# Every fifth run that was killed is done again; the others meet what several have left behind.
COMPLETED_EACH = 5
# The reader that never stops takes a breath of up to so many times what a read has taken: the
# server has one processor for it and for the publisher.
BREATH = 4
# Publishers are forked from a process that has everything loaded already, boto3 included.
CHILDREN = multiprocessing.get_context("forkserver")
CHILDREN.set_forkserver_preload([__name__, "repo_tools.stores.s3client"])


class Publishers:
    """A process that is ready to publish, and is forked for each run, so that a run is all there is
    to kill: a start and a connection to the server come before, and once.
    """

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self._orders, theirs = CHILDREN.Pipe()
        given = (folder, environment, theirs)
        self._process = CHILDREN.Process(target=obey, args=given, daemon=True)
        self._process.start()
        theirs.close()

    def run(self, action: str, killed_after: float | None = None) -> tuple[int, float]:
        """Do it in a process of its own; its exit code, and how long it took in seconds.

        ``killed_after`` so many seconds it gets signal 9.
        """
        self._orders.send((action, killed_after))
        code, seconds = self._orders.recv()
        return code, seconds

    def end(self) -> None:
        """Let go of the process."""
        self._orders.send(None)
        self._process.join()
        self._orders.close()


def obey(folder: Path, environment: dict[str, str], orders: Connection) -> None:
    """What that process does."""
    os.environ.update(environment)
    repository = Repository.open(folder)
    store = open_store(read_place(folder), repository.published)
    while (order := orders.recv()) is not None:
        action, killed_after = order
        begun = time.monotonic()
        child = os.fork()
        if child == 0:
            publish_and_end(repository, store, action)
        if killed_after is not None:
            time.sleep(killed_after)
            # Not awaited yet, so this is still its number.
            os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        orders.send((os.waitstatus_to_exitcode(status), time.monotonic() - begun))


def publish_and_end(repository: Repository, store: Store, action: str) -> NoReturn:
    """What a forked process does; nothing of its parent is cleaned up by it."""
    code = 1
    try:
        if action == "publish":
            publish(repository, now=NOW, store=store)
        else:
            refresh(repository, now=NOW, store=store)
        code = 0
    except BaseException:  # noqa: BLE001 - whatever it is, the log of the test shows it
        traceback.print_exc()
    finally:
        os._exit(code)


@dataclass
class World:
    """A repository, where its clients read it, and a reader that never stops."""

    repository: Repository
    url: str
    home: Path
    publishers: Publishers
    chance: random.Random = field(default_factory=lambda: random.Random(SEED))
    failures: list[str] = field(default_factory=list)
    reads: int = 0
    killed: int = 0

    def session(self, name: str) -> Session:
        """A client with a memory of its own, by that name."""
        session = Session(
            RepositoryUrls(f"{self.url}/edge/x86_64", f"{self.url}/targets"),
            (self.repository.roots / "1.root.json").read_bytes(),
            MetadataStore(self.home / name),
            HttpFetcher(),
            NOW,
        )
        session.refresh()
        return session

    def offered(self, name: str = "reader") -> tuple[str, ...]:
        """The versions on offer; each of their images was fetched and verified."""
        session = self.session(name)
        updates = manifest.parse(session.read("manifest.json")).updates
        for update in updates:
            for image in (update.images.boot, update.images.root, update.images.hash):
                session.read(image)
        return tuple(str(update.version) for update in updates)

    @contextmanager
    def read_all_the_time(self) -> Iterator[None]:
        """Let another client read as long as the block lasts."""
        finished = threading.Event()

        def read() -> None:
            while True:
                begun = time.monotonic()
                try:
                    self.offered("all the time")
                except Exception as error:  # noqa: BLE001 - whatever it is, the test tells it
                    self.failures.append(repr(error))
                    return
                self.reads += 1
                if finished.wait(pause.uniform(0, BREATH * (time.monotonic() - begun))):
                    return

        pause = random.Random(SEED)
        thread = threading.Thread(target=read)
        thread.start()
        try:
            yield
        finally:
            finished.set()
            thread.join()

    def draft_next(self, number: int) -> str:
        """Put another release into the draft, in the place of the one before."""
        drafted = self.repository.draft(EDITION).manifest().updates
        last = drafted[-1].version
        for update in drafted[1:]:
            self.repository.remove_update(EDITION, update.version)
        version = f"1.2.{number}"
        add_version(self.repository, version)
        self.repository.set_max_version([EDITION], Version.parse(version))
        # Its hosts are led on, although the one before leaves the draft.
        allow_step(self.repository, str(last), version)
        return version

    def complete(self, action: str) -> float:
        """Run it to its end; how long that takes, in seconds."""
        code, seconds = self.publishers.run(action)
        assert code == 0
        return seconds

    def kill(self, action: str, within: float) -> None:
        """Run it, and kill that at a random moment."""
        code, _ = self.publishers.run(action, self.chance.uniform(0, within))
        assert code in {0, -signal.SIGKILL}
        self.killed += code != 0


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    with s3_server(tmp_path_factory.mktemp("s3")) as server:
        yield server


@pytest.fixture(params=["folder", "bucket"])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    repository = published_repository(tmp_path / "repository")
    if request.param == "folder":
        with (
            serving(repository.published) as url,
            closing_publishers(repository.folder, {}) as publishers,
        ):
            yield World(repository, url, tmp_path, publishers)
        return
    server: S3Server = request.getfixturevalue("s3")
    bucket = server.bucket()
    said = f'to = "s3://{bucket}/site"\nendpoint = "{server.endpoint}"\n'
    (repository.folder / FILE).write_text(said)
    publish(repository, now=NOW)
    with closing_publishers(repository.folder, ENVIRONMENT) as publishers:
        yield World(repository, f"{server.endpoint}/{bucket}/site", tmp_path, publishers)


@contextmanager
def closing_publishers(folder: Path, environment: dict[str, str]) -> Iterator[Publishers]:
    made = Publishers(folder, environment)
    try:
        yield made
    finally:
        made.end()


def kill_publishers(world: World, times: int, *, new_keys: bool = False) -> None:
    """Each time the old or the new is offered, and a publish that is let through brings the new."""
    retired = world.repository.keys / RETIRED
    world.draft_next(0)
    within = world.complete("publish")
    before = world.offered()
    with world.read_all_the_time():
        for number in range(1, times + 1):
            version = world.draft_next(number)
            readers = ["reader", f"new {number}"] if new_keys else ["reader"]
            if new_keys and number % 2:
                rotate_online(world.repository, ("timestamp", "targets")[number // 2 % 2], retired)
            world.kill("publish", within)
            for reader in readers:
                assert world.offered(reader) in {before, ("1.1.0", version)}, number
            if number % COMPLETED_EACH == 0 or number == times:
                world.complete("publish")
                assert world.offered() == ("1.1.0", version), number
                shutil.rmtree(retired, ignore_errors=True)
            before = world.offered()
    assert world.failures == []
    assert world.reads > 0


def kill_refreshers(world: World, times: int) -> None:
    """Each time the same is offered, under the old or the new version of the metadata."""
    within = world.complete("refresh")
    before = world.offered()
    with world.read_all_the_time():
        for number in range(1, times + 1):
            world.kill("refresh", within)
            assert world.offered() == before, number
            if number % COMPLETED_EACH == 0 or number == times:
                world.complete("refresh")
                assert world.offered() == before, number
    assert world.failures == []
    assert world.reads > 0


def kill_publishers_of_new_keys(world: World, times: int) -> None:
    """As `kill_publishers`, and every second publish brings a root with a new online key more."""
    kill_publishers(world, times, new_keys=True)
    assert world.session("reader").versions()["root"] == 1 + times // 2


def test_clients_of_a_few_killed_publishers_of_new_keys_see_the_old_or_the_new(
    world: World,
) -> None:
    kill_publishers_of_new_keys(world, 4)


@pytest.mark.slow(seconds=100)
def test_clients_of_fifty_killed_publishers_of_new_keys_see_the_old_or_the_new(
    world: World,
) -> None:
    kill_publishers_of_new_keys(world, 50)
    assert world.killed > 25


def test_clients_of_a_few_killed_publishers_see_the_old_or_the_new(world: World) -> None:
    kill_publishers(world, 3)
    kill_refreshers(world, 2)


@pytest.mark.slow
def test_clients_of_fifty_killed_publishers_see_the_old_or_the_new(world: World) -> None:
    kill_publishers(world, 50)
    assert world.killed > 25


@pytest.mark.slow
def test_clients_of_fifty_killed_refreshers_see_the_same(world: World) -> None:
    kill_refreshers(world, 50)
    assert world.killed > 25
