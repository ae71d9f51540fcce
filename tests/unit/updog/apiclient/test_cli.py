from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest

from tests.fakes.clock import FakeClock
from tests.fakes.upstream_service import Script, status, upstream
from updog.apiclient.bar import line_for
from updog.apiclient.cli import main
from updog.apiclient.connection import Connection
from updog.apiclient.errors import CommandFailed
from updog.apiclient.following import ACTIVATE as ACTIVATION
from updog.apiclient.following import Follower

Capture = pytest.CaptureFixture[str]
REFRESH, PREPARE, ACTIVATE, DEACTIVATE, REBOOT = (
    f"POST /actions/{each}"
    for each in (
        "refresh-updates",
        "prepare-update",
        "activate-update",
        "deactivate-update",
        "reboot",
    )
)


def run(tmp_path: Path, script: Script, *words: str) -> int:
    with upstream(tmp_path / "s", script):
        return main(["--socket", str(tmp_path / "s"), *words])


def posts(script: Script) -> list[str]:
    return [each for each in script.log if each.startswith("POST")]


def test_check_refreshes_and_prints_the_status(tmp_path: Path, capsys: Capture) -> None:
    script = Script([status(at="t0"), 423, status(at="t0"), status(at="t1")])
    assert run(tmp_path, script, "update", "check") == 0
    out, err = capsys.readouterr()
    assert (json.loads(out), err) == (status(at="t1"), "")
    assert out.startswith('{\n  "update_state"')
    assert posts(script) == [REFRESH]


def test_check_works_where_there_never_was_a_command(tmp_path: Path, capsys: Capture) -> None:
    assert run(tmp_path, Script([404, status()]), "update", "check") == 0
    assert json.loads(capsys.readouterr().out)["update_state"] == "Available"


def test_apply_prepares_and_activates_and_hints_at_the_reboot(
    tmp_path: Path, capsys: Capture
) -> None:
    script = Script(
        [
            status(at="t1"),
            status("Staged", "prepare", "t2"),
            status("Staged", "prepare", "t2"),
            status("Ready", "activate", "t3"),
        ]
    )
    assert run(tmp_path, script, "update", "apply") == 0
    assert posts(script) == [PREPARE, ACTIVATE]
    assert "apiclient reboot" in capsys.readouterr().err


def test_apply_restarts_where_it_is_told_to(tmp_path: Path) -> None:
    script = Script(
        [404, status("Staged", "prepare", "t2"), 423, status("Ready", "activate", "t3")]
    )
    assert run(tmp_path, script, "update", "apply", "--reboot") == 0
    assert posts(script) == [PREPARE, ACTIVATE, REBOOT]


@pytest.mark.parametrize("state", ["Idle", "Ready"])
def test_apply_with_check_ends_quietly_where_there_is_nothing_to_do(
    tmp_path: Path, capsys: Capture, state: str
) -> None:
    script = Script([404, status(state)])
    assert run(tmp_path, script, "update", "apply", "-c", "-r") == 0
    assert (posts(script), capsys.readouterr()) == ([REFRESH], ("", ""))


def test_a_command_that_failed_is_told_with_its_reason(tmp_path: Path, capsys: Capture) -> None:
    script = Script([404, status(how="Failed")])
    assert run(tmp_path, script, "update", "check") == 1
    assert capsys.readouterr().err == (
        "refresh ended with Failed (exit status 1): the disk is gone\n"
    )


def test_another_ones_command_of_another_kind_is_not_ours(tmp_path: Path) -> None:
    script = Script([status(at="t0"), status(command="activate", at="t1"), status(at="t2")])
    assert run(tmp_path, script, "update", "check") == 0


def test_five_failures_of_the_status_are_tolerated_and_no_more(tmp_path: Path) -> None:
    assert run(tmp_path, Script([404, *[500] * 5, status()]), "update", "check") == 0
    tmp_path.joinpath("s").unlink()
    assert run(tmp_path, Script([404, *[500] * 6, status()]), "update", "check") == 1


def test_failures_are_tolerated_where_the_service_names_the_outcome_too(tmp_path: Path) -> None:
    done = status()["most_recent_command"]
    script = Script([status()], outcomes=[404, 404, *[500] * 5, done])
    assert run(tmp_path, script, "update", "check") == 0
    tmp_path.joinpath("s").unlink()
    script = Script([status()], outcomes=[404, *[500] * 6, done])
    assert run(tmp_path, script, "update", "check") == 1


