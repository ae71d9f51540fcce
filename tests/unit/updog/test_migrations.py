from __future__ import annotations

from pathlib import Path

import pytest

from updog import migrations
from updog.errors import MigrationError
from updog.manifest import Migrations, parse
from updog.version import Version

FIXTURE = Path(__file__).resolve().parents[3] / "fixtures" / "manifests" / "migrations.json"


def _edges(table: dict[str, list[str]]) -> Migrations:
    """Edges written ``from>to``."""
    found = {}
    for key, names in table.items():
        start, end = map(Version.parse, key.split(">"))
        found[start, end] = tuple(names)
    return found


def _path(table: dict[str, list[str]], start: str, end: str) -> tuple[str, ...]:
    return migrations.path(_edges(table), Version.parse(start), Version.parse(end))


def _refusal(table: dict[str, list[str]], start: str, end: str) -> str:
    with pytest.raises(MigrationError) as refused:
        _path(table, start, end)
    assert refused.value.hint
    return str(refused.value)


def test_bottlerockets_manifest_gives_its_chain_upwards() -> None:
    found = parse(FIXTURE.read_bytes()).migrations
    chain = migrations.path(found, Version.parse("1.0.0"), Version.parse("1.5.0"))
    assert chain == ("migration_1.1.0_a", "migration_1.1.0_b", "migration_1.5.0_shortcut")


def test_bottlerockets_manifest_gives_the_reverse_chain_downwards() -> None:
    found = parse(FIXTURE.read_bytes()).migrations
    chain = migrations.path(found, Version.parse("1.5.0"), Version.parse("1.0.0"))
    assert chain == ("migration_1.5.0_shortcut", "migration_1.1.0_b", "migration_1.1.0_a")


def test_nothing_is_needed_to_stay() -> None:
    assert _path({}, "1.0.0", "1.0.0") == ()


def test_an_empty_list_is_a_step_without_migrations() -> None:
    assert _path({"1.0.0>1.1.0": [], "1.1.0>1.2.0": ["m"]}, "1.0.0", "1.2.0") == ("m",)


def test_the_longest_step_that_does_not_overshoot_is_taken() -> None:
    table = {"1.0.0>1.1.0": ["short"], "1.0.0>1.2.0": ["long"], "1.0.0>1.3.0": ["too far"]}
    assert _path(table, "1.0.0", "1.2.0") == ("long",)


def test_a_missing_edge_is_an_error() -> None:
    refusal = _refusal({"1.0.0>1.1.0": []}, "1.0.0", "1.2.0")
    assert refusal == "no migration leads from 1.1.0 on towards 1.2.0: the chain is cut"


def test_an_edge_past_the_goal_does_not_help() -> None:
    assert "leads from 1.0.0 on" in _refusal({"1.0.0>1.3.0": []}, "1.0.0", "1.2.0")


def test_a_greedy_dead_end_fails_though_another_path_exists() -> None:
    table: dict[str, list[str]] = {"1.0.0>1.2.0": [], "1.0.0>1.1.0": [], "1.1.0>1.3.0": []}
    assert "leads from 1.2.0 on towards 1.3.0" in _refusal(table, "1.0.0", "1.3.0")


def test_a_self_edge_is_reported_and_not_followed() -> None:
    refusal = _refusal({"1.0.0>1.0.0": ["m"]}, "1.0.0", "1.1.0")
    assert "the migration (1.0.0, 1.0.0) does not lead upwards to 1.1.0" in refusal


def test_an_edge_backwards_is_reported_and_not_followed() -> None:
    table: dict[str, list[str]] = {"1.0.0>1.1.0": [], "1.1.0>1.0.0": []}
    assert "(1.1.0, 1.0.0) does not lead upwards" in _refusal(table, "1.0.0", "1.2.0")


def test_a_bad_edge_that_the_search_never_takes_does_no_harm() -> None:
    table = {"1.0.0>1.0.0": ["x"], "1.0.0>0.9.0": ["x"], "1.0.0>1.1.0": ["m"]}
    assert _path(table, "1.0.0", "1.1.0") == ("m",)


def test_pre_releases_are_steps_of_their_own() -> None:
    table = {"1.0.0>1.1.0-rc.1": ["a"], "1.1.0-rc.1>1.1.0": ["b"]}
    assert _path(table, "1.0.0", "1.1.0") == ("a", "b")


def test_build_metadata_makes_another_version() -> None:
    assert "leads from 1.0.0+x on" in _refusal({"1.0.0>1.1.0": []}, "1.0.0+x", "1.1.0")
