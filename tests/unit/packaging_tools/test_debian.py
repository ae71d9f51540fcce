"""What the Debian package derives from Python's metadata."""

from __future__ import annotations

import tomllib
from importlib.metadata import Distribution
from pathlib import Path

import pytest

from packaging_tools.debian.control import units
from packaging_tools.debian.libraries import closure, glibc, oldest_glibc
from packaging_tools.debian.tree import debian_version

ROOT = Path(__file__).resolve().parents[3]
SCRIPTS = ROOT / "packaging/debian"


def distribution(folder: Path, *tags: str) -> Distribution:
    """An installed distribution whose wheel had these tags."""
    info = folder / "some-1.dist-info"
    info.mkdir(parents=True, exist_ok=True)
    info.joinpath("METADATA").write_text("Metadata-Version: 2.1\nName: some\nVersion: 1\n")
    info.joinpath("WHEEL").write_text("".join(f"Tag: {tag}\n" for tag in tags))
    return Distribution.at(info)


@pytest.mark.parametrize(
    ("ours", "debians"),
    [("1.2.0", "1.2.0-1"), ("1.2.0rc1", "1.2.0~rc1-1"), ("1.2.0.dev3", "1.2.0~dev3-1")],
)
def test_what_comes_before_a_release_sorts_before_it(ours: str, debians: str) -> None:
    assert debian_version(ours) == debians


def test_a_library_without_machine_code_asks_for_no_glibc(tmp_path: Path) -> None:
    assert oldest_glibc(distribution(tmp_path, "py3-none-any")) is None


def test_a_wheel_runs_with_the_oldest_glibc_that_it_names(tmp_path: Path) -> None:
    tags = ("cp311-cp311-manylinux_2_28_x86_64", "cp311-cp311-manylinux2014_x86_64")
    assert oldest_glibc(distribution(tmp_path, *tags)) == (2, 17)


def test_the_package_needs_what_the_most_demanding_library_needs(tmp_path: Path) -> None:
    found = [
        distribution(tmp_path / "a", "cp311-abi3-manylinux_2_34_x86_64"),
        distribution(tmp_path / "b", "cp311-cp311-manylinux_2_5_x86_64"),
        distribution(tmp_path / "c", "py3-none-any"),
    ]
    assert glibc(found) == "2.34"


def test_a_library_that_was_compiled_here_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="some was compiled here"):
        oldest_glibc(distribution(tmp_path, "cp311-cp311-linux_x86_64"))


def test_the_libraries_are_those_of_the_extras_and_nothing_else() -> None:
    said = tomllib.loads(ROOT.joinpath("pyproject.toml").read_text())["project"]
    assert {"service", "agent"} <= said["optional-dependencies"].keys()
    names = {each.name.lower() for each in closure("updog-agent", frozenset({"service", "agent"}))}
    assert {"tuf", "cryptography", "uvicorn", "croniter"} <= names
    assert names.isdisjoint({"boto3", "numpy", "pytest", "pyparted", "hypothesis"})


def test_no_script_starts_or_enables_anything() -> None:
    for path in (SCRIPTS / name for name in ("postinst", "prerm", "postrm")):
        lines = [line for line in path.read_text().splitlines() if not line.startswith("#")]
        words = " ".join(lines).split()
        assert not {"start", "restart", "enable", "--now", "invoke-rc.d"} & set(words), path


def test_an_upgrade_restarts_what_stays_and_not_what_ends_by_itself() -> None:
    named = units(ROOT / "packaging/systemd")
    assert "updog-agent.service" in named["RUNNING"].split()
    assert "mark-successful-boot.service" not in named["RUNNING"].split()
    assert "mark-successful-boot.service" not in named["STOPPED"].split()
    assert "updog-api.socket" in named["STOPPED"].split()
    assert "updog-settings.target" not in named["STOPPED"].split()
