from __future__ import annotations

import os
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

from packaging_tools import manpages
from packaging_tools.programs import PROGRAMS, Program, flags_of, words

PYPROJECT = Path(__file__).resolve().parents[3] / "pyproject.toml"
each_program = pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.name)


def written(tmp_path: Path, environment: dict[str, str] | None = None) -> dict[str, Path]:
    return {path.name: path for path in manpages.write(tmp_path, environment or {})}


def shown(path: Path) -> str:
    """A page as a reader sees it, in one line, without the hyphens' own sign."""
    run = subprocess.run(
        ["groff", "-man", "-Tascii", "-P-c", "-P-b", "-P-o", "-P-u", "-rLL=1000n", str(path)],
        capture_output=True,
        text=True,
        check=True,
    )
    return " ".join(run.stdout.split())


def test_pages_lie_in_the_folders_of_their_sections(tmp_path: Path) -> None:
    found = {str(path.relative_to(tmp_path)) for path in written(tmp_path).values()}
    assert found == {
        "man8/updog.8",
        "man8/signpost.8",
        "man1/updog-repo.1",
        "man1/apiclient.1",
        "man1/updog-fleet.1",
        "man1/updog-ecs.1",
    }


def test_no_command_is_without_a_page() -> None:
    project = tomllib.loads(PYPROJECT.read_text())["project"]
    assert set(project["scripts"]) == {program.name for program in PROGRAMS}


def test_the_command_writes_them_and_tells_which(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert manpages.main([str(tmp_path)]) == 0
    assert str(tmp_path / "man8/updog.8") in capsys.readouterr().out.splitlines()


@each_program
def test_groff_has_nothing_to_warn_of(program: Program, tmp_path: Path) -> None:
    path = written(tmp_path)[f"{program.name}.{program.section}"]
    run = subprocess.run(
        ["groff", "-man", "-Tutf8", "-ww", "-z", str(path)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stderr == ""


@each_program
def test_man_shows_a_page_without_warnings(program: Program, tmp_path: Path) -> None:
    assert shutil.which("man")
    path = written(tmp_path)[f"{program.name}.{program.section}"]
    environment = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "MANWIDTH": "80"}
    run = subprocess.run(
        ["man", "-l", "--warnings=w", str(path)],
        capture_output=True,
        text=True,
        check=True,
        env=environment,
    )
    assert run.stderr == ""
    assert program.summary in run.stdout


@each_program
def test_a_page_has_every_command_and_flag(program: Program, tmp_path: Path) -> None:
    page = shown(written(tmp_path)[f"{program.name}.{program.section}"])
    parser = program.make()
    for action in flags_of(parser):
        assert all(option in page for option in action.option_strings)
    for word in words(parser):
        assert word.below or " ".join((program.name, *word.path)) in page
        assert all(alias in page for alias in word.aliases)
        for action in flags_of(word.parser):
            assert all(option in page for option in action.option_strings)
    assert all(f"{name} {summary}" in page.lower() for name, summary in program.verbs)


@each_program
def test_a_page_has_every_exit_code(program: Program, tmp_path: Path) -> None:
    page = shown(written(tmp_path)[f"{program.name}.{program.section}"])
    codes = page.partition("EXIT STATUS")[2]
    assert all(f" {code.code} " in codes for code in program.exit_codes)


def test_the_date_is_that_of_the_sources(tmp_path: Path) -> None:
    page = written(tmp_path, {"SOURCE_DATE_EPOCH": "1700000000"})["updog.8"].read_text()
    assert page.startswith('.TH "UPDOG" 8 "2023-11-14" "updog ')


def test_the_same_sources_make_the_same_bytes(tmp_path: Path) -> None:
    first, second = (written(tmp_path / name) for name in ("a", "b"))
    assert {name: path.read_bytes() for name, path in first.items()} == {
        name: path.read_bytes() for name, path in second.items()
    }
