"""The command line of `updog-ecs`."""

from __future__ import annotations

import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from updog.errors import UsageError
from updog.fleet.budget import Budget
from updog.fleet.ecs import flags
from updog.fleet.ecs.command import main
from updog.fleet.ecs.options import Documents, Limits, Options
from updog.fleet.ecs.tasks import TaskPolicy

PAGE = Path(__file__).resolve().parents[5] / "docs" / "ecs.md"
DOCUMENTS = ["--check-document", "c", "--apply-document", "a", "--reboot-document", "r"]
REQUIRED = ["--cluster", "prod", *DOCUMENTS]


def test_upstreams_flags_are_taken_with_one_dash_and_with_two() -> None:
    words = ["cluster", "check-document", "apply-document", "reboot-document", "region"]
    one = flags.parse([each for word in words for each in (f"-{word}", word)])
    two = flags.parse([each for word in words for each in (f"--{word}", word)])
    glued = flags.parse([f"-{word}={word}" for word in words])
    assert vars(one) == vars(two) == vars(glued)
    assert (one.cluster, one.region) == ("cluster", "region")


def test_what_is_not_said_is_upstreams_way() -> None:
    found = flags.options(flags.parse(REQUIRED))
    assert found == Options(Documents("c", "a", "r"))
    assert (found.budget, found.tasks) == (Budget(1), TaskPolicy.SKIP)


def test_everything_can_be_said() -> None:
    said = ["--budget", "20%", "--max-failures", "5", "--attempts", "2", "--tasks", "stop"]
    times = ["--drain-time", "40 minutes", "--poll-time", "0.5", "--stale-after-time", "1 hour"]
    args = flags.parse([*REQUIRED, *said, *times, "--resume", "--every", "2 hours"])
    assert flags.options(args) == Options(
        Documents("c", "a", "r"),
        budget=Budget(percent=20),
        max_failures=Budget(5),
        attempts=2,
        tasks=TaskPolicy.STOP,
        resume=True,
        limits=Limits(
            drain=timedelta(minutes=40),
            poll=timedelta(seconds=0.5),
            stale_after=timedelta(hours=1),
        ),
    )
    assert args.every == timedelta(hours=2)


@pytest.mark.parametrize(
    "words",
    [
        [],
        DOCUMENTS,
        [*REQUIRED, "--budget", "0"],
        [*REQUIRED, "--budget", "half"],
        [*REQUIRED, "--attempts", "0"],
        [*REQUIRED, "--tasks", "kill"],
        [*REQUIRED, "--every", "often"],
        [*REQUIRED, "--poll-time", "-1"],
        [*REQUIRED, "--poll-time", "nan"],
        [*REQUIRED, "--poll-time", "inf"],
        [*REQUIRED, "--unknown"],
    ],
)
def test_a_wrong_command_line_is_told_in_one_line(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(UsageError):
        flags.parse(words)
    assert main(words) == UsageError.exit_code
    assert capsys.readouterr().err.startswith("updog: ")


def test_a_missing_extra_is_named() -> None:
    probe = (
        "import sys\n"
        "sys.modules['boto3'] = None\n"
        "from updog.fleet.ecs.command import main\n"
        "sys.exit(main(sys.argv[1:]))\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", probe, *REQUIRED], capture_output=True, text=True, check=False
    )
    assert run.returncode == 70
    assert run.stderr.splitlines()[-1] == "hint: Install it with pip install 'updog-agent[ecs]'."


def test_every_flag_and_exit_code_is_documented(capsys: pytest.CaptureFixture[str]) -> None:
    page = PAGE.read_text()
    with pytest.raises(SystemExit):
        flags.parse(["--help"])
    for word in capsys.readouterr().out.split():
        flag = word.strip("[],;")
        if flag.startswith("--"):
            assert f"`{flag}`" in page, flag
    for code in (0, 1, 3, 64, 69, 70, 75, 77, 78, 143):
        assert f"| {code} |" in page
