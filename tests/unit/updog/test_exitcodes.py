"""The exit codes that are documented are those of the code."""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import partitions
import repo_tools
import updog
import waves
from partitions import signpost
from partitions.errors import PartitionError
from repo_tools.cli import EX_INTERRUPTED
from repo_tools.publishing.expiry import State
from repo_tools.validate.command import FAILED, WARNED
from updog import exitcodes
from updog.apiclient import cli as apiclient
from updog.apiclient.errors import ClientError
from updog.cli import NOTHING_AVAILABLE
from updog.closedpipe import EX_SIGPIPE
from updog.ended import EX_INTERRUPTED as INTERRUPTED
from updog.ended import EX_TERMINATED
from updog.errors import Unhealthy, UpdogError
from updog.exitcodes import ExitCode
from waves.errors import WaveError

DOCS = Path(__file__).resolve().parents[3] / "docs"
PROGRAMS = {
    "updog": exitcodes.UPDOG,
    "signpost": exitcodes.SIGNPOST,
    "updog-repo": exitcodes.UPDOG_REPO,
    "apiclient": exitcodes.APICLIENT,
}


def numbers(codes: tuple[ExitCode, ...]) -> set[int]:
    return {code.code for code in codes}


def children(kind: type[Exception]) -> Iterator[type[Exception]]:
    for child in kind.__subclasses__():
        yield child
        yield from children(child)


def code_of(kind: type[Exception]) -> int:
    code: int = kind.exit_code  # type: ignore[attr-defined]
    return code


def raised_in(*packages: str) -> set[int]:
    """The exit codes of all errors of ours that are defined in these packages."""
    for package in (partitions, repo_tools, updog, waves):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            # Programs of their own, with codes of their own.
            if not module.name.startswith("updog.fleet") and not module.name.endswith("__main__"):
                importlib.import_module(module.name)
    known: set[type[Exception]] = {WaveError, *children(UpdogError), *children(PartitionError)}
    outside = ("updog.fleet", "updog.apiclient", "tests")
    return {
        code_of(kind)
        for kind in known
        if kind.__module__.startswith(packages) and not kind.__module__.startswith(outside)
    }


def in_docs(name: str) -> tuple[ExitCode, ...]:
    """The table of a program in docs/cli.md."""
    page = (DOCS / "cli.md").read_text()
    title = "## Exit codes" if name == "updog" else f"### `{name}`"
    table = re.split(r"\n#|\nAn error", page.partition(f"\n{title}\n")[2])[0]
    rows = re.findall(r"^\| (\d+) \| (.*?) \| ?(.*?) ?\|$", table, re.MULTILINE)
    return tuple(ExitCode(int(code), meaning, todo) for code, meaning, todo in rows)


def in_page(page: str) -> tuple[ExitCode, ...]:
    """The table of a program that has a page of its own."""
    table = re.split(r"\n#", (DOCS / page).read_text().partition("# Exit codes\n")[2])[0]
    rows = re.findall(r"^\| (\d+) \| (.*?) \|$", table, re.MULTILINE)
    return tuple(ExitCode(int(code), meaning) for code, meaning in rows)


def test_those_of_updog() -> None:
    raised = raised_in("updog", "partitions", "waves")
    assert numbers(exitcodes.UPDOG) == raised | {0, NOTHING_AVAILABLE, INTERRUPTED, EX_TERMINATED}


def test_those_of_updog_repo() -> None:
    raised = raised_in("updog", "partitions", "waves", "repo_tools") - {Unhealthy.exit_code}
    said = {*State, WARNED, FAILED, EX_INTERRUPTED, EX_SIGPIPE}
    assert numbers(exitcodes.UPDOG_REPO) == raised | said


def test_those_of_apiclient() -> None:
    known: set[type[Exception]] = {ClientError, *children(ClientError)}
    raised = {code_of(kind) for kind in known}
    with pytest.raises(SystemExit) as ended:
        apiclient.main(["nothing"])
    assert numbers(exitcodes.APICLIENT) == raised | {0, ended.value.code, apiclient.INTERRUPTED}


def test_those_of_signpost(tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as ended:
        signpost.main(["nothing"])
    failed = signpost.main(["status", "--disk", str(tmp_path / "none")])
    assert numbers(exitcodes.SIGNPOST) == {0, failed, ended.value.code}


@pytest.mark.parametrize("name", PROGRAMS)
def test_the_page_of_the_commands_says_the_same(name: str) -> None:
    assert in_docs(name) == PROGRAMS[name]


@pytest.mark.parametrize(
    ("page", "codes"), [("kubernetes.md", exitcodes.FLEET), ("ecs.md", exitcodes.ECS)]
)
def test_pages_of_fleets_say_the_same(page: str, codes: tuple[ExitCode, ...]) -> None:
    assert in_page(page) == codes


def test_the_formats_list_the_same_codes() -> None:
    page = (DOCS / "formats.md").read_text()
    listed = page.partition("### 5.3 Exit codes (D12)\n")[2].partition("\n")[0]
    assert {int(code) for code in re.findall(r"(?:^|· )(\d+) ", listed)} == numbers(exitcodes.UPDOG)
