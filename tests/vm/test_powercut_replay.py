"""One whole update, recorded by the drive: whatever a power cut leaves of it boots a whole set."""

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
from tests.vm.drive import Event, Flushed, drive_over
from tests.vm.nbd import served
from tests.vm.onfile import mounted
from tests.vm.powercuts import Bounds
from tests.vm.replaying import HASHED_EVERY, replay
from tests.vm.wholeness import Known

pytestmark = [pytest.mark.root, pytest.mark.slow]

LEAST = 2000
BOUNDS = Bounds(cuts=192, alone=96, samples=192)


@dataclass(frozen=True)
class Recorded:
    """An update of a machine as its drive saw it.

    Attributes:
        before: the disk image before.
        log: what was done to it.
        known: the versions that there are.
    """

    before: Path
    log: list[Event]
    known: list[Known]


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Recorded]:
    folder = tmp_path_factory.mktemp("recorded")
    releases = [
        build_release(folder / version, Recipe(version, 6, skip=skip))
        for skip, version in ((0, "1.0.0"), (40, "1.1.0"))
    ]
    publisher = Publisher.create(folder / "repository", datetime.now(UTC))
    for each in releases:
        publisher.release(each)
    with publisher.serving() as url:
        root = publisher.root_json()
        machine = make_machine(folder / "machine", releases[0], seed=1, root_json=root, url=url)
        before = Path(shutil.copy(machine.disk, folder / "before.img"))
        log = _update(machine, before)
    yield Recorded(before, log, [_known(each) for each in releases])
    shutil.rmtree(folder)


def _update(machine: Machine, before: Path) -> list[Event]:
    with drive_over(before) as drive, served(drive) as address, mounted(address, machine.disk):
        for command in ("update", "update-revert", "update-apply"):
            done = machine.updog(command)
            assert done.returncode == 0, done.stderr
    return drive.log


def _known(release: Release) -> Known:
    return Known(release.version, release.boot, release.root, release.hash)


def test_no_power_cut_during_an_update_leaves_nothing_whole_to_boot(recorded: Recorded) -> None:
    found = replay(recorded.before, recorded.log, recorded.known, BOUNDS)
    assert found.bad == []
    assert found.states >= LEAST, found
    assert set(found.boots) == {"1.0.0", "1.1.0"}
    assert found.hashed >= LEAST // HASHED_EVERY


def test_a_drive_that_ignores_flushes_is_found_out(recorded: Recorded) -> None:
    log = [event for event in recorded.log if not isinstance(event, Flushed)]
    assert replay(recorded.before, log, recorded.known, Bounds(samples=32)).bad


def test_an_image_that_is_no_known_version_is_found_out(recorded: Recorded) -> None:
    assert replay(recorded.before, recorded.log, recorded.known[:1], Bounds(samples=8)).bad
