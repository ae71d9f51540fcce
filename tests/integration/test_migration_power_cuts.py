"""A migration that ends before any operation on the file system, by a cut or by a signal."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from tests.fakes.clock import NOW
from tests.fakes.cutfiles import CutFiles, PowerCut
from tests.fakes.migration_world import LOG, MigrationWorld, log_of
from updog.datastore.files import RealFiles
from updog.datastore.links import read_chain
from updog.datastore.reader import read_store
from updog.datastore.tree import Store
from updog.migrate.conversion import Tools
from updog.migrate.sandbox import Sandbox
from updog.migrate.sealed import Sealed
from updog.migrate.switching import migrate
from updog.version import Version

GOALS = ["1.0.1", "1.1.0", "2.0.0", "1.0.0-rc.1", "0.9.0"]
EDGES = {
    "0.9.0>1.0.0-rc.1": ["nine"],
    "1.0.0-rc.1>1.0.0": ["rc"],
    "1.0.0>1.0.1": ["patch"],
    "1.0.1>1.1.0": ["minor"],
    "1.1.0>2.0.0": ["major"],
}


def _world(home: Path, *, used: bool) -> MigrationWorld:
    """A host at 1.0.0; a used one has been at all versions, and has links of each."""
    home.mkdir()
    world = MigrationWorld(home)
    world.place("1.0.0")
    world.publish(EDGES)
    if used:
        for goal in ("2.0.0", "0.9.0", "1.0.0"):
            _run(world, goal, RealFiles())
    return world


class _Straight(Sandbox):
    """Runs a migration without the launcher, which takes longer than all the rest."""

    def run(self, program: Sealed, work: Path, words: Sequence[str]) -> tuple[str, ...]:
        told = [word.replace("{work}", str(work)) for word in words]
        start = [f"/proc/self/fd/{program.descriptor}", *told]
        subprocess.run(start, check=True, pass_fds=[program.descriptor])
        return ()


def _run(world: MigrationWorld, goal: str, files: RealFiles) -> None:
    tools = world.tools(files, _Straight(30, confined=False))
    migrate(world.paths.datastore, Version.parse(goal), world.open, NOW, tools)


def _copy(world: MigrationWorld, home: Path) -> MigrationWorld:
    """The datastore of a world, elsewhere; the caches stay where they are."""
    shutil.rmtree(home, ignore_errors=True)
    shutil.copytree(world.home, home, symlinks=True)
    return MigrationWorld(home, world.repo, world.drawn + 100)


def _cut(world: MigrationWorld, goal: str, at: int | None) -> CutFiles:
    files = CutFiles(at)
    try:
        _run(world, goal, files)
    except PowerCut:
        return files
    return files


def _check_whole(world: MigrationWorld, old: Store, goal: str, expected: object, what: str) -> None:
    """The links lead to the old store or the new one, and the next boot ends at the new one."""
    chain = read_chain(world.paths.datastore)
    assert chain is not None, what
    store = read_store(chain.folder)
    if str(chain.version) == "1.0.0":
        assert store == old, what
    else:
        assert (str(chain.version), log_of(store)) == (goal, expected), what
    _run(world, goal, RealFiles())
    assert (world.version, world.log) == (goal, expected), what
    assert not [name for name in world.names() if name.startswith(".updog")], what


@pytest.mark.slow(seconds=40)
@pytest.mark.parametrize("used", [False, True], ids=["new", "used"])
@pytest.mark.parametrize("goal", GOALS)
def test_a_cut_before_any_operation_leaves_a_whole_store(
    tmp_path: Path,
    goal: str,
    used: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    origin = _world(tmp_path / "origin", used=used)
    probe = _copy(origin, tmp_path / "probe")
    whole = _cut(probe, goal, None)
    expected = probe.log
    for at in range(_first_that_matters(whole.done), len(whole.done)):
        losses: list[Callable[[], None]] = [lambda: None]
        index = 0
        while index < len(losses):
            world = _copy(origin, tmp_path / "cut")
            files = _cut(world, goal, at)
            losses = list(files.losses())
            losses[index]()
            _check_whole(
                world, origin.store, goal, expected, f"{at}: {files.done[-1:]}, loss {index}"
            )
            index += 1


def _first_that_matters(done: list[str]) -> int:
    """Until the copy gets its name there are only private files; two of those cuts suffice."""
    new = next(index for index, text in enumerate(done) if text.startswith("mkdir v"))
    return max(0, new - 2)


KILLER = """
import os, signal, sys
from pathlib import Path
from tests.fakes.cutfiles import CutFiles, PowerCut
from tests.fakes.migration_world import MigrationWorld
from tests.integration.test_migration_power_cuts import _run
class Killed(CutFiles):
    def _count(self, kind, path):
        try:
            super()._count(kind, path)
        except PowerCut:
            os.kill(os.getpid(), signal.SIGKILL)
world = MigrationWorld(Path(sys.argv[1]), drawn=500)
_run(world, "2.0.0", Killed(int(sys.argv[2])))
"""


@pytest.mark.slow
@pytest.mark.parametrize("at", [1, 9, 20, 30, 36, 42, 48])
def test_a_killed_migration_is_made_again(tmp_path: Path, at: int) -> None:
    world = _world(tmp_path / "world", used=True)
    old = world.store
    run = subprocess.run(
        [sys.executable, "-c", KILLER, str(world.home), str(at)],
        check=False,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        stderr=subprocess.PIPE,
    )
    assert run.returncode in {0, -signal.SIGKILL}, run.stderr.decode()
    world.drawn = 900
    log = ["start", "nine", "rc", "patch", "minor", "major"]
    _check_whole(world, old, "2.0.0", log, f"killed at {at}")


def test_an_operation_that_is_refused_leaves_a_whole_store(tmp_path: Path) -> None:
    origin = _world(tmp_path / "origin", used=False)
    count = len(_cut(_copy(origin, tmp_path / "probe"), "1.0.1", None).done)
    for at in range(0, count, 5):
        world = _copy(origin, tmp_path / "refused")
        tools = Tools(world.letters, _Straight(30, confined=False), _Refusing(at))
        try:
            migrate(world.paths.datastore, Version.parse("1.0.1"), world.open, NOW, tools)
        except Exception as error:  # noqa: BLE001 - its kind is asserted
            assert type(error).__name__ == "StorageError"  # noqa: PT017
        _check_whole(world, LOG, "1.0.1", ["start", "patch"], f"refused at {at}")


class _Refusing(CutFiles):
    """From one operation on, the disk is full."""

    def _count(self, kind: str, path: Path) -> None:
        try:
            super()._count(kind, path)
        except PowerCut:
            raise OSError(28, "No space left on device", str(path)) from None
