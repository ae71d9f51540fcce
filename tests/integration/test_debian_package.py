"""The Debian package in a clean Debian: installed, used, removed."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from partitions.layout import Slot
from tests.fakes.api_service import make_world
from tests.fakes.clean_debian import CleanDebian, make, mirror
from tests.fakes.client_world import FileWorld

pytestmark = [pytest.mark.slow, pytest.mark.root]

ROOT = Path(__file__).resolve().parents[2]
SHIPPED = sorted(path.name for path in ROOT.glob("packaging/systemd/*.*"))
COMMANDS = ("updog", "signpost", "apiclient", "updog-repo")


@dataclass(frozen=True, slots=True)
class Installed:
    """The package in a clean system, beside a world that it can update.

    Attributes:
        system: the system.
        before: its files before the installation.
        world: a machine and a repository, as files.
    """

    system: CleanDebian
    before: frozenset[str]
    world: FileWorld

    def updog(self, *words: str) -> subprocess.CompletedProcess[str]:
        return self.system.run("updog", "--config", str(self.world.config), *words)


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The same package, built twice, at once."""
    folders = [tmp_path_factory.mktemp("deb") for _ in range(2)]
    command = [sys.executable, "-m", "packaging_tools.debian.build", "--out"]
    builds = [
        subprocess.Popen([*command, str(each)], cwd=ROOT, stderr=subprocess.PIPE)
        for each in folders
    ]
    for build in builds:
        _, said = build.communicate()
        assert build.returncode == 0, said.decode()
    first, second = (next(each.glob("*.deb")) for each in folders)
    return first, second


@pytest.fixture(scope="module")
def installed(packages: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Installed:
    address = mirror()
    home = tmp_path_factory.mktemp("debian")
    system = make(home, address, "python3", "tzdata", "systemd") if address else None
    if system is None:
        pytest.skip("apt names no mirror of bookworm that answers: see /etc/apt/sources.list")
    before = system.files()
    place = system.root / "updog.deb"
    place.write_bytes(packages[0].read_bytes())
    system.done("dpkg", "-i", "/updog.deb")
    place.unlink()
    world = make_world(tmp_path_factory.mktemp("world"))
    return Installed(replace(system, shown=world.home), before, world)


def test_two_builds_make_the_same_bytes(packages: tuple[Path, Path]) -> None:
    first, second = packages
    assert first.read_bytes() == second.read_bytes()


def test_nothing_is_enabled_or_linked_by_the_installation(installed: Installed) -> None:
    new = installed.system.files() - installed.before
    units = sorted(name for name in new if name.startswith("usr/lib/systemd/system/"))
    assert [Path(name).name for name in units] == SHIPPED
    assert not [name for name in new if name.startswith("etc/systemd")]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_shows_its_help(installed: Installed, command: str) -> None:
    assert installed.system.done(command, "--help").startswith(f"usage: {command}")


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_a_page_of_the_manual_and_completion(
    installed: Installed, command: str
) -> None:
    share = installed.system.root / "usr/share"
    assert list(share.glob(f"man/man*/{command}.*.gz"))
    assert share.joinpath("bash-completion/completions", command).is_file()
    assert share.joinpath("zsh/vendor-completions", f"_{command}").is_file()
    assert share.joinpath("fish/vendor_completions.d", f"{command}.fish").is_file()


def test_the_version_is_that_of_the_package(installed: Installed) -> None:
    said = installed.system.done("updog", "--version").split()
    known = installed.system.done("dpkg-query", "-W", "-f=${Version}", "updog-agent")
    assert f"{said[1]}-1" == known


def test_without_addresses_it_says_what_the_configuration_lacks(installed: Installed) -> None:
    done = installed.system.run("updog", "check-update")
    assert done.returncode == 78
    assert "/etc/updog.toml: the required key metadata_base_url is missing" in done.stderr


def test_libraries_of_the_system_are_not_seen(installed: Installed) -> None:
    strange = installed.system.root / "usr/lib/python3/dist-packages/tuf.py"
    strange.write_text("raise SystemExit('this is another one')\n")
    try:
        assert installed.updog("check-update").returncode == 0
    finally:
        strange.unlink()


def test_it_updates_a_disk_and_shows_it(installed: Installed) -> None:
    done = installed.updog("update")
    assert done.returncode == 0, done.stderr
    assert installed.world.bits()[Slot.B].priority > installed.world.bits()[Slot.A].priority
    status = json.loads(installed.updog("status", "--json").stdout)
    assert status["next"] == "B"
    disk = str(installed.world.disk)
    assert "Next:    Set B" in installed.system.done("signpost", "--disk", disk, "status")


def test_the_update_service_answers(installed: Installed) -> None:
    script = """
        updog --config "$0" serve --socket /run/api.sock & service=$!
        for each in $(seq 300); do [ -S /run/api.sock ] && break; sleep 0.1; done
        apiclient --timeout 60 get /updates/progress; code=$?
        kill $service; wait $service; exit $code
    """
    done = installed.system.run("sh", "-c", script, str(installed.world.config))
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)


def test_the_units_are_right_for_the_systemd_in_there(installed: Installed) -> None:
    done = installed.system.run("systemd-analyze", "--man=no", "verify", *SHIPPED)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


# The last one: nothing can be asked of it afterwards.
def test_removal_and_purge_leave_nothing(installed: Installed) -> None:
    system = installed.system
    state = system.root / "var/lib/updog"
    state.mkdir()
    state.joinpath("seed").write_text("1000\n")
    units = [
        name for name in SHIPPED if "[Install]" in (ROOT / "packaging/systemd" / name).read_text()
    ]
    system.done("systemctl", "enable", *units)
    system.done("dpkg", "-r", "updog-agent")
    assert (system.root / "etc/updog.toml").exists()
    assert state.exists()
    system.done("dpkg", "-P", "updog-agent")
    shown = Path(str(installed.world.home).lstrip("/"))
    mine = {str(shown), *map(str, shown.parents)}
    assert system.files() - mine - installed.before == set()
    assert installed.before - system.files() == set()
