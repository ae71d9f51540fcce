from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.fakes.clock import NOW
from tests.fakes.migration_world import MigrationWorld
from tests.fakes.stores import tree_of
from updog.datastore.reader import read_store
from updog.datastore.tree import Store
from updog.datastore.writer import write_store
from updog.migrate.switching import migrate
from updog.migrationkit import Migration, Remove, Rename
from updog.migrationkit.program import run
from updog.version import Version

MIGRATION = Migration("probe", [Rename("settings.a", "settings.b"), Remove("settings.c")])
STORE = Store(
    tree_of({"settings.a": [1, 2], "settings.a [note]": "kept", "settings.c": True}),
    {"tx 1": tree_of({"settings.a": "pending"})},
)
PROGRAM = """#!{python}
from updog.migrationkit import Migration, Remove, Rename, main
main(Migration("probe", [Rename("settings.a", "settings.b"), Remove("settings.c")]))
"""


def _words(way: str, source: Path, target: Path) -> list[str]:
    return [f"--{way}", "--source-datastore", str(source), "--target-datastore", str(target)]


def test_live_and_pending_settings_are_converted_and_restored(tmp_path: Path) -> None:
    old, new, back = tmp_path / "old", tmp_path / "new", tmp_path / "back"
    write_store(old, STORE)
    assert run(MIGRATION, _words("forward", old, new)) == 0
    there = read_store(new)
    assert {str(cell): datum.value for cell, datum in there.pending["tx 1"].cells.items()} == {
        "settings.b": "pending"
    }
    assert not [cell for cell in there.live.cells if str(cell.key) in {"settings.a", "settings.c"}]
    assert run(MIGRATION, _words("backward", new, back)) == 0
    assert read_store(back) == STORE


def test_a_target_that_exists_is_left_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_store(tmp_path / "old", STORE)
    (tmp_path / "new").mkdir()
    assert run(MIGRATION, _words("forward", tmp_path / "old", tmp_path / "new")) == 1
    assert "probe: " in capsys.readouterr().err


@pytest.mark.parametrize("words", [[], ["--forward"], ["--forward", "--backward"]])
def test_wrong_words_end_with_2(words: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        run(MIGRATION, words)
    assert ended.value.code == 2


def test_a_program_of_the_kit_runs_as_a_migration(tmp_path: Path) -> None:
    world = MigrationWorld(tmp_path)
    world.place("1.0.0", STORE)
    program = PROGRAM.format(python=sys.executable).encode()
    world.publish({"1.0.0>1.1.0": ["probe"]}, {"probe": program})
    for goal in ("1.1.0", "1.0.0"):
        migrate(world.paths.datastore, Version.parse(goal), world.open, NOW, world.tools())
        assert world.version == goal
    assert world.store == STORE
