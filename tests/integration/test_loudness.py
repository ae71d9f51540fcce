"""Logs, remarks, colour and errors of the programs, as processes with real outputs."""

from __future__ import annotations

import json
import os
import pty
import select
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.api_service import ROOT, make_world
from tests.fakes.client_world import V1, FileWorld
from tests.fakes.journal import journal
from updog.events import ACTIVATED, EVENTS, FAILED, INSTALLED, STARTED

MODULES = {
    "updog": "updog",
    "signpost": "updog.signpost",
    "updog-repo": "repo_tools.cli",
    "apiclient": "updog.apiclient.cli",
}
SECRET = "hunter2-hunter2"  # noqa: S105 - of nobody
each_program = pytest.mark.parametrize("program", MODULES)


@pytest.fixture
def world(tmp_path: Path) -> FileWorld:
    return make_world(tmp_path)


def environment(**extra: str) -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return {**kept, "TERM": "xterm", **extra}


def command(program: str, *words: object) -> list[str]:
    return [sys.executable, "-m", MODULES[program], *map(str, words)]


def run(program: str, *words: object, **extra: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(program, *words),
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        env=environment(**extra),
    )


def at_terminal(program: str, *words: object, **extra: str) -> str:
    """All that a program shows at a terminal."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        command(program, *words),
        stdin=subprocess.DEVNULL,
        stdout=theirs,
        stderr=theirs,
        cwd=ROOT,
        env=environment(**extra),
    ) as process:
        os.close(theirs)
        shown = b"".join(_chunks(ours))
        process.wait()
    os.close(ours)
    return shown.decode()


def _chunks(descriptor: int) -> Iterator[bytes]:
    while True:
        assert select.select([descriptor], [], [], 120)[0]
        try:
            chunk = os.read(descriptor, 65536)
        except OSError:  # the last one at the other end is gone
            return
        if not chunk:
            return
        yield chunk


def failing(program: str, folder: Path) -> list[object]:
    """Words that end in an error."""
    gone = folder / "gone"
    return {
        "updog": ["status", "--config", gone],
        "signpost": ["status", "--disk", gone],
        "updog-repo": ["show", gone],
        "apiclient": ["update", "check", "--socket", gone],
    }[program]


# Colour -------------------------------------------------------------------------------------------


@each_program
def test_errors_are_red_on_a_terminal(program: str, tmp_path: Path) -> None:
    assert "\x1b[31m" in at_terminal(program, *failing(program, tmp_path))


@each_program
@pytest.mark.parametrize("forbidden", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_no_colour_where_it_is_forbidden(
    program: str, forbidden: dict[str, str], tmp_path: Path
) -> None:
    assert "\x1b[3" not in at_terminal(program, *failing(program, tmp_path), **forbidden)


def test_an_empty_no_color_forbids_nothing(tmp_path: Path) -> None:
    shown = at_terminal("updog", *failing("updog", tmp_path), NO_COLOR="")
    assert "\x1b[31m" in shown


@each_program
def test_no_colour_in_files(program: str, tmp_path: Path) -> None:
    ended = run(program, *failing(program, tmp_path))
    assert ended.returncode != 0
    assert "\x1b" not in ended.stdout + ended.stderr


def test_the_doctor_paints_verdicts(world: FileWorld) -> None:
    words = ("doctor", "--config", world.config)
    assert "\x1b[32mok  \x1b[0m  config" in at_terminal("updog", *words)
    assert "\x1b" not in run("updog", *words).stdout


# Remarks ------------------------------------------------------------------------------------------


@each_program
def test_quiet_and_verbose_are_flags_of_every_program(program: str) -> None:
    shown = run(program, "--help").stdout
    assert "--quiet" in shown
    assert "--verbose" in shown


@each_program
def test_an_error_is_told_although_quiet(program: str, tmp_path: Path) -> None:
    words = failing(program, tmp_path)
    assert run(program, *words, "--quiet").stderr == run(program, *words).stderr != ""


@pytest.mark.parametrize("program", ["updog", "signpost", "updog-repo"])
def test_verbose_tells_where_an_error_came_from(program: str, tmp_path: Path) -> None:
    words = failing(program, tmp_path)
    assert "Traceback" in run(program, *words, "--verbose").stderr
    assert "Traceback" not in run(program, *words).stderr


def test_quiet_leaves_only_the_result(world: FileWorld, tmp_path: Path) -> None:
    ended = run("updog", "update", "--quiet", "--config", world.config)
    assert (ended.stdout, ended.stderr) == ("Update applied: edge-gw 1.2.0\n", "")
    made = run("updog-repo", "init", tmp_path / "r", "--quiet")
    assert (made.stdout, made.stderr) == (f"{tmp_path}/r/root/1.root.json\n", "")


def test_flags_may_stand_before_the_command(tmp_path: Path) -> None:
    assert run("updog-repo", "--quiet", "init", tmp_path / "r").stderr == ""


def test_quiet_and_verbose_contradict_each_other(world: FileWorld) -> None:
    assert run("updog", "-q", "status", "-v", "--config", world.config).returncode == 64


# Logs ---------------------------------------------------------------------------------------------


def test_the_journal_gets_fields_and_stderr_nothing(world: FileWorld, tmp_path: Path) -> None:
    with journal(tmp_path / "journal") as receiving, tmp_path.joinpath("err").open("w+") as err:
        found = os.fstat(err.fileno())
        stream = f"{found.st_dev}:{found.st_ino}"
        subprocess.run(
            command("updog", "update", "--config", world.config),
            stdout=subprocess.DEVNULL,
            stderr=err,
            check=True,
            cwd=ROOT,
            env=environment(JOURNAL_STREAM=stream, UPDOG_JOURNAL_SOCKET=str(receiving.path)),
        )
        records = receiving.records()
        err.seek(0)
        assert err.read() == ""
    told = [each for each in records if "MESSAGE_ID" in each]
    assert [each["MESSAGE_ID"] for each in told] == [
        event.message_id for event in (STARTED, INSTALLED, ACTIVATED)
    ]
    assert {each["UPDOG_VERSION"] for each in told} == {"1.2.0"}
    assert [each["UPDOG_PHASE"] for each in told] == ["install", "install", "activate"]
    assert {each["UPDOG_COMMAND"] for each in records} == {"update"}
    assert {each["SYSLOG_IDENTIFIER"] for each in records} == {"updog"}
    assert {each["PRIORITY"] for each in records} == {"6"}


def test_remarks_of_the_publishing_side_go_into_the_journal(tmp_path: Path) -> None:
    with journal(tmp_path / "journal") as receiving, tmp_path.joinpath("err").open("w+") as err:
        found = os.fstat(err.fileno())
        subprocess.run(
            command("updog-repo", "init", tmp_path / "r"),
            stdout=subprocess.DEVNULL,
            stderr=err,
            check=True,
            cwd=ROOT,
            env=environment(
                JOURNAL_STREAM=f"{found.st_dev}:{found.st_ino}",
                UPDOG_JOURNAL_SOCKET=str(receiving.path),
            ),
        )
        records = receiving.records()
        err.seek(0)
        assert err.read() == ""
    assert {each["SYSLOG_IDENTIFIER"] for each in records} == {"updog-repo"}
    assert any("Made 3 root keys" in each["MESSAGE"] for each in records)


def test_an_inherited_journal_stream_that_is_not_ours_changes_nothing(
    world: FileWorld, tmp_path: Path
) -> None:
    with journal(tmp_path / "journal") as receiving:
        ended = run(
            "updog",
            *("update", "--config", world.config),
            JOURNAL_STREAM="1:2",
            UPDOG_JOURNAL_SOCKET=str(receiving.path),
        )
        assert receiving.records() == []
    assert ended.stderr.startswith("Starting update to 1.2.0\n")


def test_an_error_goes_into_the_journal_with_its_code(tmp_path: Path) -> None:
    with journal(tmp_path / "journal") as receiving:
        words = ("check-update", "--config", tmp_path / "gone", "--log-format", "journal")
        ended = run("updog", *words, UPDOG_JOURNAL_SOCKET=str(receiving.path))
        record = receiving.record()
    assert (ended.returncode, ended.stderr) == (78, "")
    assert (record["MESSAGE_ID"], record["PRIORITY"]) == (FAILED.message_id, "3")
    assert (record["UPDOG_EXIT_CODE"], record["UPDOG_WHY"]) == ("78", record["MESSAGE"])


def test_json_lines_are_one_object_each(world: FileWorld) -> None:
    ended = run("updog", "update", "--config", world.config, "--log-format", "json")
    lines = [json.loads(line) for line in ended.stderr.splitlines()]
    assert [line["message_id"] for line in lines if "message_id" in line] == [
        event.message_id for event in (STARTED, INSTALLED, ACTIVATED)
    ]
    assert {"time", "level", "program", "logger", "message", "updog_command"} <= set(lines[0])


def test_ids_of_events_are_their_own() -> None:
    assert len({event.message_id for event in EVENTS}) == len(EVENTS)
    assert all(len(event.message_id) == 32 for event in EVENTS)


def test_no_secret_comes_through_anywhere(world: FileWorld, tmp_path: Path) -> None:
    world.configure(
        metadata_base_url=f"http://me:{SECRET}@127.0.0.1:9/m?token={SECRET}",
        targets_base_url=f"http://me:{SECRET}@127.0.0.1:9/t",
    )
    dropins = world.home / "updog.d"
    dropins.mkdir()
    dropins.joinpath("fast.toml").write_text("[download]\nretries = 0\n")
    world.client.paths.os_release.write_text(f"VERSION_ID={V1}\nVARIANT_ID=edge-gw\n")
    for form in ("plain", "json"):
        words = ("check-update", "--config", world.config, "--log-level", "trace")
        ended = run("updog", *words, "--log-format", form)
        assert ended.returncode != 0
        assert SECRET not in ended.stdout + ended.stderr
    gone = tmp_path / f"passphrase={SECRET}"
    ended = run("updog-repo", "show", gone, "--verbose", UPDOG_PASSPHRASE=SECRET)
    assert ended.returncode == 64
    assert SECRET not in ended.stderr
