from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from tests.fakes.migration_world import LOG, MigrationWorld, appends, script
from updog.cli import main
from updog.staged import StagedUpdate, remember

SCHEMAS = Path(__file__).resolve().parents[4] / "docs/schemas"


@pytest.fixture
def world(tmp_path: Path) -> MigrationWorld:
    world = MigrationWorld(tmp_path)
    world.place("1.0.0")
    world.publish({"1.0.0>1.1.0": ["a"], "1.1.0>1.2.0": []})
    return world


def _run(world: MigrationWorld, *words: str, running: str = "1.1.0") -> int:
    return main(["--config", str(world.configure(running)), "migrate", *words])


def _json(capsys: pytest.CaptureFixture[str], schema: str) -> Any:
    said = json.loads(capsys.readouterr().out)
    rules = json.loads((SCHEMAS / f"{schema}.json").read_text())
    jsonschema.validate(said, rules)
    return said


def test_the_settings_become_those_of_the_running_version(world: MigrationWorld) -> None:
    assert _run(world) == 0
    assert (world.version, world.log) == ("1.1.0", ["start", "a"])


def test_bottlerockets_flags_are_understood(world: MigrationWorld, tmp_path: Path) -> None:
    paths = world.paths
    words = ["--datastore-path", str(paths.datastore), "--root-path", str(paths.trusted_root)]
    words += ["--migration-directory", str(paths.migrations_dir)]
    words += ["--metadata-directory", str(paths.metadata_cache_dir)]
    empty = MigrationWorld(tmp_path / "empty")
    empty.home.mkdir()
    assert _run(empty, *words, "--migrate-to-version-from-os-release", running="1.1.0") == 0
    assert world.version == "1.1.0"
    assert _run(empty, *words, "--migrate-to-version", "v1.0.0", running="1.1.0") == 0
    assert world.store == LOG


def test_json_of_a_migration(world: MigrationWorld, capsys: pytest.CaptureFixture[str]) -> None:
    assert _run(world, "--json") == 0
    said = _json(capsys, "migrate")
    assert (said["from"], said["to"], said["direction"]) == ("1.0.0", "1.1.0", "forward")
    assert said["store"] == str(world.paths.datastore.resolve())
    assert _run(world, "--json") == 0
    assert _json(capsys, "migrate")["direction"] == "none"


def test_json_of_a_first_boot(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    world = MigrationWorld(tmp_path)
    assert _run(world, "--json") == 0
    assert _json(capsys, "migrate")["from"] is None
    assert _run(world, "--json", "--rehearse") == 0
    assert _json(capsys, "migrate-rehearse")["from"] is None


def test_a_rehearsal_shows_changes_and_changes_nothing(
    world: MigrationWorld, capsys: pytest.CaptureFixture[str]
) -> None:
    before = world.names()
    assert _run(world, "--rehearse", "--json") == 0
    said = _json(capsys, "migrate-rehearse")
    assert said["changed"] == [
        {
            "tree": "live",
            "key": "settings.log",
            "metadata": None,
            "before": {"value": ["start"]},
            "after": {"value": ["start", "a"]},
        }
    ]
    assert said["not_restored"] == []
    assert (world.store, world.names()) == (LOG, before)


def test_a_rehearsal_is_told_to_people(
    world: MigrationWorld, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _run(world, "--rehearse") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "Rehearsed 1.0.0 -> 1.1.0: 1 migrations, forward:"
    assert '    + ["start", "a"]' in lines
    assert lines[-1] == "The way back restores every value."


def test_a_rehearsal_shows_what_the_way_back_loses(
    world: MigrationWorld, capsys: pytest.CaptureFixture[str]
) -> None:
    world.publish({"1.0.0>1.1.0": ["lossy"]}, {"lossy": script("rm -f settings/motd")})
    assert _run(world, "--rehearse", "--json") == 0
    said = _json(capsys, "migrate-rehearse")
    assert [one["key"] for one in said["not_restored"]] == ["settings.motd"]
    assert said["not_restored"][0]["after"] is None


def test_a_rehearsal_is_for_what_was_staged(
    world: MigrationWorld, capsys: pytest.CaptureFixture[str]
) -> None:
    remember(world.paths.staged, StagedUpdate("B", "edge-gw", "x86_64", "1.1.0"))
    assert _run(world, "--rehearse", "--json", running="1.0.0") == 0
    assert _json(capsys, "migrate-rehearse")["to"] == "1.1.0"


def test_a_way_back_that_fails_is_found_in_rehearsal(
    world: MigrationWorld, capsys: pytest.CaptureFixture[str]
) -> None:
    program = appends("x").replace(b"set -e", b"set -e; [ $1 = --forward ]")
    world.publish({"1.0.0>1.1.0": ["oneway"]}, {"oneway": program})
    assert _run(world, "--rehearse") == 65
    assert "oneway failed with 1" in capsys.readouterr().err


@pytest.mark.parametrize("words", [["--to", "x"], ["--time-limit", "0"]])
def test_wrong_words_are_usage_errors(world: MigrationWorld, words: list[str]) -> None:
    assert _run(world, *words) == 64


def test_a_cut_chain_ends_with_65(
    world: MigrationWorld, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _run(world, "--to", "9.0.0") == 65
    assert "the chain is cut" in capsys.readouterr().err
