from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from repo_tools.cli import main
from tests.fakes.repositories import EDITION, add_version, new_repository

ROOT = Path(__file__).resolve().parents[4]
START = ("--start-at", "2031-04-07T00:00:00Z")
FIRST_HALF = '[[waves]]\nstart_after = "1 hour"\nfleet_percentage = 50'
SIMULATE = ("waves", "simulate", "--policy", "default", "--fleet", "300", *START)


def _policy(folder: Path, text: str) -> str:
    path = folder / "policy.toml"
    path.write_text(text)
    return str(path)


def test_lint_says_that_a_shipped_policy_is_usable(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["waves", "lint", "slow-roll", "--poll", "1h"]) == 0
    assert "slow-roll: 1 finding" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('[[wave]]\nstart_after = "1 hour"\nfleet_percentage = 100', "unknown key 'wave'"),
        ('[[waves]]\nstart_after = "1 hour"\npercent = 100', "unknown key 'percent'"),
        (
            f"{FIRST_HALF}\n{FIRST_HALF.replace('50', '20')}",
            "entry 2: fleet_percentage 20 must be above",
        ),
        (
            '[[waves]]\nstart_after = "2001-01-01T00:00:00Z"\nfleet_percentage = 100',
            "starts at 2001-01-01T00:00:00Z, before",
        ),
        ("not toml", "not TOML"),
        ("\udcff", "not TOML"),
    ],
)
def test_lint_ends_with_65_and_names_the_fault(
    text: str, told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "policy.toml"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    assert main(["waves", "lint", str(path)]) == 65
    printed = capsys.readouterr().out
    assert told in printed
    assert printed.startswith(f"error: {path}")


def test_a_policy_that_is_not_there_is_a_wrong_command_line(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["waves", "lint", "no-such"]) == 64
    assert "Shipped are: default" in capsys.readouterr().err


def test_show_has_local_times(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["waves", "show", "default", *START, "--tz", "Europe/Berlin"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 8
    assert lines[1].endswith("Mon 2031-04-07 03:00:00 CEST, spread over 3 h")
    assert lines[-1].endswith("all at once")


@pytest.mark.parametrize("zone", ["Europe/Atlantis", "../../etc/passwd", "/etc/passwd", ""])
def test_a_zone_that_is_none_is_a_wrong_command_line(zone: str) -> None:
    assert main(["waves", "show", "default", "--tz", zone]) == 64


def test_show_reads_the_waves_of_a_manifest(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    repository = new_repository(tmp_path / "r")
    add_version(repository, "1.1.0")
    manifest = str(repository.draft(EDITION).folder / "manifest.json")
    assert main(["waves", "show", "--manifest", manifest, "-v", "1.1.0"]) == 0
    assert "open to every host at once" in capsys.readouterr().out
    assert main(["waves", "show", "--manifest", manifest, "-v", "1.2.0"]) == 64
    assert "There is: 1.1.0" in capsys.readouterr().err


@pytest.mark.parametrize(
    "flags",
    [[], ["--policy", "default", "--manifest", "m.json"], ["--manifest", "m.json"]],
    ids=["neither", "both", "no version"],
)
def test_exactly_one_source_of_waves_is_asked_for(flags: list[str]) -> None:
    assert main(["waves", "simulate", *flags]) == 64


def test_simulate_prints_a_chart_and_figures(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*SIMULATE, "--image-size", "600MB", "--rule", "both"]) == 0
    printed = capsys.readouterr()
    for part in ("100 % |", "By our rule", "original tools' rule", "   50 %  after", "180 GB"):
        assert part in printed.out
    assert "\x1b" not in printed.out
    assert max(map(len, printed.out.splitlines())) <= 140


def test_a_small_fleet_is_warned_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*SIMULATE, "--fleet", "20"]) == 0
    assert "Warning: wave 1 (seeds 0 to 19, 1.0%)" in capsys.readouterr().err


@pytest.mark.parametrize("kind", ["svg", "png"])
def test_a_picture_is_drawn(kind: str, tmp_path: Path) -> None:
    path = tmp_path / f"out.{kind}"
    assert main([*SIMULATE, "--rule", "both", "--picture", str(path)]) == 0
    data = path.read_bytes()
    if kind == "png":
        assert data.startswith(b"\x89PNG\r\n")
    else:
        text = "".join(ET.fromstring(data).itertext())  # noqa: S314 - our own file
        assert "original rule" in text
        assert "default: 300 hosts, polling every 6 h" in text


def test_the_same_simulation_gives_the_same_picture(tmp_path: Path) -> None:
    paths = [tmp_path / "a.svg", tmp_path / "b.svg"]
    for path in paths:
        assert main([*SIMULATE, "--picture", str(path)]) == 0
    assert paths[0].read_bytes() == paths[1].read_bytes()


def test_a_picture_of_another_kind_is_refused_first(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*SIMULATE, "--picture", str(tmp_path / "out.gif")]) == 64
    printed = capsys.readouterr()
    assert "End it in .png or .svg." in printed.err
    assert printed.out == ""


@pytest.mark.parametrize(
    ("module", "flags", "extra"),
    [("numpy", [], "simulate"), ("matplotlib", ["--picture", "x.svg"], "charts")],
)
def test_a_missing_extra_is_named(module: str, flags: list[str], extra: str) -> None:
    program = (
        f"import sys; sys.modules[{module!r}] = None\n"
        f"from repo_tools.cli import main\nsys.exit(main({[*SIMULATE, *flags]!r}))"
    )
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, cwd=ROOT
    )
    assert run.returncode == 78
    assert f"pip install 'updog-agent[{extra}]'" in run.stderr


@pytest.mark.parametrize(
    ("terminal", "environment", "coloured"),
    [(True, {}, True), (True, {"NO_COLOR": "1"}, False), (False, {}, False)],
)
def test_colours_need_a_terminal_and_no_objection(
    terminal: bool,  # noqa: FBT001 - a case
    environment: dict[str, str],
    coloured: bool,  # noqa: FBT001 - a case
) -> None:
    command = [sys.executable, "-m", "repo_tools.cli", *SIMULATE]
    if terminal:
        command = ["script", "-qec", " ".join(command), "/dev/null"]
    clean = {"PATH": "/usr/bin:/bin", "TERM": "xterm", "LANG": "C.UTF-8"}
    run = subprocess.run(
        command, capture_output=True, check=True, cwd=ROOT, env=clean | environment
    )
    assert (b"\x1b[32m" in run.stdout) is coloured
