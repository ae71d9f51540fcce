"""The update service as a process, with real files, against real clients."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from partitions.layout import Slot
from tests.fakes.api_service import COMMANDS, LONG, Gate, Reply, Service, gated, make_world, service
from tests.fakes.client_world import V2, V3, FileWorld, release
from updog.lock import RunLock
from updog.service.openapi import ENDPOINTS

pytestmark = pytest.mark.slow(seconds=50)
needs_root = pytest.mark.skipif(os.getuid() != 0, reason="only root can be somebody else")

ROOT = Path(__file__).resolve().parents[2]
STATES = ("Idle", "Available", "Staged", "Ready")
ALLOWED = {
    ("Idle", "refresh"): "Available",
    ("Available", "refresh"): "Available",
    ("Available", "prepare"): "Staged",
    ("Staged", "refresh"): "Staged",
    ("Staged", "prepare"): "Staged",
    ("Staged", "activate"): "Ready",
    ("Ready", "refresh"): "Ready",
    ("Ready", "deactivate"): "Staged",
}


@pytest.fixture
def world(tmp_path: Path) -> FileWorld:
    return make_world(tmp_path)


@pytest.fixture
def api(world: FileWorld) -> Iterator[Service]:
    with service(world) as running:
        yield running


@pytest.fixture
def gate(world: FileWorld) -> Iterator[Gate]:
    with gated(world) as made:
        yield made


def test_it_says_where_it_listens_and_leaves_no_socket(world: FileWorld) -> None:
    with service(world) as running:
        assert running.socket.is_socket()
        assert running.stop() == 0
        assert not running.socket.exists()
    said = (world.home / "service.log").read_text()
    assert said == f"Listening on {running.socket}; a signal ends it.\n"


def publish(world: FileWorld) -> None:
    """Put what is offered now where the machine finds it; its disk stays as it is."""
    for path, content in world.client.repo.files.items():
        world.home.joinpath("repository", path).write_bytes(content)


def held_in_root(path: str) -> bool:
    return path.endswith("root.lz4")


def updog(world: FileWorld, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "updog", "--config", str(world.config), *words]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)


# The states ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", STATES)
def test_every_command_in_a_state_does_what_the_table_says(world: FileWorld, state: str) -> None:
    with service(world) as api:
        api.bring_to(state)
        kept = {
            path: path.read_bytes()
            for path in (world.disk, world.client.paths.service_record)
            if path.exists()
        }
        for command in COMMANDS:
            if (state, command) not in ALLOWED:
                reply = api.post(command)
                assert (reply.status, command in reply.body) == (409, True)
        # What was refused has changed nothing.
        assert {path: path.read_bytes() for path in kept} == kept
        for command in COMMANDS:
            if (state, command) in ALLOWED and ALLOWED[state, command] == state:
                api.done(command)
                assert api.state() == state
        for command in COMMANDS:
            if ALLOWED.get((state, command), state) != state:
                api.done(command)
                assert api.state() == ALLOWED[state, command]


def test_before_the_first_command_there_is_no_status(api: Service) -> None:
    assert api.ask("GET", "/updates/status").status == 404


def test_nothing_offered_is_idle_and_says_why(world: FileWorld) -> None:
    world.client.offer()
    world.save()
    with service(world) as api:
        api.done("refresh")
        status = api.status()
        assert (status["update_state"], status["chosen_update"]) == ("Idle", None)
        assert status["most_recent_command"]["stderr"].startswith("No update available\nReason: ")


def test_without_a_chosen_update_a_staged_one_can_be_kept_but_not_prepared(
    world: FileWorld,
) -> None:
    with service(world) as api:
        api.bring_to("Staged")
        world.client.offer()
        publish(world)
        api.done("refresh")
        assert api.post("prepare").status == 404
        api.done("activate")


def test_a_failed_refresh_counts_as_no_update_and_tells_its_reason(world: FileWorld) -> None:
    with service(world) as api:
        api.bring_to("Available")
        world.home.joinpath("repository").rename(world.home / "away")
        ended = api.run("refresh")
        assert (ended["cmd_status"], ended["exit_status"]) == ("Failed", 69)
        assert "updog: " in ended["stderr"]
        status = api.status()
        assert (status["update_state"], status["chosen_update"]["version"]) == ("Idle", "1.2.0")


def test_prepare_writes_the_recorded_update_although_a_newer_one_came(world: FileWorld) -> None:
    world.client.offer(release(V2))
    world.save()
    with service(world) as api:
        api.done("refresh")
        assert api.status()["chosen_update"]["version"] == "1.1.0"
        world.client.offer(release(V2), release(V3))
        publish(world)
        api.done("prepare")
        assert api.status()["staging_partition"]["image"]["version"] == "1.1.0"


def test_prepare_fails_when_the_recorded_update_is_gone_and_takes_no_other(
    world: FileWorld,
) -> None:
    with service(world) as api:
        api.done("refresh")
        world.client.offer(release(V2))
        publish(world)
        before = world.disk.read_bytes()
        ended = api.run("prepare")
        assert (ended["cmd_status"], ended["exit_status"]) == ("Failed", 75)
        assert "1.2.0, which was chosen, is not to be had any more" in ended["stderr"]
        assert world.disk.read_bytes() == before


def test_a_second_prepare_that_fails_early_leaves_the_staged_update(world: FileWorld) -> None:
    with service(world) as api:
        api.bring_to("Staged")
        world.home.joinpath("repository").rename(world.home / "away")
        assert api.run("prepare")["exit_status"] == 69
        assert api.state() == "Staged"


def test_a_second_prepare_that_fails_late_is_not_staged(world: FileWorld, gate: Gate) -> None:
    with service(world) as api:
        api.bring_to("Staged")
        # What stands there whole would not be written again.
        world.damage("root")
        assert gate.server is not None
        gate.server.stop_stalling.set()
        gate.hold = lambda path: path.endswith("boot.lz4") and gate.count(path) > 1
        ended = api.run("prepare")
        assert ended["cmd_status"] == "Failed"
        status = api.status()
        assert (status["update_state"], status["staging_partition"]) == ("Available", None)
        assert api.post("activate").status == 409


def test_a_second_prepare_of_what_stands_whole_writes_nothing(world: FileWorld, gate: Gate) -> None:
    with service(world) as api:
        api.bring_to("Staged")
        before = world.disk.read_bytes()
        gate.asked.clear()
        api.done("prepare")
        assert api.state() == "Staged"
        assert world.disk.read_bytes() == before
        assert not [path for path in gate.asked if path.endswith(".lz4")]


def test_the_command_line_and_the_service_see_one_state(world: FileWorld, api: Service) -> None:
    api.done("refresh")
    assert updog(world, "update-image").returncode == 0
    assert api.state() == "Staged"
    assert updog(world, "update-apply").returncode == 0
    assert api.state() == "Ready"
    api.done("deactivate")
    assert world.bits()[Slot.B].priority == 0


# One at a time ------------------------------------------------------------------------------------


def test_of_fifty_clients_one_is_served_and_the_others_hear_423(
    world: FileWorld, gate: Gate
) -> None:
    with service(world) as api:
        api.bring_to("Available")
        gate.hold = held_in_root
        barrier = threading.Barrier(50)

        def ask(_number: int) -> Reply:
            barrier.wait()
            return api.post("prepare")

        with ThreadPoolExecutor(50) as pool:
            replies = list(pool.map(ask, range(50)))
            assert sorted(each.status for each in replies) == [204] + [423] * 49
            questions = list(pool.map(lambda _: api.ask("GET", "/updates/status"), range(50)))
        assert {each.status for each in questions} == {423}
        gate.wait()
        assert len(api.children()) == 1
        gate.release()
        (begun,) = (each for each in replies if each.status == 204)
        assert api.outcome(begun)["cmd_type"] == "prepare"
        assert len(record(world)["recent"]) == 2


def test_while_the_command_line_works_the_service_waits(world: FileWorld, api: Service) -> None:
    api.done("refresh")
    with RunLock(world.client.paths.lock):
        assert api.ask("GET", "/updates/status").status == 423
        assert {api.post(command).status for command in COMMANDS} == {423}
    assert api.state() == "Available"


def test_while_the_service_works_the_command_line_waits(world: FileWorld, gate: Gate) -> None:
    with service(world) as api:
        api.bring_to("Available")
        gate.hold = held_in_root
        api.post("prepare")
        gate.wait()
        assert updog(world, "update").returncode == 75
        assert api.ask("POST", "/actions/cancel").status == 204


# Progress, cancelling, stalls ---------------------------------------------------------------------


def test_a_prepare_shows_how_far_it_is_and_can_be_cancelled(world: FileWorld, gate: Gate) -> None:
    with service(world) as api:
        api.bring_to("Available")
        gate.hold = lambda path: path.endswith("boot.lz4") and gate.count(path) > 1
        begun = api.post("prepare")
        gate.wait()
        progress = api.ask("GET", "/updates/progress").tree
        assert (progress["command"], progress["number"]) == ("prepare", 2)
        assert progress["target"] in {"root.lz4", "boot.lz4"}
        assert api.ask("POST", "/actions/cancel").status == 204
        ended = api.outcome(begun)
        assert ended["cmd_status"] == "Failed"
        assert "cancelled" in ended["stderr"]
        assert api.state() == "Available"
        gate.hold = lambda _path: False
        api.done("prepare")
        assert api.state() == "Staged"


def test_there_is_nothing_to_cancel_where_nothing_works(api: Service) -> None:
    assert api.ask("POST", "/actions/cancel").status == 409
    progress = api.ask("GET", "/updates/progress").tree
    assert set(progress.values()) == {None}


def test_progress_comes_as_events_until_the_command_has_ended(world: FileWorld, gate: Gate) -> None:
    with service(world) as api:
        api.bring_to("Available")
        gate.hold = held_in_root
        api.post("prepare")
        gate.wait()
        command = [
            "curl",
            "-sN",
            "--unix-socket",
            str(api.socket),
            "-H",
            "Accept: text/event-stream",
        ]
        with subprocess.Popen(
            [*command, "http://localhost/updates/progress"], stdout=subprocess.PIPE, text=True
        ) as listener:
            assert listener.stdout is not None
            assert listener.stdout.readline() == "event: progress\n"
            api.ask("POST", "/actions/cancel")
            rest, _ = listener.communicate(timeout=LONG)
        assert "event: end\n" in rest
        assert json.loads(rest.rpartition("data: ")[2])["cmd_status"] == "Failed"


def test_events_end_at_once_where_nothing_works(api: Service) -> None:
    reply = api.ask("GET", "/updates/progress", {"Accept": "text/event-stream"})
    assert reply.headers["content-type"].startswith("text/event-stream")
    assert reply.body.endswith("event: end\ndata: {}\n\n")


def test_a_download_that_stalls_ends_and_the_service_goes_on(world: FileWorld) -> None:
    with gated(world, stall=0.5) as gate, service(world) as api:
        api.bring_to("Available")
        gate.hold = held_in_root
        ended = api.run("prepare")
        assert (ended["cmd_status"], ended["exit_status"]) == ("Failed", 69)
        gate.release()
        gate.hold = lambda _path: False
        api.done("prepare")


# Questions ----------------------------------------------------------------------------------------


def test_why_tells_what_the_command_line_tells(world: FileWorld, api: Service) -> None:
    told = api.ask("GET", "/updates/why").tree
    same = json.loads(updog(world, "why", "--json").stdout)
    assert {**told, "now": "", "clock": ""} == {**same, "now": "", "clock": ""}


def test_a_question_does_not_keep_a_command_waiting(world: FileWorld, gate: Gate) -> None:
    with service(world) as api, ThreadPoolExecutor(1) as pool:
        gate.hold = lambda path: path.endswith("timestamp.json")
        asked = pool.submit(api.ask, "GET", "/updates/why")
        gate.wait()
        gate.hold = lambda _path: False
        api.done("refresh")
        assert asked.result().status == 423


def test_metrics_tell_the_state_and_count_the_commands(api: Service) -> None:
    api.bring_to("Available")
    lines = api.ask("GET", "/metrics").body.splitlines()
    assert 'updog_state{state="Available"} 1' in lines
    assert 'updog_commands_total{command="refresh",status="Success"} 1' in lines
    assert "updog_boot_confirmed 1" in lines


def test_the_system_is_told_in_upstreams_words(api: Service) -> None:
    told = api.ask("GET", "/os").tree
    assert (told["version_id"], told["variant_id"]) == ("1.0.0", "edge-gw")


# The walk-through, with curl ----------------------------------------------------------------------


def test_the_documented_walk_through_works_with_curl(world: FileWorld, api: Service) -> None:
    page = ROOT.joinpath("docs/update-api.md").read_text()
    lines = [line for line in page.splitlines() if line.startswith("curl ")]
    assert len(lines) == 6
    told = []
    for line in lines:
        words = line.replace("/run/api.sock", str(api.socket)).split()
        done = subprocess.run(
            [*words, "-sS", "--fail-with-body"], capture_output=True, text=True, check=True
        )
        told.append(done.stdout)
        if "actions" in line and "reboot" not in line:
            api.status()
    assert [json.loads(each)["update_state"] for each in told if each] == ["Available", "Staged"]
    assert world.rebooted
    assert api.state() == "Ready"


def test_a_reboot_that_is_refused_is_told(world: FileWorld) -> None:
    world.home.joinpath("updog.d").mkdir()
    world.home.joinpath("updog.d/x.toml").write_text('[boot]\nreboot_command = ["false"]\n')
    with service(world) as api:
        reply = api.ask("POST", "/actions/reboot")
        assert (reply.status, "false ended with 1" in reply.body) == (500, True)


def test_a_reboot_that_somebody_inhibits_does_not_happen(world: FileWorld) -> None:
    programs = world.home / "bin"
    programs.mkdir()
    asked = programs / "busctl"
    asked.write_text(
        """#!/bin/sh\necho '{"data": [[["shutdown", "backup", "runs", "block", 0, 9]]]}'\n"""
    )
    asked.chmod(0o755)
    path = f"{programs}:{os.environ['PATH']}"
    with service(world, environment={"PATH": path}) as api:
        reply = api.ask("POST", "/actions/reboot")
        assert reply.status == 500
        assert reply.body.startswith("A restart is inhibited by backup (runs). ")
        assert not world.rebooted
        asked.write_text("#!/bin/sh\necho '{\"data\": [[]]}'\n")
        assert api.ask("POST", "/actions/reboot").status == 204
        assert world.rebooted


