"""`updog plan` and `updog update` on a repository with maps and deltas, over HTTP."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from repo_tools.serve import serving as publishing_server
from tests.fakes.httpserver import Exchange, serving
from tests.integration.conftest import Releases, World, make_world

SUMMARY = re.compile(r"([\d.]+) MB fetched, ([\d.]+) MB reused, ([\d.]+) MB written")


# Tests that run in the background ignore interruptions, and so does all that they start.
INTERRUPTIBLE = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
from updog.cli import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.fixture
def with_delta(tmp_path: Path, releases: Releases) -> Iterator[World]:
    for world in make_world(tmp_path, releases):
        world.publisher.release(releases.third, delta_from=releases.first)
        yield world


def moved(stderr: str) -> tuple[float, float, float]:
    """MB fetched, reused and written, as told at the end of an update."""
    found = SUMMARY.search(stderr)
    assert found is not None, stderr
    fetched, reused, written = map(float, found.groups())
    return fetched, reused, written


def test_a_plan_prices_every_way_and_writes_nothing(world: World) -> None:
    before = world.machine.disk.read_bytes()
    done = world.machine.updog("plan", "--now", "--json")
    assert done.returncode == 0, done.stderr
    plan = json.loads(done.stdout)
    root = plan["images"][0]
    assert (root["role"], root["chosen"]) == ("root", "adaptive")
    assert [way["way"] for way in root["ways"]] == ["adaptive", "full"]
    assert plan["bytes"] == sum(image["ways"][0]["bytes"] for image in plan["images"])
    assert root["ways"][0]["written"] < root["ways"][1]["written"]
    assert world.machine.disk.read_bytes() == before


def test_a_plan_in_words_marks_the_way_that_would_be_taken(world: World) -> None:
    done = world.machine.updog("plan", "--now")
    assert "* adaptive" in done.stdout
    assert "In all: " in done.stdout


def test_a_plan_with_nothing_to_do_says_so(world: World) -> None:
    with world.machine.config.open("a") as file:
        file.write('[policy]\nblocked_versions = ["1.1.0"]\n')
    done = world.machine.updog("plan", "--now")
    assert (done.returncode, done.stdout) == (0, "")
    assert "No update required" in done.stderr


def test_a_delta_from_the_running_release_is_the_cheapest(with_delta: World) -> None:
    plan = json.loads(with_delta.machine.updog("plan", "--now", "--json").stdout)
    assert plan["images"][0]["chosen"] == "delta"
    done = with_delta.machine.updog("--log-level", "debug", "update", "--now")
    assert done.returncode == 0, done.stderr
    assert "Way.DELTA" in done.stderr
    assert with_delta.machine.boots(most=1)[0].version == "1.2.1"


def test_our_own_server_is_asked_for_many_ranges_at_once(world: World) -> None:
    log: list[str] = []
    with publishing_server(world.publisher.published, log=log.append) as url:
        config = world.machine.config
        config.write_text(config.read_text().replace(world.url, url))
        plan = json.loads(world.machine.updog("plan", "--now", "--json").stdout)
        log.clear()
        done = world.machine.updog("update", "--now")
    assert done.returncode == 0, done.stderr
    (root,) = (image for image in plan["images"] if image["role"] == "root")
    asked = [line for line in log if f"{root['target']}?" in line]
    # One request before anything is touched shows that the image begins to arrive.
    assert len(asked) == root["ways"][0]["requests"] + 1
    assert all(line.endswith(" 206 -") for line in asked)
    assert moved(done.stderr)[0] < 1.2 * plan["bytes"] / 1e6
    assert world.machine.boots(most=1)[0].version == "1.1.0"


def test_a_delta_that_is_gone_costs_bytes_only(with_delta: World) -> None:
    for delta in with_delta.publisher.published.rglob("*.delta"):
        delta.unlink()
    done = with_delta.machine.updog("update", "--now")
    assert done.returncode == 0, done.stderr
    assert "the way 'delta' did not lead there" in done.stderr
    assert with_delta.machine.boots(most=1)[0].version == "1.2.1"


def test_a_damaged_delta_costs_bytes_only(with_delta: World) -> None:
    for delta in with_delta.publisher.published.rglob("*.delta"):
        data = bytearray(delta.read_bytes())
        data[len(data) // 2] ^= 1
        delta.write_bytes(data)
    done = with_delta.machine.updog("update", "--now")
    assert done.returncode == 0, done.stderr
    assert with_delta.machine.boots(most=1)[0].version == "1.2.1"


class Stalling:
    """Serves a repository, and sends only a share of the root image until it may go on.

    Args:
        folder: the repository.
        share: of the first real piece of the image, between 0 and 1.
    """

    def __init__(self, folder: Path, share: float = 0.5) -> None:
        self.waiting = threading.Event()
        self.goes_on = False
        self._folder = folder
        self._share = share

    def __call__(self, exchange: Exchange) -> None:
        path = self._folder / exchange.path.partition("?")[0].lstrip("/")
        if not path.is_file():
            exchange.reply(404)
            return
        content = path.read_bytes()
        part = exchange.wanted_part(len(content))
        if part is None:
            exchange.reply(200, content)
            return
        body = content[part]
        place = f"bytes {part.start}-{part.stop - 1}/{len(content)}"
        # The first request for an image only shows that it begins to arrive.
        stalls = path.name.endswith("-root.ext4.lz4") and part.start and not self.goes_on
        sent = body[: int(len(body) * self._share)] if stalls else body
        exchange.reply(206, sent, length=len(body), headers={"Content-Range": place})
        if stalls:
            self.waiting.set()
            exchange.server.stop_stalling.wait(20)


@contextmanager
def stalled(world: World, *flags: str, share: float = 0.5) -> Iterator[subprocess.Popen[str]]:
    """An update whose server stopped to send the root image; it goes on when the update is over."""
    stalling = Stalling(world.publisher.published, share)
    config = world.machine.config
    with serving(stalling) as server:
        config.write_text(config.read_text().replace(world.url, server.base))
        words = [sys.executable, "-c", INTERRUPTIBLE, "--config", str(config), "update", "--now"]
        with subprocess.Popen([*words, *flags], stderr=subprocess.PIPE, text=True) as running:
            try:
                assert stalling.waiting.wait(20)
                assert running.poll() is None
                stalling.goes_on = True
                yield running
            finally:
                running.kill()


def inactive_boots(world: World) -> bool:
    status = world.machine.boot_control().status()
    return any(one.flags.will_boot for one in status.sets if one.slot is not status.active)


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["SIGINT", "SIGTERM"]
)
def test_a_download_that_waits_ends_in_order_when_it_is_told_to(
    world: World, number: signal.Signals, code: int
) -> None:
    with stalled(world) as running:
        running.send_signal(number)
        _, told = running.communicate(timeout=20)
        assert running.returncode == code
        assert "Traceback" not in told
        assert "run the command again" in told
        assert not inactive_boots(world)
        done = world.machine.updog("update", "--now")
    assert done.returncode == 0, done.stderr
    assert world.machine.boots(most=1)[0].version == "1.1.0"


def test_an_update_that_stands_already_is_neither_fetched_nor_written_again(world: World) -> None:
    first = world.machine.updog("update-image", "--now")
    assert first.returncode == 0, first.stderr
    again = world.machine.updog("update-image", "--now")
    assert again.returncode == 0, again.stderr
    assert again.stderr == "1.1.0 stands whole on the other set already; nothing was written.\n"
    assert moved(first.stderr)[2] > 0


def test_only_what_is_wrong_of_an_update_that_stands_is_written_again(world: World) -> None:
    assert world.machine.updog("update-image", "--now").returncode == 0
    place = world.machine.boot_control().inactive_set().root
    with world.machine.disk.open("r+b") as disk:
        disk.seek(place.offset)
        disk.write(bytes(4096))
    again = world.machine.updog("update-image", "--now")
    assert again.returncode == 0, again.stderr
    assert "no longer holds what was written to it" in again.stderr
    fetched, _, written = moved(again.stderr)
    assert fetched < 0.5
    assert written < 0.5


def test_the_next_update_knows_what_the_running_set_holds(world: World) -> None:
    assert world.machine.updog("update", "--now").returncode == 0
    kept = {path.name for path in (world.machine.home / "state" / "blocks").iterdir()}
    assert kept == {"B-root.blake3", "B-boot.blake3", "B-hash.blake3"}


def test_progress_as_json_lines_ends_with_each_image_done(world: World) -> None:
    done = world.machine.updog("update", "--now", "--progress", "json")
    told = [json.loads(line) for line in done.stderr.splitlines() if line.startswith("{")]
    ended = [one["target"] for one in told if one["phase"] == "done"]
    assert len(ended) == 3
    assert all(one["done"] <= one["total"] for one in told)
    assert {one["way"] for one in told if one["phase"] == "done"} == {"adaptive"}
    status = json.loads((world.machine.home / "state" / "progress.json").read_text())
    assert (status["phase"], status["percent"]) == ("done", 100)


def courtesy(process: int) -> tuple[str, int]:
    """I/O class and nice value of a process, as the kernel tells others."""
    words = ["ionice", "-p", str(process)]
    told = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    return told.split(":")[0].strip(), os.getpriority(os.PRIO_PROCESS, process)


def test_an_update_can_stand_back(world: World) -> None:
    with stalled(world, "--idle") as running:
        assert courtesy(running.pid) == ("idle", 19)


def test_an_update_stands_back_for_nobody_unasked(world: World) -> None:
    with stalled(world) as running:
        found, mine = courtesy(running.pid), courtesy(os.getpid())
    assert found == mine


@pytest.mark.parametrize("share", [0, 0.3, 0.6, 0.95])
def test_a_killed_update_is_finished_by_the_next_run(world: World, share: float) -> None:
    with stalled(world, share=share) as running:
        running.kill()
        running.communicate()
        assert running.returncode == -signal.SIGKILL
        assert not inactive_boots(world)
        done = world.machine.updog("update", "--now")
    assert done.returncode == 0, done.stderr
    assert moved(done.stderr)[2] > 0
    assert world.machine.boots(most=1)[0].version == "1.1.0"
