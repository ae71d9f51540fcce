"""docs/tutorial.md, word by word: from ``root init`` to a rollout that was paused and goes on."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from repo_tools.draft import Edition
from repo_tools.repository import Repository
from tests.fakes.pages import ROOT, Block, Machines, blocks
from updog.clock import SystemClock
from updog.manifest import Update
from updog.version import Version

pytestmark = pytest.mark.slow(seconds=35)

PAGE = ROOT / "docs" / "tutorial.md"
EDITION = Edition("edge", "x86_64")


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[Block, str, Update | None]]:
    """Each block, what it printed, and the newest update of the draft after it."""
    for tool in ("mke2fs", "veritysetup"):
        if shutil.which(tool, path="/usr/sbin:/sbin:/usr/bin") is None:
            pytest.skip(f"{tool} is missing: run .ci/setup")
    machines = Machines(tmp_path_factory.mktemp("tutorial"))
    home = machines.home / "office"
    return [(block, machines.run(block), newest(home / "repo")) for block in blocks(PAGE)]


def newest(folder: Path) -> Update | None:
    if not (folder / "root").is_dir():
        return None
    updates = Repository.open(folder).draft(EDITION).manifest().updates
    return max(updates, key=lambda update: update.version, default=None)


Log = list[tuple[Block, str, Update | None]]


def after(said: Log, words: str) -> tuple[str, Update]:
    """What the block with these words printed, and the newest update after it."""
    output, update = next((text, new) for block, text, new in said if words in block.commands)
    assert update is not None
    return output, update


def test_one_signature_is_not_enough(said: Log) -> None:
    output = next(text for block, text, _ in said if "|| echo" in block.commands)
    assert "signed by 1 of the 2" in output
    assert "Not yet." in output


def test_the_release_is_rolled_out_in_waves(said: Log) -> None:
    output, update = after(said, "set-waves")
    assert update.version == Version.parse("1.1.0")
    assert len(update.schedule.waves) > 2
    assert "edge x86_64 2" in output


def test_the_pause_moves_the_starts_that_have_not_come(said: Log) -> None:
    _, rolling = after(said, "set-waves")
    _, paused = after(said, "rollout pause")
    now = SystemClock().now()
    assert paused.schedule != rolling.schedule
    late = [wave.start for wave in paused.schedule.waves if wave.start > now]
    assert min(late) > max(wave.start for wave in rolling.schedule.waves)


def test_the_rollout_goes_on_after_it_was_resumed(said: Log) -> None:
    _, rolling = after(said, "set-waves")
    _, resumed = after(said, "rollout resume")
    last = max(wave.start for wave in resumed.schedule.waves)
    assert (last - max(wave.start for wave in rolling.schedule.waves)).total_seconds() < 3600


def test_everything_is_published_at_the_end(said: Log) -> None:
    output, _ = after(said, "updog-repo refresh")
    assert "edge x86_64 5" in output
