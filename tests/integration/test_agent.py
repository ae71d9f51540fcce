"""The agent and the gate as commands, on a host of files."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from partitions.bootflags import BootFlags
from partitions.layout import Slot
from tests.fakes.api_service import make_world
from tests.fakes.client_world import V2, V3, FileWorld, held_until, later, release
from updog.cli import main
from updog.errors import Unhealthy

ROOT = Path(__file__).resolve().parents[2]
LONG = 60.0
Capture = pytest.CaptureFixture[str]
CHOSEN = BootFlags(2, 1)


@pytest.fixture
def world(tmp_path: Path) -> FileWorld:
    return make_world(tmp_path)


def run(world: FileWorld, *words: str) -> int:
    return main(["--config", str(world.config), *words])


def dropin(world: FileWorld, text: str) -> None:
    folder = world.config.with_suffix(".d")
    folder.mkdir(exist_ok=True)
    (folder / "10-test.toml").write_text(text)


def checks(world: FileWorld, script: str) -> None:
    folder = world.home / "required.d"
    folder.mkdir(exist_ok=True)
    check = folder / "10-check"
    check.write_text(f"#!/bin/sh\n{script}\n")
    check.chmod(0o755)
    dropin(
        world,
        f'[health]\nrequired_dir = "{folder}"\nwanted_dir = "{world.home}/none"\n'
        f'before_dir = "{world.home}/none"\nafter_dir = "{world.home}/none"\n'
        'isolation = "process"\n',
    )


def restarted(world: FileWorld) -> None:
    """What a restart into set B changes, as far as the commands see it."""
    text = world.config.read_text().replace('active = "A"', 'active = "B"')
    world.config.write_text(text)
    os_release = world.client.paths.os_release
    os_release.write_text(os_release.read_text().replace("1.0.0", str(V3)))
    path = world.client.paths.health
    if path.exists():
        tree = json.loads(path.read_text())
        tree["pending"]["boot_id"] = "the boot before"
        path.write_text(json.dumps(tree))


def test_once_installs_and_restarts(world: FileWorld) -> None:
    assert run(world, "agent", "--once") == 0
    assert world.bits()[Slot.B] == CHOSEN
    assert world.rebooted


def test_staged_writes_and_leaves_the_rest_to_a_person(world: FileWorld) -> None:
    dropin(world, '[policy]\nmode = "staged"\n')
    assert run(world, "agent", "--once") == 0
    assert world.bits()[Slot.B] == BootFlags(0, 1)
    assert not world.rebooted


def test_manual_only_asks(world: FileWorld, capsys: Capture) -> None:
    dropin(world, '[policy]\nmode = "manual"\n')
    assert run(world, "agent", "--once") == 0
    assert world.bits()[Slot.B] == BootFlags()
    assert "policy.mode is manual" in capsys.readouterr().err


def test_outside_of_windows_nothing_restarts(world: FileWorld) -> None:
    dropin(world, '[schedule]\nwindows = ["daily 02:00-03:00"]\nblackouts = ["01-01..12-31"]\n')
    assert run(world, "agent", "--once") == 0
    assert not world.rebooted


def test_a_second_run_waits_for_the_restart_that_is_under_way(world: FileWorld) -> None:
    run(world, "agent", "--once")
    (world.home / "rebooted").unlink()
    assert run(world, "agent", "--once") == 0
    assert not world.rebooted


def test_a_repository_that_is_gone_is_tried_again_later(world: FileWorld, capsys: Capture) -> None:
    (world.home / "repository" / "metadata" / "timestamp.json").unlink()
    assert run(world, "agent", "--once") == 0
    world.save()
    assert run(world, "agent", "--once") == 0
    assert "1 attempts failed in a row" in capsys.readouterr().err
    assert world.bits()[Slot.B] == BootFlags()


def test_bytes_of_the_day_hold_an_installation_up(world: FileWorld) -> None:
    dropin(world, "[schedule]\ndaily_bytes = 4000\n")
    assert run(world, "agent", "--once") == 0
    assert world.bits()[Slot.B] == BootFlags()
    assert not world.rebooted
    kept = json.loads(world.client.paths.agent.read_text())
    assert kept["spent"] >= 4000
    assert kept["failures"] == 0


def test_a_wrong_cron_expression_is_a_wrong_configuration(world: FileWorld) -> None:
    dropin(world, '[schedule]\ncheck = "0 0 30 2 *"\n')
    assert run(world, "agent", "--once") == 78


def test_schedule_tells_what_it_waits_for(world: FileWorld, capsys: Capture) -> None:
    world.client.offer(release(V2, held_until(later(days=9000))))
    world.save()
    run(world, "agent", "--once")
    capsys.readouterr()
    assert run(world, "schedule", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["action"], told["chosen"]) == ("wait", None)
    assert told["ready_at"] is not None
    assert run(world, "schedule") == 0
    assert "Ready at:" in capsys.readouterr().out


def test_systemd_hears_when_it_begins_lives_and_ends(world: FileWorld) -> None:
    dropin(world, '[schedule]\njitter = "0 hours"\n')
    address = world.home / "notify"
    command = [sys.executable, "-m", "updog", "--config", str(world.config), "agent"]
    told: list[str] = []
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(address))
        systemd.settimeout(LONG)
        environment = {**os.environ, "NOTIFY_SOCKET": str(address), "WATCHDOG_USEC": "400000"}
        agent = subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.PIPE)
        try:
            while told.count("WATCHDOG=1") < 3:
                told.append(systemd.recv(4096).decode())
            agent.send_signal(signal.SIGTERM)
            _, said = agent.communicate(timeout=LONG)
            while "STOPPING=1" not in told:
                told.append(systemd.recv(4096).decode())
        finally:
            agent.kill()
            agent.wait()
    assert agent.returncode == 0, said
    assert told[0].startswith("READY=1")
    assert told[-1] == "STOPPING=1"


WITHOUT_CRONITER = """
import sys
sys.modules["croniter"] = None
from updog.cli import main
sys.exit(main(sys.argv[1:]))
"""


def without_croniter(world: FileWorld) -> subprocess.CompletedProcess[str]:
    words = ["--config", str(world.config), "agent", "--once"]
    command = [sys.executable, "-c", WITHOUT_CRONITER, *words]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_a_calendar_without_cron_does_without_croniter(world: FileWorld) -> None:
    dropin(world, '[schedule]\ncheck = "4 hours"\nwindows = ["daily 00:00-23:59"]\n')
    done = without_croniter(world)
    assert done.returncode == 0, done.stderr
    assert world.client.paths.agent.exists()


def test_a_cron_expression_without_croniter_names_the_extra(world: FileWorld) -> None:
    dropin(world, '[schedule]\ncheck = "0 2 * * *"\n')
    done = without_croniter(world)
    assert done.returncode == 78
    assert "cron expressions need croniter" in done.stderr
    assert "the extra 'agent'" in done.stderr


def test_mark_successful_without_checks_is_as_ever(world: FileWorld, capsys: Capture) -> None:
    assert run(world, "mark-successful") == 0
    assert capsys.readouterr().err == "Set A is marked successful.\n"
    assert not world.client.paths.health.exists()


def test_a_boot_that_is_worse_goes_back_and_is_remembered(
    world: FileWorld, capsys: Capture
) -> None:
    checks(world, f"test ! -e {world.home}/broken")
    assert run(world, "update") == 0
    restarted(world)
    (world.home / "broken").touch()
    assert run(world, "mark-successful") == Unhealthy.exit_code
    assert world.rebooted
    assert world.bits()[Slot.A].priority == 2
    capsys.readouterr()
    assert run(world, "bad-versions", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert [each["version"] for each in told["bad_versions"]] == ["1.2.0"]
    assert told["rollbacks"] == 1
    assert run(world, "bad-versions", "clear", "9.9.9") == 64
    assert run(world, "bad-versions", "clear") == 64
    assert run(world, "bad-versions", "clear", "1.2.0") == 0
    capsys.readouterr()
    assert run(world, "bad-versions") == 0
    assert capsys.readouterr() == ("", "No version failed on this host.\n")


def test_a_boot_that_is_fine_is_confirmed(world: FileWorld) -> None:
    checks(world, "exit 0")
    run(world, "update")
    restarted(world)
    assert run(world, "mark-successful") == 0
    assert world.bits()[Slot.B].successful


def test_the_checks_can_be_skipped(world: FileWorld) -> None:
    checks(world, f"test ! -e {world.home}/broken")
    run(world, "update")
    restarted(world)
    (world.home / "broken").touch()
    assert run(world, "mark-successful", "--skip-checks") == 0
    assert world.bits()[Slot.B].successful


def test_unmarked_says_what_to_do(world: FileWorld, capsys: Capture) -> None:
    checks(world, f"test ! -e {world.home}/broken")
    with (world.config.with_suffix(".d") / "10-test.toml").open("a") as file:
        file.write('on_failure = "unmarked"\n')
    run(world, "update")
    restarted(world)
    (world.home / "broken").touch()
    assert run(world, "mark-successful") == Unhealthy.exit_code
    assert "required/10-check failed" in capsys.readouterr().err
    assert not world.rebooted
    assert not world.bits()[Slot.B].successful
