from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from repo_tools.cli import main
from repo_tools.repository import Repository
from tests.fakes.repositories import EDITION, add_version, new_repository
from updog.clock import SystemClock
from updog.version import Version
from waves.policy import to_schedule
from waves.shipped import names, read_shipped

SCHEMAS = Path(__file__).resolve().parents[4] / "docs/schemas"
SMALL = ("--fleet", "200", "--poll", "6h")


def _check(schema: str, text: str) -> Any:
    tree = json.loads(text)
    described = json.loads((SCHEMAS / f"{schema}.json").read_text())
    Draft202012Validator.check_schema(described)
    checker = Draft202012Validator(described, format_checker=Draft202012Validator.FORMAT_CHECKER)
    assert [error.message for error in checker.iter_errors(tree)] == []
    return tree


@pytest.fixture
def rolled(tmp_path: Path) -> Path:
    """A repository whose draft has one release, in the middle of its waves."""
    repository = new_repository(tmp_path / "repository")
    add_version(repository, "1.1.0")
    _begin(repository)
    return repository.folder


def _begin(repository: Repository) -> None:
    # Counted from the machine's clock, as the command itself counts.

    schedule = to_schedule(read_shipped("default"), SystemClock().now())
    early = schedule.waves[0].start - schedule.waves[3].start
    moved = tuple(type(wave)(wave.first_seed, wave.start + early) for wave in schedule.waves)
    repository.set_waves(EDITION, Version.parse("1.1.0"), type(schedule)(moved))


@pytest.mark.parametrize("policy", names())
@pytest.mark.parametrize("size", [[], ["--image-size", "600MB"]])
def test_a_simulation_is_as_its_schema_says(
    policy: str, size: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["waves", "simulate", "--policy", policy, "--rule", "both", "--json", *SMALL, *size]
    assert main(command) == 0
    tree = _check("waves-simulate", capsys.readouterr().out)
    assert [run["rule"] for run in tree["runs"]] == ["ours", "upstream"]


def test_shown_waves_are_as_their_schema_says(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["waves", "show", "slow-roll", "--json"]) == 0
    assert len(_check("waves-show", capsys.readouterr().out)["waves"]) == 7


def test_paused_waves_are_as_their_schema_says(
    rolled: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    release = ["--variant", "edge", "--arch", "x86_64", "-v", "1.1.0"]
    assert main(["rollout", "pause", str(rolled), *release, "--yes"]) == 0
    capsys.readouterr()
    manifest = str(rolled / "draft/edge/x86_64/manifest.json")
    assert main(["waves", "show", "--manifest", manifest, "-v", "1.1.0", "--json"]) == 0
    waves = _check("waves-show", capsys.readouterr().out)["waves"]
    assert None in {wave["spread_seconds"] for wave in waves}
    assert waves[-1]["paused_seconds_left"] > 0


@pytest.mark.parametrize("policy", ["default", "no [[such]] policy"])
def test_findings_are_as_their_schema_says(
    policy: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "policy.toml"
    path.write_text(policy)
    main(["waves", "lint", policy if policy == "default" else str(path), "--json"])
    assert _check("waves-lint", capsys.readouterr().out)["findings"]


@pytest.mark.parametrize(
    "action",
    [["pause"], ["halt"], ["extend", "--factor", "2"], ["expedite", "--factor", "0.5"]],
    ids=lambda action: action[0],
)
def test_a_change_is_as_its_schema_says(
    action: list[str], rolled: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    word, *pace = action
    release = ["--variant", "edge", "--arch", "x86_64", "-v", "1.1.0"]
    assert main(["rollout", word, str(rolled), *release, *pace, *SMALL, "--dry-run", "--json"]) == 0
    tree = _check("rollout", capsys.readouterr().out)
    assert tree["action"] == word
    assert tree["before"] != tree["after"]
