from __future__ import annotations

from collections.abc import Mapping

import pytest

from tests.fakes.stores import tree_of
from updog.datastore.errors import StoreError
from updog.datastore.tree import Json, Tree
from updog.migrationkit import (
    Add,
    AddBelow,
    AddMetadata,
    Direction,
    Migration,
    Remove,
    RemoveBelow,
    Rename,
    ReplaceMetadata,
    ReplaceTemplate,
    ReplaceValue,
    Step,
)

FORWARD, BACKWARD = Direction.FORWARD, Direction.BACKWARD


def _plain(tree: Tree) -> Mapping[str, Json]:
    return {str(cell): datum.value for cell, datum in tree.cells.items()}


@pytest.mark.parametrize(
    ("step", "before", "after"),
    [
        (Add("s.a", 1), {}, {"s.a": 1}),
        (Add("s.a", 1), {"s.a": 2}, {"s.a": 2}),
        (Add("s.a", metadata={"n": "x"}), {}, {"s.a [n]": "x"}),
        (AddBelow("s"), {"s.a": 1}, {"s.a": 1}),
        (Remove("s.a"), {"s.a": 1, "s.a [n]": 2, "s.ab": 3}, {"s.ab": 3}),
        (RemoveBelow("s.a"), {"s.a.b": 1, "s.a [n]": 2, "s.ab": 3}, {"s.ab": 3}),
        (Rename("s.a", "t"), {"s.a.b": 1, "s.a [n]": 2}, {"t.b": 1, "t [n]": 2}),
        (Rename("s.a", "s.b"), {"s.a": 1, "s.b": 2}, {"s.b": 2}),
        (ReplaceValue("s.a", 1, 2), {"s.a": 1}, {"s.a": 2}),
        (ReplaceValue("s.a", 1, 2), {"s.a": True}, {"s.a": True}),
        (ReplaceValue("s.a", [1], [2]), {"s.a": [3]}, {"s.a": [3]}),
        (AddMetadata("s.a", "n", "x"), {"s.a [n]": "y"}, {"s.a [n]": "x"}),
        (ReplaceMetadata("s.a", "n", "x", "y"), {"s.a [n]": "x"}, {"s.a [n]": "y"}),
        (
            ReplaceTemplate("s.a", "v1 {{ s.b }}", "v2 {{ s.b }}"),
            {"s.a": "v1 x", "s.a [template]": "v1 {{ s.b }}", "s.b": "x"},
            {"s.a": "v2 x", "s.a [template]": "v2 {{ s.b }}", "s.b": "x"},
        ),
        (
            ReplaceTemplate("s.a", "v1 {{ s.b }}", "v2 {{ s.b }}"),
            {"s.a": "mine", "s.a [template]": "v1 {{ s.b }}", "s.b": "x"},
            {"s.a": "mine", "s.a [template]": "v2 {{ s.b }}", "s.b": "x"},
        ),
    ],
)
def test_what_a_step_does_and_that_it_is_undone(
    step: Step, before: Mapping[str, Json], after: Mapping[str, Json]
) -> None:
    migration = Migration("m", [step])
    there = migration.convert(FORWARD, tree_of(before))
    assert {name: value for name, value in _plain(there).items() if "kept-" not in name} == after
    assert _plain(migration.convert(BACKWARD, there)) == before


def test_nothing_is_kept_that_the_steps_restore() -> None:
    migration = Migration("m", [Rename("s.a", "s.b"), ReplaceValue("s.b", 1, 2)])
    assert _plain(migration.convert(FORWARD, tree_of({"s.a": 1}))) == {"s.b": 2}


def test_what_was_changed_meanwhile_wins_over_what_was_kept() -> None:
    migration = Migration("m", [Remove("s.a")])
    there = migration.convert(FORWARD, tree_of({"s.a": 1}))
    changed = there.having(tree_of({"s.a": 9}).cells)
    assert _plain(migration.convert(BACKWARD, changed))["s.a"] == 9


def test_what_was_kept_gives_way_to_settings_inside_it() -> None:
    migration = Migration("m", [Remove("s.a")])
    there = migration.convert(FORWARD, tree_of({"s.a": 1}))
    changed = there.having(tree_of({"s.a.b": 9}).cells)
    assert _plain(migration.convert(BACKWARD, changed))["s.a.b"] == 9


def test_a_machine_that_never_was_older_loses_nothing_by_going_down_and_up() -> None:
    migration = Migration("m", [Add("s.new", 1)])
    own = tree_of({"s.new": 5})
    down = migration.convert(BACKWARD, own)
    assert "s.new" not in _plain(down)
    assert migration.convert(FORWARD, down) == own


@pytest.mark.parametrize("note", ["no JSON", '{"went": "forward"}', '{"went":"forward","cells":3}'])
def test_a_damaged_note_is_as_good_as_none(note: str) -> None:
    migration = Migration("m", [Remove("s.a")])
    damaged = tree_of({"updog [kept-m]": note, "s.b": 1})
    assert _plain(migration.convert(BACKWARD, damaged)) == {"s.b": 1}


def test_a_setting_with_value_and_settings_inside_is_refused() -> None:
    migration = Migration("m", [Rename("s.a", "s.b.c")])
    with pytest.raises(StoreError, match=r"s\.b would have a value and settings inside"):
        migration.convert(FORWARD, tree_of({"s.a": 1, "s.b": 2}))
