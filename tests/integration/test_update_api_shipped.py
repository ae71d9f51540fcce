"""What is shipped around the service: the client, the units, the socket that systemd makes."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.fakes.api_service import LONG, Service, gated, make_world, service
from tests.fakes.client_world import FileWorld

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
UNITS = ROOT / "packaging/systemd"
SERVICE, SOCKET = UNITS / "updog-api.service", UNITS / "updog-api.socket"

needs_systemd = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="systemd is missing: run .ci/setup"
)


@pytest.fixture
def world(tmp_path: Path) -> FileWorld:
    return make_world(tmp_path)


def apiclient(socket: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "updog.apiclient.cli", "-s", str(socket), *words]
    # A busy machine may take longer than upstream's limits.
    timeout = ("--timeout", str(LONG))
    return subprocess.run(
        [*command, *timeout], capture_output=True, text=True, check=False, cwd=ROOT
    )


def test_the_client_brings_an_update_from_check_to_reboot(world: FileWorld) -> None:
    with service(world) as api:
        checked = apiclient(api.socket, "update", "check")
        assert json.loads(checked.stdout)["chosen_update"]["version"] == "1.2.0"
        assert apiclient(api.socket, "update", "apply", "--check").returncode == 0
        assert api.state() == "Ready"
        assert apiclient(api.socket, "update", "cancel").returncode == 0
        assert api.state() == "Staged"
        assert apiclient(api.socket, "update", "apply", "-r").returncode == 0
        assert world.rebooted


def test_the_client_tells_why_a_prepare_failed(world: FileWorld) -> None:
    with service(world) as api:
        api.done("refresh")
        world.home.joinpath("repository").rename(world.home / "away")
        done = apiclient(api.socket, "update", "apply")
        assert done.returncode == 1
        assert done.stderr.startswith("prepare ended with Failed (exit status 69): updog: ")


def test_the_client_can_end_a_prepare_of_somebody_else(world: FileWorld) -> None:
    with gated(world) as gate, service(world) as api:
        api.done("refresh")
        gate.hold = lambda path: path.endswith("root.lz4")
        begun = api.post("prepare")
        gate.wait()
        assert apiclient(api.socket, "update", "cancel").returncode == 0
        assert api.outcome(begun)["cmd_status"] == "Failed"
        assert api.state() == "Available"


@needs_systemd
def test_the_units_are_right_for_systemd(tmp_path: Path) -> None:
    installed = Path(sys.executable).with_name("updog")
    text = SERVICE.read_text().replace("/usr/bin/updog", str(installed))
    (tmp_path / SERVICE.name).write_text(text)
    shutil.copy(SOCKET, tmp_path)
    units = [str(tmp_path / SERVICE.name), str(tmp_path / SOCKET.name)]
    command = ["systemd-analyze", "--man=no", "verify", *units]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@needs_systemd
def test_the_service_keeps_few_of_roots_powers() -> None:
    command = ["systemd-analyze", "security", "--offline=yes", "--threshold=26", str(SERVICE)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-300:]


@pytest.mark.skipif(
    shutil.which("systemd-socket-activate") is None, reason="systemd is missing: run .ci/setup"
)
def test_a_socket_that_systemd_made_is_served_on(world: FileWorld) -> None:
    path = world.home / "passed"
    words = [sys.executable, "-m", "updog", "--config", str(world.config), "serve"]
    with subprocess.Popen(
        ["systemd-socket-activate", f"--listen={path}", *words],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            until = time.monotonic() + LONG
            while not path.exists():
                assert time.monotonic() < until
                time.sleep(0.02)
            api = Service(world, path, process)
            api.done("refresh")
            assert api.state() == "Available"
            assert not (world.home / "api").exists()
        finally:
            process.terminate()
            process.wait(timeout=LONG)
    # It is systemd's, and stays for the next service.
    assert path.exists()
