"""Whole updates over lines that lose packets or delay them, between two network namespaces."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from fixtures.machine import Machine, make_machine
from fixtures.publisher import Publisher
from tests.fakes.badlink import Ends, Quality, bad_link
from tests.fakes.nginx import Site, nginx
from tests.integration.conftest import Releases

pytestmark = [pytest.mark.slow, pytest.mark.root]

PORT = 8080
LIMIT = 240.0
"""Seconds in which a small update must have arrived, or failed in our words."""


@pytest.fixture
def publisher(tmp_path: Path, releases: Releases) -> Publisher:
    publisher = Publisher.create(tmp_path / "repository", datetime.now(UTC))
    publisher.release(releases.second)
    return publisher


@pytest.fixture
def machine(tmp_path: Path, releases: Releases, publisher: Publisher) -> Machine:
    return make_machine(
        tmp_path / "machine",
        releases.first,
        seed=1000,
        root_json=publisher.root_json(),
        url=f"http://{Ends('', '').far_address}:{PORT}",
    )


@pytest.fixture
def files(tmp_path: Path, publisher: Publisher) -> Iterator[Site]:
    yield Site(publisher.published)
    log = tmp_path / "nginx/access.log"
    print(log.read_text() if log.exists() else "nothing was asked")  # noqa: T201 - for failures


def update(machine: Machine, ends: Ends) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "updog", "--config", str(machine.config), "update"]
    return subprocess.run(
        [*ends.from_near, *command], capture_output=True, text=True, check=False, timeout=LIMIT
    )


@pytest.mark.parametrize(
    "quality",
    [Quality(), Quality(loss=0.2), Quality(delay=1.0), Quality(loss=0.05, delay=0.3)],
    ids=["good", "20 % loss", "1 s delay", "5 % loss and 0.3 s delay"],
)
def test_an_update_arrives(machine: Machine, files: Site, tmp_path: Path, quality: Quality) -> None:
    with (
        bad_link(quality) as ends,
        nginx(tmp_path / "nginx", files, f"{ends.far_address}:{PORT}", prefix=ends.from_far),
    ):
        run = update(machine, ends)
    assert run.returncode == 0, run.stderr
    assert machine.power_on().version == "1.1.0"


def test_a_line_that_dies_ends_in_our_words(machine: Machine, files: Site, tmp_path: Path) -> None:
    dropin = machine.home / "updog.d/short.toml"
    dropin.parent.mkdir(exist_ok=True)
    dropin.write_text("[download]\ntimeout_connect = 1\ntimeout_stall = 2\nretries = 1\n")
    begun = time.monotonic()
    with (
        bad_link(Quality(loss=1.0)) as ends,
        nginx(tmp_path / "nginx", files, f"{ends.far_address}:{PORT}", prefix=ends.from_far),
    ):
        run = update(machine, ends)
    assert run.returncode == 69
    assert "cannot be reached: no connection in time" in run.stderr
    assert time.monotonic() - begun < 30
