"""The systemd units: known to systemd, locked in, in the right order, and as the page says."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from configparser import RawConfigParser
from pathlib import Path

import pytest

from tests.fakes.migration_world import MigrationWorld, script

ROOT = Path(__file__).resolve().parents[2]
UNITS = ROOT / "packaging/systemd"
SERVICES = sorted(UNITS.glob("*.service"))
PAGE = ROOT / "docs/units.md"
ROW = re.compile(r"^\| `([\w.-]+)` \|.*\| *([\d.]*) *\|$", re.MULTILINE)
LOCKS = {
    "NoNewPrivileges": "yes",
    "ProtectSystem": "strict",
    "ProtectHome": "yes",
    "PrivateTmp": "yes",
    "ProtectClock": "yes",
    "ProtectHostname": "yes",
    "ProtectKernelLogs": "yes",
    "ProtectKernelModules": "yes",
    "ProtectKernelTunables": "yes",
    "ProtectControlGroups": "yes",
    "RestrictRealtime": "yes",
    "RestrictSUIDSGID": "yes",
    "LockPersonality": "yes",
    "SystemCallArchitectures": "native",
    "AmbientCapabilities": "",
}
NAMED = (
    "CapabilityBoundingSet",
    "RestrictAddressFamilies",
    "RestrictNamespaces",
    "SystemCallFilter",
)

needs_systemd = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="systemd is missing: run .ci/setup"
)
services = pytest.mark.parametrize("unit", SERVICES, ids=lambda path: path.name)


class _Unit(RawConfigParser):
    """A unit as values; what is said twice is what was said last."""

    optionxform = staticmethod(str)  # type: ignore[assignment]

    def __init__(self, path: Path) -> None:
        super().__init__(strict=False, delimiters=("=",), comment_prefixes=("#",))
        self.read(path)


@pytest.fixture(scope="module")
def placed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The units, with commands that are there."""
    folder = tmp_path_factory.mktemp("units")
    for path in UNITS.iterdir():
        commands = str(Path(sys.executable).parent)
        folder.joinpath(path.name).write_text(path.read_text().replace("/usr/bin", commands))
    return folder


@needs_systemd
def test_systemd_has_nothing_to_say_against_them(placed: Path) -> None:
    words = ["systemd-analyze", "--man=no", "verify", *sorted(map(str, placed.iterdir()))]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@services
def test_each_service_is_locked_in(unit: Path) -> None:
    said = _Unit(unit)["Service"]
    assert {name: said.get(name) for name in LOCKS} == LOCKS
    assert not [name for name in NAMED if name not in said]


@needs_systemd
@services
def test_the_page_tells_how_exposed_each_service_is(unit: Path) -> None:
    words = ["systemd-analyze", "security", "--offline=true", str(unit)]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    found = re.search(r"exposure level for \S+: ([\d.]+)", done.stdout)
    assert found is not None
    assert dict(ROW.findall(PAGE.read_text()))[unit.name] == found[1]


def test_the_page_has_a_row_for_each_unit_that_is_not_named_beside_another() -> None:
    text = PAGE.read_text()
    rows = dict(ROW.findall(text))
    for path in UNITS.iterdir():
        assert path.name in rows or f"`{path.name}`" in text, path.name


@services
def test_every_service_that_stays_has_a_watchdog(unit: Path) -> None:
    said = _Unit(unit)["Service"]
    if said["Type"] != "oneshot":
        assert said["Type"] == "notify"
        assert "WatchdogSec" in said
        assert said["Restart"] == "on-failure"


def test_settings_are_migrated_before_ordinary_services_and_without_a_network() -> None:
    unit = _Unit(UNITS / "updog-migrate.service")
    assert unit["Unit"]["DefaultDependencies"] == "no"
    assert "basic.target" in unit["Unit"]["Before"].split()
    assert "local-fs.target" in unit["Unit"]["After"].split()
    assert not [value for value in unit["Unit"].values() if "network" in value]
    assert unit["Service"]["PrivateNetwork"] == "yes"


def test_who_reads_settings_does_not_start_where_they_could_not_be_migrated() -> None:
    unit = _Unit(UNITS / "updog-settings.target")["Unit"]
    assert unit["Requires"] == unit["After"] == "updog-migrate.service"


@pytest.mark.parametrize(("state", "code"), [("failed", 1), ("active", 0), ("inactive", 0)])
def test_the_check_of_the_settings_fails_where_the_unit_did(
    tmp_path: Path, state: str, code: int
) -> None:
    tool = tmp_path / "systemctl"
    tool.write_text(f'#!/bin/sh\n[ "$1 $2" = "is-failed --quiet" ] && [ {state} = failed ]\n')
    tool.chmod(0o755)
    check = ROOT / "packaging/checks/10-settings"
    done = subprocess.run([check], env={"PATH": f"{tmp_path}:/usr/bin:/bin"}, check=False)
    assert done.returncode == code


@pytest.mark.root
def test_migrations_can_be_locked_in_with_the_rights_of_their_unit(tmp_path: Path) -> None:
    world = MigrationWorld(tmp_path)
    world.place("1.0.0")
    probe = script('[ "$(id -u)" != 0 ]', '[ "$1" = --forward ] && echo \'"b"\' >settings/motd')
    world.publish({"1.0.0>1.1.0": ["a"]}, {"a": probe})
    said = _Unit(UNITS / "updog-migrate.service")["Service"]["CapabilityBoundingSet"]
    rights = ",".join(f"+{name.removeprefix('CAP_').lower()}" for name in said.split())
    limited = ["setpriv", "--no-new-privs", f"--bounding-set=-all,{rights}", "--inh-caps=-all"]
    command = [sys.executable, "-m", "updog", "--config", str(world.configure("1.1.0")), "migrate"]
    done = subprocess.run(
        [*limited, *command], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (done.returncode, world.version) == (0, "1.1.0"), done.stderr
    assert "it shares" not in done.stderr
