from __future__ import annotations

import time
from pathlib import Path

import pytest

from updog.health.folder import Program, programs
from updog.health.run import Ended, run, run_all, unit_command
from updog.settings import Health, Isolation

LONG = 60.0


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
    child = tmp_path / "child"
    found = ended(tmp_path, f"sleep 600 & echo $! > {child}; wait", timeout=2)
    assert found.why.startswith("did not end within 2 seconds")
    until = time.monotonic() + LONG
    while is_alive(int(child.read_text())):
        assert time.monotonic() < until
        time.sleep(0.02)


def is_alive(pid: int) -> bool:
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    # Nobody may have asked yet how it ended.
    return status.rpartition(")")[2].split()[0] != "Z"


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
    here = tmp_path / "here"
    here.mkdir()
    # Each waits for all others, which one after the other could never come.
    meet = f"for _ in $(seq 600); do test $(ls {here} | wc -l) = 6 && exit $1; sleep 0.05; done"
    scripts = [f"touch {here}/{n}; set {n}; {meet}; exit 99" for n in range(6)]
    many = [program(tmp_path, str(n), script) for n, script in enumerate(scripts)]
    found = run_all(many, Health(parallel=6, isolation=Isolation.PROCESS), {})
    assert [each.program for each in found] == many
    assert [each.why for each in found] == ["", *(f"ended with {n}" for n in range(1, 6))]


def test_no_more_run_at_once_than_configured(tmp_path: Path) -> None:
    alone = f"mkdir {tmp_path}/lock && sleep 0.05 && rmdir {tmp_path}/lock"
    many = [program(tmp_path, f"{n}", alone) for n in range(4)]
    found = run_all(many, Health(parallel=1, isolation=Isolation.PROCESS), {})
    assert all(each.passed for each in found)


def test_a_unit_has_the_same_time_out(tmp_path: Path) -> None:
    one = program(tmp_path, "check", "")
    command = unit_command(one, 30, {"UPDOG_SLOT": "B"})
    assert command[0] == "systemd-run"
    assert "--property=RuntimeMaxSec=30" in command
    assert "--setenv=UPDOG_SLOT=B" in command
    assert command[-2:] == ("--", str(one.path))
