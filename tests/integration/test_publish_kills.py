"""Publishers killed by signal 9 at random moments, while clients of ours read all the time.

The killed thing is a process of its own; the readers are the client's own session over HTTP. What
they see must be one of two repositories, whole and verified to the last byte: the old or the new.
"""

from __future__ import annotations

import multiprocessing
import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from repo_tools.keyring import RETIRED
from repo_tools.publish import publish, refresh
from repo_tools.repository import Repository
from repo_tools.serve import serving
from repo_tools.stores.place import FILE
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
# Publishers are forked from a process that has everything loaded already, boto3 included.
CHILDREN = multiprocessing.get_context("forkserver")
CHILDREN.set_forkserver_preload([__name__, "repo_tools.stores.s3client"])


@dataclass
class World:
    """A repository, where its clients read it, and a reader that never stops."""

    repository: Repository
    url: str
    home: Path
    chance: random.Random
    environment: dict[str, str] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)
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
            while not finished.is_set():
                try:
                    self.offered("all the time")
                except Exception as error:  # noqa: BLE001 - whatever it is, the test tells it
                    self.failures.append(repr(error))
                    return

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

    def time_of(self, action: str) -> float:
        """How long a run takes that nobody kills, in seconds."""
        child, begun = self._start(action)
        child.join()
        assert child.exitcode == 0
        return time.monotonic() - begun

    def kill(self, action: str, within: float) -> None:
        """Run it in a process of its own, and kill that at a random moment."""
        child, _ = self._start(action)
        time.sleep(self.chance.uniform(0, within))
        child.kill()
        child.join()
        self.killed += child.exitcode != 0

    def _start(self, action: str) -> tuple[multiprocessing.process.BaseProcess, float]:
        ours, theirs = CHILDREN.Pipe()
        given = (self.repository.folder, action, self.environment, theirs)
        child = CHILDREN.Process(target=run, args=given)
        child.start()
        assert ours.recv() == "begin"
        ours.close()
        return child, time.monotonic()


def run(folder: Path, action: str, environment: dict[str, str], ready: Connection) -> None:
    """What the child does."""
    import os  # noqa: PLC0415 - the child's own environment

    os.environ.update(environment)
    repository = Repository.open(folder)
    ready.send("begin")
    if action == "publish":
        publish(repository, now=NOW)
    else:
        refresh(repository, now=NOW)


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    with s3_server(tmp_path_factory.mktemp("s3")) as server:
        yield server


@pytest.fixture(params=["folder", "bucket"])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    repository = published_repository(tmp_path / "repository")
    chance = random.Random(SEED)
    if request.param == "folder":
        with serving(repository.published) as url:
            yield World(repository, url, tmp_path, chance)
        return
    server: S3Server = request.getfixturevalue("s3")
    bucket = server.bucket()
    said = f'to = "s3://{bucket}/site"\nendpoint = "{server.endpoint}"\n'
    (repository.folder / FILE).write_text(said)
    publish(repository, now=NOW)
    yield World(repository, f"{server.endpoint}/{bucket}/site", tmp_path, chance, ENVIRONMENT)


def kill_publishers(world: World, times: int) -> None:
    """Each time the old or the new is offered, and the next publish puts out the new."""
    world.draft_next(0)
    within = world.time_of("publish")
    before = world.offered()
    with world.read_all_the_time():
        for number in range(1, times + 1):
            version = world.draft_next(number)
            world.kill("publish", within)
            assert world.offered() in {before, ("1.1.0", version)}, number
            publish(world.repository, now=NOW)
            before = world.offered()
            assert before == ("1.1.0", version), number
    assert world.failures == []


def kill_refreshers(world: World, times: int) -> None:
    """Each time the same is offered, under the old or the new version of the metadata."""
    within = world.time_of("refresh")
    before = world.offered()
    with world.read_all_the_time():
        for number in range(times):
            world.kill("refresh", within)
            assert world.offered() == before, number
            refresh(world.repository, now=NOW)
    assert world.offered() == before
    assert world.failures == []


def kill_publishers_of_new_keys(world: World, times: int) -> None:
    """As `kill_publishers`, and each publish brings a root with new keys of two online roles."""
    retired = world.repository.keys / RETIRED
    world.draft_next(0)
    within = world.time_of("publish")
    before = world.offered()
    with world.read_all_the_time():
        for number in range(1, times + 1):
            version = world.draft_next(number)
            for role in ("timestamp", "targets"):
                rotate_online(world.repository, role, retired)
            world.kill("publish", within)
            assert world.offered() in {before, ("1.1.0", version)}, number
            assert world.offered(f"new {number}") in {before, ("1.1.0", version)}, number
            publish(world.repository, now=NOW)
            before = world.offered()
            assert before == ("1.1.0", version), number
    assert world.failures == []
    assert world.session("reader").versions()["root"] == 1 + 2 * times


def test_clients_of_a_few_killed_publishers_of_new_keys_see_the_old_or_the_new(
    world: World,
) -> None:
    kill_publishers_of_new_keys(world, 4)


@pytest.mark.slow
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
