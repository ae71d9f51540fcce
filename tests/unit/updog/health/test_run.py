from __future__ import annotations

import time
from pathlib import Path

import pytest

from updog.health.folder import Program, programs
from updog.health.run import Ended, run, run_all, unit_command
from updog.settings import Health, Isolation


def program(folder: Path, name: str, script: str) -> Program:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return Program(name, path)


def ended(folder: Path, script: str, timeout: float = 10) -> Ended:
    return run(program(folder, "check", script), timeout, {})


def test_zero_passes(tmp_path: Path) -> None:
    assert ended(tmp_path, "exit 0").passed


@pytest.mark.parametrize(
    ("script", "why"),
    [
        ("exit 3", "ended with 3"),
        ("echo no route >&2; exit 1", "ended with 1: no route"),
        ("kill -9 $$", "was ended by signal 9"),
        (r"printf 'a\033[31mb\377'; exit 1", "ended with 1: a?[31mb\ufffd"),
    ],
)
def test_anything_else_fails_and_says_how(tmp_path: Path, script: str, why: str) -> None:
    found = ended(tmp_path, script)
    assert (found.passed, found.why) == (False, why)


def test_only_the_end_of_a_long_tale_is_told(tmp_path: Path) -> None:
    found = ended(tmp_path, "yes x | head -c 5000000; echo the end; exit 1")
    assert len(found.why) < 500
    assert found.why.endswith("the end")


def test_what_does_not_end_is_ended_with_all_it_started(tmp_path: Path) -> None:
    begun = time.monotonic()
    alive = tmp_path / "alive"
    found = ended(tmp_path, f"(sleep 3; touch {alive}) & sleep 60", timeout=0.3)
    assert found.why.startswith("did not end within 0.3 seconds")
    assert time.monotonic() - begun < 3
    assert not alive.exists()


def test_a_missing_interpreter_fails(tmp_path: Path) -> None:
    broken = program(tmp_path, "check", "")
    broken.path.write_text("#!/nowhere/sh\n")
    assert "cannot be run" in run(broken, 5, {}).why


def test_what_may_not_be_run_or_belongs_to_everybody_fails(tmp_path: Path) -> None:
    one = program(tmp_path, "check", "exit 0")
    one.path.chmod(0o644)
    assert run(one, 5, {}).why == "is not executable"
    one.path.chmod(0o757)
    assert run(one, 5, {}).why == "may be changed by everybody"


def test_leftovers_are_no_programs(tmp_path: Path) -> None:
    for name in ("20-b", "10-a", ".hidden", "README", "10-a~", "x.dpkg-old", "y.bak"):
        program(tmp_path, name, "")
    (tmp_path / "folder").mkdir()
    assert [each.name for each in programs(tmp_path, "r")] == ["r/10-a", "r/20-b"]
    assert programs(tmp_path / "none", "r") == ()


def test_checks_run_side_by_side_and_keep_their_order(tmp_path: Path) -> None:
    many = [program(tmp_path, f"{n}", f"sleep 0.4; exit {n}") for n in range(6)]
    begun = time.monotonic()
    found = run_all(many, Health(parallel=6, isolation=Isolation.PROCESS), {})
    assert time.monotonic() - begun < 2.0
    assert [each.program for each in found] == many
    assert [each.passed for each in found] == [True] + [False] * 5


def test_a_unit_has_the_same_time_out(tmp_path: Path) -> None:
    one = program(tmp_path, "check", "")
    command = unit_command(one, 30, {"UPDOG_SLOT": "B"})
    assert command[0] == "systemd-run"
    assert "--property=RuntimeMaxSec=30" in command
    assert "--setenv=UPDOG_SLOT=B" in command
    assert command[-2:] == ("--", str(one.path))
