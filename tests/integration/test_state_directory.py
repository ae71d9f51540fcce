"""The kept metadata when the power goes, when the disk is full or read-only, and in two runs."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.fakes.attack_world import AttackWorld, attack_world
from tests.fakes.client_world import V2, V3
from tests.fakes.repository import URLS, FakeRepository
from tests.fakes.visit import Visitor
from updog.errors import RolledBack
from updog.lock import RunLock
from updog.session import Session
from updog.tufstore import MetadataStore

# Dies at the given file operation of the state directory, as a machine without power does.
DIES = """
import os, sys
count, state = int(sys.argv.pop(1)), sys.argv.pop(1)
seen = 0
def watch(event, arguments):
    global seen
    if event in ("open", "os.rename", "os.remove", "os.mkdir") and state in str(arguments[0]):
        seen += 1
        if seen == count:
            os._exit(137)
sys.addaudithook(watch)
from updog.cli import main
sys.exit(main(sys.argv[1:]))
"""
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[AttackWorld]:
    with attack_world(tmp_path) as made:
        yield made


def dies_at(world: AttackWorld, operation: int) -> bool:
    """Run a check that dies at that operation; whether it came so far."""
    state = str(world.machine.client.paths.tuf_dir)
    words = [str(operation), state, "--config", str(world.machine.config), "check-update"]
    command = [sys.executable, "-c", DIES, *words]
    done = subprocess.run(command, check=False, capture_output=True, cwd=ROOT)
    return done.returncode == 137


@pytest.mark.slow(seconds=20)
def test_dying_at_any_file_operation_leaves_a_state_that_works(world: AttackWorld) -> None:
    world.sees(V3)
    before = world.machine.home / "before"
    state = world.machine.client.paths.state_dir
    shutil.copytree(state, before)
    old = dict(world.repo.files)
    world.repo.rotate("timestamp", "snapshot")
    world.repo.publish_root()
    world.offer(V2)
    honest = set(old.values()) | set(world.repo.files.values())
    operation = 0
    while True:
        operation += 1
        shutil.rmtree(state)
        shutil.copytree(before, state)
        died = dies_at(world, operation)
        assert set(world.stored().values()) <= honest
        world.sees(V2)
        if not died:
            break
    assert operation > 20


class PowerCut(Exception):
    pass


class CutStore(MetadataStore):
    """A store whose machine loses power before its n-th change."""

    def __init__(self, directory: Path, changes: int) -> None:
        super().__init__(directory)
        self.changes = changes

    def _spend(self) -> None:
        self.changes -= 1
        if self.changes < 0:
            raise PowerCut

    def save(self, role: str, data: bytes) -> None:
        self._spend()
        super().save(role, data)

    def delete(self, role: str) -> None:
        self._spend()
        super().delete(role)


def test_between_any_two_changes_of_the_store_nothing_is_forgiven(tmp_path: Path) -> None:
    """After each prefix of changes: the newest repository is taken, the older one is refused."""
    for changes in range(12):
        repo, directory = FakeRepository(), tmp_path / str(changes)
        repo.publish()
        repo.publish()
        visitor = Visitor(repo, directory)
        visitor.refreshed()
        repo.publish_root()
        repo.publish()
        old = dict(repo.files)
        store = CutStore(directory, changes)
        session = Session(URLS, repo.shipped_root(), store, repo, visitor.now)
        try:
            session.refresh()
            ended = True
        except PowerCut:
            ended = False
        repo.files = {name: data for name, data in old.items() if "timestamp" not in name}
        repo.files["metadata/timestamp.json"] = older_timestamp(repo)
        with pytest.raises(RolledBack):
            visitor.refreshed()
        repo.files = old
        assert visitor.refreshed().versions()["timestamp"] == 4
        if ended:
            assert changes >= 4
            return
    pytest.fail("the refresh never ended")


def older_timestamp(repo: FakeRepository) -> bytes:
    version = repo.timestamp.version
    repo.timestamp.version = 2
    repo.publish_timestamp(bump=False)
    repo.timestamp.version = version
    return repo.files["metadata/timestamp.json"]


@pytest.mark.parametrize("role", ["root", "timestamp", "snapshot", "targets"])
@pytest.mark.parametrize("damage", ["empty", "zeros", "half", "folder", "link to nowhere"])
def test_a_damaged_file_is_said_and_replaced(world: AttackWorld, role: str, damage: str) -> None:
    world.sees(V3)
    path = world.machine.client.paths.tuf_dir / f"{role}.json"
    whole = path.read_bytes()
    path.unlink()
    if damage == "folder":
        path.mkdir()
    elif damage == "link to nowhere":
        path.symlink_to("nowhere")
    else:
        path.write_bytes({"empty": b"", "zeros": b"\0" * 99, "half": whole[:200]}[damage])
    done = world.updog("update")
    assert done.returncode == 0, done.stderr
    if damage != "link to nowhere":
        assert f"{role}.json" in done.stderr
    if damage != "folder":
        assert path.read_bytes() == world.repo.metadata(role)


def test_a_file_in_place_of_the_state_directory(world: AttackWorld) -> None:
    folder = world.machine.client.paths.tuf_dir
    folder.parent.mkdir(parents=True, exist_ok=True)
    folder.write_text("")
    done = world.updog("update")
    assert done.returncode == 0, done.stderr
    assert str(folder) in done.stderr


@contextmanager
def mounted(path: Path, options: str) -> Iterator[None]:
    path.mkdir(parents=True, exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", path], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", path], check=True)


@pytest.mark.root
def test_a_full_state_directory_is_said_and_the_update_goes_on(world: AttackWorld) -> None:
    folder = world.machine.client.paths.tuf_dir
    with mounted(folder, "size=16k"):
        folder.joinpath("filler").write_bytes(b"x" * 8192)
        done = world.updog("update")
        assert done.returncode == 0, done.stderr
        assert "No space left" in done.stderr
        assert set(world.stored().values()) <= set(world.repo.files.values())


@pytest.mark.root
def test_a_read_only_state_directory_still_guards_against_rollback(world: AttackWorld) -> None:
    old = dict(world.repo.files)
    world.offer(V2)
    world.sees(V2)
    folder = world.machine.client.paths.tuf_dir
    kept = world.machine.home / "kept"
    shutil.copytree(folder, kept)
    with mounted(folder, "size=1m"):
        shutil.copytree(kept, folder, dirs_exist_ok=True)
        subprocess.run(["mount", "-o", "remount,ro", folder], check=True)
        newer = dict(world.repo.files)
        world.repo.files = old
        world.refuses_untouched("went back")
        world.repo.files = newer
        world.repo.publish()
        done = world.updog("update")
        assert done.returncode == 0, done.stderr
        assert str(folder) in done.stderr


def test_two_runs_at_once_do_not_share_the_state(world: AttackWorld) -> None:
    with RunLock(world.machine.client.paths.lock):
        done = world.updog("check-update")
    assert done.returncode == 75
    assert str(os.getpid()) in done.stderr
    assert world.stored() == {}


def test_many_runs_at_once_leave_a_state_that_works(world: AttackWorld) -> None:
    command = [sys.executable, "-m", "updog", "--config", str(world.machine.config)]
    runs = [
        subprocess.Popen([*command, "check-update"], cwd=ROOT, stderr=subprocess.DEVNULL)
        for _ in range(4)
    ]
    assert {run.wait() for run in runs} <= {0, 75}
    assert set(world.stored().values()) <= set(world.repo.files.values())
    world.sees(V3)
