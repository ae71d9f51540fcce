"""From every release to the newest and back, by the rules that devices go by."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import jsonschema
import pytest

from repo_tools import cli
from repo_tools.publish import publish
from repo_tools.validate.reach import Known, Reach, reach, starts
from tests.fakes.repositories import add_version, allow_step, new_repository
from updog.manifest import Images, Manifest, Update
from updog.version import Version
from waves.schedule import Schedule

SCHEMAS = Path(__file__).parents[4] / "docs" / "schemas"
Edges = dict[tuple[str, str], tuple[str, ...]]


def manifest(*versions: str, edges: Edges, most: str = "9.0.0") -> Manifest:
    updates = tuple(
        Update("edge", "arm", Version.parse(v), Version.parse(most), Schedule(), _images(v))
        for v in versions
    )
    parsed = {(Version.parse(a), Version.parse(b)): names for (a, b), names in edges.items()}
    return Manifest(updates, parsed)


def _images(version: str) -> Images:
    return Images(f"{version}-boot", f"{version}-root", f"{version}-hash")


def all_of(found: Manifest, *without: str) -> dict[str, Reach]:
    targets = {
        name for u in found.updates for name in (u.images.boot, u.images.root, u.images.hash)
    }
    targets |= {name for names in found.migrations.values() for name in names}
    gone = targets - set(without)
    return {str(start.version): reach(found, gone, start) for start in starts(found)}


STEPS: Edges = {("1.0.0", "2.0.0"): ("a",), ("2.0.0", "3.0.0"): ("b", "c")}


def test_the_way_back_is_the_way_there_reversed() -> None:
    found = all_of(manifest("2.0.0", "3.0.0", edges=STEPS))["1.0.0"]
    assert found.forward is not None
    assert found.back is not None
    assert found.forward.names == ("a", "b", "c")
    assert found.back.names == ("c", "b", "a")
    assert found.forward.steps == ("(1.0.0, 2.0.0)", "(2.0.0, 3.0.0)")


def test_releases_that_only_migrations_know_count_too() -> None:
    known = {str(s.version): s.known for s in starts(manifest("3.0.0", edges=STEPS))}
    assert known == {
        "1.0.0": Known.MIGRATIONS,
        "2.0.0": Known.MIGRATIONS,
        "3.0.0": Known.MANIFEST,
    }


def test_the_newest_has_nowhere_to_go_and_is_not_stranded() -> None:
    found = all_of(manifest("2.0.0", "3.0.0", edges=STEPS))["3.0.0"]
    assert (found.newest, found.stranded) == (None, False)
    assert "3.0.0 is running" in found.why


def test_a_cut_chain_strands_and_says_how_far_it_leads() -> None:
    found = all_of(manifest("1.0.0", "2.0.0", "3.0.0", edges={("1.0.0", "2.0.0"): ()}))
    assert found["1.0.0"].missing[0].endswith("the chain reaches 2.0.0")
    assert found["2.0.0"].stranded


@pytest.mark.parametrize(
    ("gone", "says"),
    [("c", "the migration c"), ("3.0.0-root", "the root image 3.0.0-root of 3.0.0")],
)
def test_what_is_no_target_is_named(gone: str, says: str) -> None:
    found = all_of(manifest("2.0.0", "3.0.0", edges=STEPS), gone)["2.0.0"]
    assert found.missing == (says,)


def test_hosts_above_the_maximum_go_down() -> None:
    found = all_of(manifest("1.0.0", "2.0.0", "3.0.0", edges=STEPS, most="2.0.0"))["3.0.0"]
    assert (str(found.newest), found.stranded) == ("2.0.0", False)


def test_maximum_below_every_release_leaves_hosts_nowhere_to_go() -> None:
    found = all_of(manifest("2.0.0", "3.0.0", edges=STEPS, most="0.5.0"))
    assert all(each.stranded for each in found.values())
    assert found["1.0.0"].missing == (
        "it is above the maximum 0.5.0, and there is no release to go down to",
    )


def test_hosts_at_the_maximum_may_stay_while_those_above_it_are_stranded() -> None:
    found = all_of(manifest("2.0.0", "3.0.0", edges=STEPS, most="1.0.0"))
    assert [v for v, each in found.items() if each.stranded] == ["2.0.0", "3.0.0"]


def test_halt_of_the_only_release_leaves_everybody_where_they_are() -> None:
    edges: Edges = {("1.0.0", "2.0.0"): ()}
    found = all_of(manifest("2.0.0", edges=edges, most="1.0.0"))
    assert not any(each.stranded for each in found.values())


def test_the_document_follows_its_schema(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    repository = new_repository(tmp_path / "repository", datetime.now(UTC))
    add_version(repository, "1.1.0")
    allow_step(repository, "1.0.0", "1.1.0")
    publish(repository, now=datetime.now(UTC))
    command = ["reachability", str(repository.folder), "--json"]
    assert cli.main(command) == 0
    document = json.loads(capsys.readouterr().out)
    jsonschema.validate(document, json.loads((SCHEMAS / "reachability.json").read_text()))
    assert [(r["version"], r["newest"]) for r in document["releases"]] == [
        ("1.0.0", "1.1.0"),
        ("1.1.0", None),
    ]
    assert cli.main([*command, "--from", "0.5.0"]) == 65