# Who may do what ----------------------------------------------------------------------------------


@contextmanager
def restricted(world: FileWorld, said: str) -> Iterator[Service]:
    """The service with groups, on a socket that everybody may open."""
    world.home.joinpath("updog.d").mkdir()
    world.home.joinpath("updog.d/x.toml").write_text(f"[service]\n{said}\n")
    # The folders of a test are open to nobody else, and not all of them are this test's to open.
    with TemporaryDirectory() as home, service(world, home=Path(home)) as api:
        Path(home).chmod(0o755)
        api.socket.chmod(0o666)
        yield api


def stranger(api: Service, groups: list[int], uri: str, *more: str) -> str:
    """The status that a user of these groups gets."""
    shown = ("-s", "-o", "/dev/null", "-w", "%{http_code}", "--unix-socket", str(api.socket))
    done = subprocess.run(
        ["curl", *shown, *more, f"http://localhost{uri}"],
        capture_output=True,
        text=True,
        check=True,
        user=4000,
        group=4000,
        extra_groups=groups,
    )
    return done.stdout


@needs_root
def test_a_stranger_may_ask_but_not_act_where_groups_say_so(world: FileWorld) -> None:
    with restricted(world, 'act_groups = ["4242"]') as api:
        assert stranger(api, [], "/updates/progress") == "200"
        assert stranger(api, [], COMMANDS["refresh"], "-X", "POST") == "403"
        assert stranger(api, [4242], COMMANDS["refresh"], "-X", "POST") == "204"
        api.status()


