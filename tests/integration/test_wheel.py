"""What a device gets: the wheel holds all four packages and their data, and runs without extras."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

from fixtures.vmos import rootfs
from packaging_tools.wheel import build_wheel, console_scripts

ROOT = Path(__file__).resolve().parents[2]
NO_PARTED = "import sys; sys.modules['parted'] = sys.modules['_ped'] = None; "


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_wheel(tmp_path_factory.mktemp("wheel"))


def run(wheel: Path, tmp_path: Path, code: str) -> subprocess.CompletedProcess[str]:
    """Run Python with the wheel, and not the checkout, on its path; pyparted cannot be imported."""
    return subprocess.run(
        [sys.executable, "-c", NO_PARTED + f"sys.path.insert(0, {str(wheel)!r}); " + code],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        env={key: value for key, value in os.environ.items() if key != "PYTHONPATH"},
    )


def test_the_wheel_holds_every_package_and_the_policies(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    for needed in ("updog/cli.py", "partitions/gpt.py", "repo_tools/cli.py", "waves/schedule.py"):
        assert needed in names
    policies = {Path(name).stem for name in names if name.startswith("waves/policies/")}
    assert policies == {"default", "accelerated", "slow-roll", "emergency"}
    assert not [name for name in names if name.startswith(("tests/", "fixtures/", "benchmarks/"))]


def test_the_wheel_holds_the_queries_and_the_style_of_the_fleet_view(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    here = ROOT / "repo_tools/fleet"
    data = [*here.rglob("*.sql"), here / "page.css"]
    assert {str(path.relative_to(ROOT)) for path in data} <= names


@pytest.mark.parametrize(
    "entry", ["updog.cli", "updog.signpost", "repo_tools.cli"], ids=["updog", "signpost", "repo"]
)
def test_every_command_starts_from_the_wheel(wheel: Path, tmp_path: Path, entry: str) -> None:
    done = run(wheel, tmp_path, f"from {entry} import main; main(['--help'])")
    assert done.returncode == 0, done.stderr
    assert "usage:" in done.stdout


def test_a_system_gets_its_commands_from_the_wheel(wheel: Path, tmp_path: Path) -> None:
    scripts = console_scripts(wheel)
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    assert {each.name: each.value for each in scripts} == listed
    for name in rootfs.COMMANDS:
        program = rootfs.script(scripts[name]).decode()
        done = run(wheel, tmp_path, f"sys.argv = [{name!r}, '--help']\nexec({program!r})")
        assert done.returncode == 0, done.stderr
        assert f"usage: {name} " in done.stdout


def test_a_shipped_policy_is_read_from_the_wheel(wheel: Path, tmp_path: Path) -> None:
    code = "from waves.shipped import read_shipped; print(len(read_shipped('default').steps))"
    assert run(wheel, tmp_path, code).stdout == "7\n"


def test_without_pyparted_a_disk_image_is_refused_in_words(wheel: Path, tmp_path: Path) -> None:
    for name in ("b", "r", "h"):
        tmp_path.joinpath(name).write_bytes(bytes(4096))
    words = ["disk-image", "disk.img", "-b", "b", "-r", "r", "--hash", "h"]
    done = run(wheel, tmp_path, f"from repo_tools.cli import main; sys.exit(main({words!r}))")
    assert done.returncode == 78
    assert "updog-agent[images]" in done.stderr
    assert "Traceback" not in done.stderr
    assert not tmp_path.joinpath("disk.img").exists()
