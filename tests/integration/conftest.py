"""Real releases (built once a run) and real machines for the end-to-end tests."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from fixtures.machine import Machine, make_machine
from fixtures.os_images import Recipe, Release, build_release
from fixtures.publisher import Publisher
from repo_tools.keys import KeyType
from repo_tools.repository import Repository

SEED = 1000


@dataclass(frozen=True, slots=True)
class Releases:
    """Small real releases of one variant, below a folder, made at one moment."""

    home: Path
    now: datetime
    first: Release
    second: Release
    broken: Release
    third: Release


@dataclass(frozen=True, slots=True)
class World:
    """A machine on 1.0.0, and a repository that offers 1.1.0 over HTTP."""

    machine: Machine
    publisher: Publisher
    releases: Releases
    url: str


@pytest.fixture(scope="session")
def releases(tmp_path_factory: pytest.TempPathFactory) -> Releases:
    home = tmp_path_factory.mktemp("releases")

    def build(version: str, skip: int, *, broken: bool = False) -> Release:
        recipe = Recipe(version, content_mib=3, skip=skip, broken=broken)
        return build_release(home / version, recipe)

    return Releases(
        home,
        datetime.now(UTC),
        build("1.0.0", 0),
        build("1.1.0", 1),
        build("1.2.0", 2, broken=True),
        build("1.2.1", 3),
    )


def published(home: Path, releases: Releases, key_type: KeyType, *, maps: bool) -> Publisher:
    """A repository that offers 1.1.0: published once of each kind, and then copied."""
    first = releases.home / f"repository-{key_type}-{maps}"
    if not first.exists():
        Publisher.create(first, releases.now, key_type).release(releases.second, maps=maps)
    shutil.copytree(first, home)
    return Publisher(Repository.open(home), releases.now)


def make_world(
    home: Path, releases: Releases, key_type: KeyType = KeyType.ED25519, *, maps: bool = True
) -> Iterator[World]:
    """A world that lives as long as the generator is held."""
    publisher = published(home / "repository", releases, key_type, maps=maps)
    with publisher.serving() as url:
        machine = make_machine(
            home / "machine",
            releases.first,
            seed=SEED,
            root_json=publisher.root_json(),
            url=url,
        )
        yield World(machine, publisher, releases, url)


@pytest.fixture
def world(tmp_path: Path, releases: Releases) -> Iterator[World]:
    yield from make_world(tmp_path, releases)