@needs_root
def test_a_stranger_may_not_even_ask_where_groups_say_so(world: FileWorld) -> None:
    with restricted(world, 'read_groups = ["4343"]\nact_groups = ["4242"]') as api:
        for endpoint in ENDPOINTS:
            uri = endpoint.path.replace("{number}", "1")
            assert stranger(api, [], uri, "-X", endpoint.method) == "403"
        assert stranger(api, [4343], "/updates/progress") == "200"
        assert stranger(api, [4343], COMMANDS["refresh"], "-X", "POST") == "403"
        assert stranger(api, [4242], "/updates/progress") == "200"
        assert not world.rebooted


# systemd ------------------------------------------------------------------------------------------


def test_a_service_that_is_stopped_ends_its_worker_in_order(world: FileWorld, gate: Gate) -> None:
    with service(world) as api:
        api.bring_to("Available")
        gate.hold = held_in_root
        api.post("prepare")
        gate.wait()
        assert api.stop() == 0
        gate.release()
        last = record(world)["recent"][-1]
        assert "cancelled" in last[-1]
        with RunLock(world.client.paths.lock):
            pass


def test_systemd_is_told_when_it_is_ready_and_alive(world: FileWorld, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind(str(tmp_path / "notify"))
        receiver.settimeout(LONG)
        environment = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "400000"}
        with service(world, environment=environment) as api:
            assert receiver.recv(200).startswith(b"READY=1\n")
            assert [receiver.recv(200) for _ in range(2)] == [b"WATCHDOG=1"] * 2
            assert api.stop() == 0
            told = receiver.recv(200)
            while told == b"WATCHDOG=1":
                told = receiver.recv(200)
            assert told == b"STOPPING=1"


def record(world: FileWorld) -> dict[str, list[list[str]]]:
    found: dict[str, list[list[str]]] = json.loads(world.client.paths.service_record.read_text())
    return found


def test_nothing_waits_for_a_slow_client(api: Service) -> None:
    started = time.monotonic()
    with subprocess.Popen(
        [
            "curl",
            "-s",
            "--limit-rate",
            "1",
            "--unix-socket",
            str(api.socket),
            "http://localhost/openapi.json",
        ],
        stdout=subprocess.DEVNULL,
    ) as slow:
        assert api.ask("GET", "/updates/progress").status == 200
        assert time.monotonic() - started < LONG
        slow.kill()
