from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from pathlib import Path

import pytest

from updog.errors import MigrationError
from updog.migrate.confine import OWN_USER
from updog.migrate.sandbox import Sandbox
from updog.migrate.sealed import sealed

ROOT = os.geteuid() == 0


@pytest.fixture
def work(tmp_path: Path) -> Path:
    folder = tmp_path / "work"
    folder.mkdir(mode=0o700)
    if ROOT:
        os.chown(folder, OWN_USER, OWN_USER)
    return folder


def _run(work: Path, *lines: str, confined: bool = True, seconds: float = 30) -> tuple[str, ...]:
    program = "\n".join(["#!/bin/sh", "set -e", *lines]).encode()
    with sealed("probe", [program]) as one:
        return Sandbox(seconds, confined=confined).run(one, work, ["{work}/here", "--flag"])


def _said(work: Path, *lines: str) -> str:
    """What a locked-in program writes to its folder."""
    assert _run(work, *lines) == (), "this kernel should be able to lock everything"
    return (work / "out").read_text().strip()


def test_nobody_can_change_a_sealed_program() -> None:
    with sealed("probe", [b"one", b"two"]) as one:
        assert os.pread(one.descriptor, 10, 0) == b"onetwo"
        with pytest.raises(PermissionError):
            os.pwrite(one.descriptor, b"x", 0)
        with pytest.raises(PermissionError):
            os.ftruncate(one.descriptor, 0)
        with pytest.raises(PermissionError):
            fcntl.fcntl(one.descriptor, fcntl.F_ADD_SEALS, fcntl.F_SEAL_GROW)


def test_arguments_come_as_given(work: Path) -> None:
    assert _said(work, 'echo "$@" >out') == "/tmp/store/here --flag"  # noqa: S108


def test_there_is_no_network(work: Path) -> None:
    assert (
        _said(work, "grep -c : /proc/self/net/dev >out; cat /proc/self/net/dev >>out").count(":")
        == 1
    )  # lo alone, and it is down


@pytest.mark.root
def test_it_runs_as_a_user_of_its_own(work: Path) -> None:
    assert _said(work, "id -u >out; id -G >>out").split() == [str(OWN_USER), str(OWN_USER)]


def test_it_can_write_only_to_its_folder(work: Path, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.mkdir(mode=0o777)
    victim.chmod(0o777)
    _run(work, f"if touch {victim}/x 2>/dev/null; then exit 9; fi")
    assert list(victim.iterdir()) == []


def test_its_tmp_is_its_own(work: Path) -> None:
    assert _said(work, "touch /tmp/x; ls /tmp >out") == "store\nx"
    assert not Path("/tmp/x").exists() or Path("/tmp/x").stat().st_uid != OWN_USER  # noqa: S108


def test_no_program_gives_it_more_rights(work: Path) -> None:
    assert _said(work, "grep NoNewPrivs /proc/self/status >out").split() == ["NoNewPrivs:", "1"]


def test_its_environment_is_empty(work: Path) -> None:
    names = _said(work, "env | cut -d= -f1 | sort >out").split()
    assert set(names) <= {"HOME", "LANG", "PATH", "PWD", "TMPDIR", "_", "SHLVL", "OLDPWD"}


def test_what_it_leaves_running_is_ended(work: Path) -> None:
    assert _said(work, "setsid sleep 4321 &", "echo left >out") == "left"
    running = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True)
    assert "sleep 4321" not in running.stdout


def test_a_time_out_ends_all_of_it(work: Path) -> None:
    with pytest.raises(MigrationError, match="longer than 1 seconds"):
        _run(work, "setsid sleep 5432 &", "sleep 5432", seconds=1)
    running = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True)
    assert "sleep 5432" not in running.stdout


def test_a_signal_is_a_failure(work: Path) -> None:
    with pytest.raises(MigrationError, match="failed with 137"):
        _run(work, "kill -9 $$")


def test_too_large_a_file_is_a_failure(work: Path) -> None:
    with pytest.raises(MigrationError, match="the migration probe failed"):
        _run(work, "head -c 70000000 /dev/zero >big")


def test_going_without_is_said(work: Path) -> None:
    assert _run(work, "true", confined=False) == ("it is not locked in at all",)


def test_without_root_it_is_locked_in_by_a_user_space(tmp_path: Path) -> None:
    program = (
        "from pathlib import Path\n"
        "from updog.migrate.sandbox import Sandbox\n"
        "from updog.migrate.sealed import sealed\n"
        "script = b'#!/bin/sh\\nid -u >out; wc -l </proc/self/net/dev >>out; ! touch /etc/x'\n"
        "with sealed('probe', [script]) as one:\n"
        f"    print(Sandbox(30).run(one, Path({str(tmp_path)!r}), []))\n"
    )
    as_somebody = ["unshare", "--user", "--map-user=12345", "--map-group=12345"]
    run = subprocess.run(
        [*as_somebody, sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    assert (tmp_path / "out").read_text().split() == ["12345", "3"]
    assert run.stdout.strip() == "()"
