"""What every command prints for programs, held against its schema in docs/schemas."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from packaging_tools.programs import PROGRAMS, flags_of, words
from tests.fakes.every_command import play

TESTS = Path(__file__).resolve().parents[1]
SCHEMAS = TESTS.parent / "docs/schemas"
PRINTS_NOTHING = ""
FLEETS = {"updog-fleet", "updog-ecs"}

# What each command prints with --json; a command that prints no results has no --json.
TABLE = {
    "updog check-update": "update",
    "updog check-update --all": "updates",
    "updog update": "update",
    "updog update-image": "update",
    "updog prepare": "update",
    "updog bundle export": "bundle",
    "updog update-apply": PRINTS_NOTHING,
    "updog update-revert": PRINTS_NOTHING,
    "updog rollback": PRINTS_NOTHING,
    "updog mark-successful": PRINTS_NOTHING,
    "updog bad-versions": "bad-versions",
    "updog migrate": "migrate",
    "updog migrate --rehearse": "migrate-rehearse",
    "updog agent": PRINTS_NOTHING,
    "updog schedule": "schedule",
    "updog status": "status",
    "updog plan": "plan",
    "updog why": "why",
    "updog doctor": "doctor",
    "updog crashtest": "crashtest",
    "updog serve": PRINTS_NOTHING,
    "signpost status": "status",
    "signpost next": "signpost-next",
    "signpost has-boot-ever-succeeded": "signpost-ever-succeeded",
    "signpost repair": "signpost-repair",
    "signpost clear-inactive": PRINTS_NOTHING,
    "signpost mark-inactive-valid": PRINTS_NOTHING,
    "signpost upgrade-to-inactive": PRINTS_NOTHING,
    "signpost cancel-upgrade": PRINTS_NOTHING,
    "signpost mark-successful-boot": PRINTS_NOTHING,
    "signpost rollback-to-inactive": PRINTS_NOTHING,
    "signpost rewrite-table": PRINTS_NOTHING,
    "updog-repo init": "path",
    "updog-repo renew-root": "path",
    "updog-repo add-update": "release-add",
    "updog-repo remove-update": PRINTS_NOTHING,
    "updog-repo set-waves": "set-waves",
    "updog-repo set-max-version": PRINTS_NOTHING,
    "updog-repo set-migrations": PRINTS_NOTHING,
    "updog-repo show": "show",
    "updog-repo serve": "serve",
    "updog-repo disk-image": "path",
    "updog-repo publish": "published",
    "updog-repo refresh": "published",
    "updog-repo check-expirations": "check-expirations",
    "updog-repo metrics": "metrics",
    "updog-repo root init": "path",
    "updog-repo root rotate": "path",
    "updog-repo root add-key": "path",
    "updog-repo root remove-key": "path",
    "updog-repo root threshold": "path",
    "updog-repo root expire": "path",
    "updog-repo root sign": "path",
    "updog-repo root merge": "path",
    "updog-repo root show": "root-show",
    "updog-repo root diff": "root-diff",
    "updog-repo root accept": "path",
    "updog-repo key new": "key-new",
    "updog-repo key public": "key-public",
    "updog-repo bootstage build": PRINTS_NOTHING,
    "updog-repo make-delta": "make-delta",
    "updog-repo release add": "release-add",
    "updog-repo release remove": PRINTS_NOTHING,
    "updog-repo release max-version": PRINTS_NOTHING,
    "updog-repo release withdraw": "published",
    "updog-repo waves lint": "waves-lint",
    "updog-repo waves show": "waves-show",
    "updog-repo waves simulate": "waves-simulate",
    "updog-repo rollout pause": "rollout",
    "updog-repo rollout resume": "rollout",
    "updog-repo rollout extend": "rollout",
    "updog-repo rollout expedite": "rollout",
    "updog-repo rollout halt": "rollout",
    "updog-repo validate": "validate",
    "updog-repo reachability": "reachability",
    "updog-repo fleet": "fleet",
    "updog-repo fleet --export-sql": "paths",
    "apiclient update check": "update-status",
    "apiclient update apply": PRINTS_NOTHING,
    "apiclient update cancel": PRINTS_NOTHING,
    "apiclient reboot": PRINTS_NOTHING,
    "apiclient get": "api-get",
    "apiclient raw": "api-raw",
}
each_command = pytest.mark.parametrize("named", TABLE)
each_schema = pytest.mark.parametrize(
    "schema", sorted({schema for schema in TABLE.values() if schema})
)


@pytest.fixture(scope="module")
def printed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """What each command has printed."""
    return play(tmp_path_factory.mktemp("all"))


def commands() -> Iterator[tuple[str, bool]]:
    """Every command of a machine or a publisher, and whether it has ``--json``.

    The fleets' programs need a cluster to speak of; their tests hold what they print.
    """
    for program in PROGRAMS:
        if program.name in FLEETS:
            continue
        for word in words(program.make()):
            if not word.below:
                known = {option for each in flags_of(word.parser) for option in each.option_strings}
                yield " ".join((program.name, *word.path)), "--json" in known
        for verb, _ in program.verbs:
            # All verbs share one parser, which refuses what one of them does not take.
            yield f"{program.name} {verb}", TABLE.get(f"{program.name} {verb}", "") != ""


def described(schema: str) -> Any:
    return json.loads((SCHEMAS / f"{schema}.json").read_text())


def faults(schema: str, tree: object) -> list[str]:
    validator = Draft202012Validator(
        described(schema), format_checker=Draft202012Validator.FORMAT_CHECKER
    )
    return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(tree)]


def test_the_table_has_every_command_and_no_other() -> None:
    assert {named.partition(" --")[0] for named in TABLE} == {name for name, _ in commands()}


def test_what_prints_results_has_json_and_what_has_json_has_a_schema() -> None:
    expected = {named: schema != "" for named, schema in TABLE.items() if " --" not in named}
    assert dict(commands()) == expected


@each_command
def test_output_is_as_its_schema_says(printed: dict[str, list[str]], named: str) -> None:
    outputs, schema = printed[named], TABLE[named]
    if schema == PRINTS_NOTHING:
        assert set(outputs) == {""}
        return
    for text in outputs:
        assert faults(schema, json.loads(text)) == []


@each_schema
def test_a_schema_is_one_of_its_draft(schema: str) -> None:
    tree = described(schema)
    assert tree["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert tree["title"]
    Draft202012Validator.check_schema(tree)


@each_schema
def test_a_schema_refuses_members_that_it_does_not_know(
    printed: dict[str, list[str]], schema: str
) -> None:
    named = next(named for named, used in TABLE.items() if used == schema)
    tree = json.loads(printed[named][-1])
    (tree[0] if isinstance(tree, list) else tree)["surprise"] = 1
    assert faults(schema, tree) != []


def test_no_schema_describes_nothing() -> None:
    # Programs of their own hold theirs in tests of their own.
    others = [path for path in TESTS.rglob("test_*.py") if path != Path(__file__)]
    for stem in {path.stem for path in SCHEMAS.glob("*.json")} - {*TABLE.values()}:
        named = re.compile(rf"[\"'/]{stem}(\.json)?[\"']")
        assert any(named.search(path.read_text()) for path in others), stem


def test_signpost_refuses_json_where_it_prints_nothing() -> None:
    from partitions import signpost  # noqa: PLC0415 - beside what it is about

    for named, schema in TABLE.items():
        program, _, verb = named.partition(" ")
        if program == "signpost" and schema == PRINTS_NOTHING:
            with pytest.raises(SystemExit) as ended:
                signpost.main([verb, "--json"])
            assert ended.value.code == 2