def test_an_activation_may_wait_for_health_checks(tmp_path: Path) -> None:
    assert ACTIVATION.limit == 5.0
    done = status("Ready", "activate")["most_recent_command"]
    script = Script([status("Staged")], outcomes=[404, 404, done])
    with upstream(tmp_path / "s", script):
        clock = FakeClock()
        # Each question is half a minute later than the one before.
        follower = Follower(
            Connection(tmp_path / "s", 60.0),
            clock,
            lambda _seconds: clock.advance(timedelta(seconds=30)),
        )
        follower.run(ACTIVATION)
    assert posts(script) == [ACTIVATE]


def test_an_activation_of_bottlerocket_is_given_up_after_five_seconds(tmp_path: Path) -> None:
    with upstream(tmp_path / "s", Script([status("Staged")])):
        clock = FakeClock()
        connection = Connection(tmp_path / "s", 60.0)
        follower = Follower(connection, clock, lambda _: clock.advance(timedelta(seconds=3)))
        with pytest.raises(CommandFailed, match="activate took too long"):
            follower.run(ACTIVATION)


def test_what_takes_too_long_is_given_up(tmp_path: Path, capsys: Capture) -> None:
    script = Script([status(at="t0")])
    assert run(tmp_path, script, "--timeout", "0.3", "update", "check") == 1
    assert "refresh took too long" in capsys.readouterr().err


def test_a_busy_service_is_asked_again(tmp_path: Path) -> None:
    script = Script([404, status()], {"/actions/refresh-updates": [423, 423]})
    assert run(tmp_path, script, "update", "check") == 0
    assert posts(script) == [REFRESH] * 3


def test_cancel_takes_an_activation_back(tmp_path: Path) -> None:
    script = Script([status("Ready"), status("Staged", "deactivate", "t9")])
    assert run(tmp_path, script, "update", "cancel") == 0
    assert posts(script) == [DEACTIVATE]


@pytest.mark.parametrize("number", [1, None])
def test_cancel_ends_what_is_under_way_and_deactivates_nothing(
    tmp_path: Path, number: int | None
) -> None:
    """Without a number the command began after the question for it."""
    ended = status(command="prepare", how="Failed")["most_recent_command"]
    script = Script([status()], outcomes=[404, ended], progress={"number": number})
    assert run(tmp_path, script, "update", "cancel") == 0
    assert posts(script) == ["POST /actions/cancel"]


def test_raw_prints_the_body_and_nothing_else(tmp_path: Path, capsys: Capture) -> None:
    assert run(tmp_path, Script([status()]), "raw", "-u", "/updates/status") == 0
    assert json.loads(capsys.readouterr().out) == status()
    tmp_path.joinpath("s").unlink()
    words = ("raw", "-m", "POST", "-u", "/actions/reboot", "-d", "{}", "-v")
    assert run(tmp_path, Script([status()]), *words) == 0
    assert capsys.readouterr() == ("", "204 No Content\n")


def test_raw_tells_an_error_in_upstreams_words(tmp_path: Path, capsys: Capture) -> None:
    assert run(tmp_path, Script([423]), "raw", "-u", "/updates/status") == 1
    assert capsys.readouterr() == ("", "Status 423 when GETing /updates/status: busy\n")


def test_get_prints_json_for_people(tmp_path: Path, capsys: Capture) -> None:
    assert run(tmp_path, Script([status()]), "get", "updates.status") == 0
    assert '\n  "update_state": "Available"' in capsys.readouterr().out


def test_a_service_that_is_not_there_is_told(tmp_path: Path, capsys: Capture) -> None:
    assert main(["-s", str(tmp_path / "none"), "update", "check"]) == 1
    assert capsys.readouterr().err.startswith(f"No answer on {tmp_path}/none: ")


@pytest.mark.parametrize("words", [(), ("update",), ("raw",), ("get",), ("fly",)])
def test_a_wrong_command_line_is_exit_2(words: tuple[str, ...], capsys: Capture) -> None:
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 2
    assert capsys.readouterr().err.startswith("usage: apiclient")


def test_the_bar_shows_how_far_the_image_is() -> None:
    tree = {
        "target": "root",
        "done": 3_000_000,
        "total": 12_000_000,
        "percent": 25,
        "rate": 2_000_000,
        "seconds_left": 64,
    }
    assert line_for(tree) == (
        f"root  [{'#' * 7}{'-' * 23}]  25 %  3.0/12.0 MB  2.0 MB/s  1:04 left"
    )
    assert line_for(dict.fromkeys(tree)) == ""
