from __future__ import annotations

import os
import pty
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from repo_tools.cli import main
from repo_tools.errors import DraftError
from repo_tools.repository import Repository
from repo_tools.rollout.change import Which, halt
from repo_tools.rollout.command import _save
from tests.fakes.repositories import EDITION, add_version, new_repository
from updog.clock import SystemClock
from updog.manifest import Update
from updog.version import Version
from waves.pause import is_paused
from waves.schedule import Schedule, Wave

ROOT = Path(__file__).resolve().parents[4]
RELEASE = ("--variant", "edge", "--arch", "x86_64", "-v", "1.1.0")
SMALL = ("--fleet", "200")


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    """A draft whose one release is in the middle of its rollout."""
    made = new_repository(tmp_path / "repository")
    add_version(made, "1.1.0")
    now = SystemClock().now()
    day = timedelta(days=1)
    waves = Schedule((Wave(0, now - day), Wave(1024, now + day), Wave(2000, now + 2 * day)))
    made.set_waves(EDITION, Version.parse("1.1.0"), waves)
    return made


def _rollout(repository: Repository, *words: str) -> int:
    action, *rest = words
    return main(["rollout", action, str(repository.folder), *RELEASE, *SMALL, *rest])


def _drafted(repository: Repository) -> Update:
    return repository.draft(EDITION).manifest().updates[0]


def test_pause_and_resume_in_the_draft(repository: Repository) -> None:
    before = _drafted(repository).schedule
    assert _rollout(repository, "pause", "--yes") == 0
    paused = _drafted(repository).schedule
    assert is_paused(paused)
    assert paused.waves[0] == before.waves[0]
    assert _rollout(repository, "resume", "--yes") == 0
    after = _drafted(repository).schedule
    assert not is_paused(after)
    assert timedelta(0) <= after.waves[-1].start - before.waves[-1].start < timedelta(minutes=1)


def test_before_and_after_are_shown(
    repository: Repository, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _rollout(repository, "pause", "--dry-run") == 0
    printed = capsys.readouterr().out
    for part in ("Waves before", "Waves after", "Adoption before", "Adoption after", "running:"):
        assert part in printed


@pytest.mark.parametrize(
    "words",
    [("pause",), ("halt",), ("extend", "--factor", "2"), ("expedite", "--until", "in 6 hours")],
    ids=lambda words: words[0],
)
def test_a_rehearsal_changes_nothing(words: tuple[str, ...], repository: Repository) -> None:
    before = {path: path.read_bytes() for path in repository.folder.rglob("*") if path.is_file()}
    assert _rollout(repository, *words, "--dry-run") == 0
    after = {path: path.read_bytes() for path in repository.folder.rglob("*") if path.is_file()}
    assert after == before


def test_without_a_terminal_nothing_is_changed_unasked(repository: Repository) -> None:
    before = _drafted(repository)
    command = [sys.executable, "-m", "repo_tools.cli", "rollout", "pause", str(repository.folder)]
    run = subprocess.run(
        [*command, *RELEASE, *SMALL],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )
    assert run.returncode == 64
    assert "Waves after" in run.stdout
    assert "Add --yes" in run.stderr
    assert _drafted(repository) == before


@pytest.mark.parametrize(("answer", "changed"), [("y", True), ("n", False), ("", False)])
def test_at_a_terminal_the_answer_decides(
    answer: str,
    changed: bool,  # noqa: FBT001 - a case
    repository: Repository,
) -> None:
    before = _drafted(repository)
    ours, theirs = pty.openpty()
    os.write(ours, f"{answer}\n".encode())
    command = [sys.executable, "-m", "repo_tools.cli", "rollout", "pause", str(repository.folder)]
    run = subprocess.run(
        [*command, *RELEASE, *SMALL],
        stdin=theirs,
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )
    os.close(ours)
    os.close(theirs)
    assert run.returncode == 0, run.stderr
    assert "[y/N]" in run.stderr
    assert (_drafted(repository) != before) is changed


def test_extend_and_expedite_change_the_end(repository: Repository) -> None:
    end = _drafted(repository).schedule.waves[-1].start
    assert _rollout(repository, "extend", "--factor", "2", "--yes") == 0
    later = _drafted(repository).schedule.waves[-1].start
    assert later > end + timedelta(days=1)
    assert _rollout(repository, "expedite", "--until", "in 6 hours", "--yes") == 0
    assert _drafted(repository).schedule.waves[-1].start < end


def test_halt_caps_this_release_alone(repository: Repository) -> None:
    add_version(repository, "1.0.0")
    assert _rollout(repository, "halt", "--yes") == 0
    maxima = {
        str(u.version): str(u.max_version) for u in repository.draft(EDITION).manifest().updates
    }
    assert maxima == {"1.1.0": "1.0.0", "1.0.0": "1.1.0"}


def test_halt_says_what_the_next_release_would_undo(
    repository: Repository, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _rollout(repository, "halt", "--yes") == 0
    assert "remove-update" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("resume",), 65, "not paused"),
        (("extend", "--factor", "0.5"), 65, "expedite shortens"),
        (("extend", "--factor", "x"), 64, "not a factor"),
        (("extend", "--until", "2001-01-01T00:00:00Z"), 65, "no sensible time"),
        (("halt", "--max-version", "2.0.0"), 64, "does not halt"),
        (("pause", "-v", "9.9.9"), 64, "no update for edge x86_64 9.9.9"),
        (("pause", "--poll", "soon"), 65, "not an offset"),
    ],
)
def test_what_cannot_be_done_is_refused(
    words: tuple[str, ...],
    code: int,
    told: str,
    repository: Repository,
    capsys: pytest.CaptureFixture[str],
) -> None:
    before = _drafted(repository)
    assert _rollout(repository, *words, "--yes") == code
    assert told in capsys.readouterr().err
    assert _drafted(repository) == before


def test_a_draft_that_changed_meanwhile_is_left_alone(repository: Repository) -> None:
    which = Which("edge", "x86_64", Version.parse("1.1.0"))
    draft = repository.draft(EDITION)
    change = halt(draft.manifest(), which, SystemClock().now())
    add_version(repository, "1.2.0")
    before = draft.manifest()
    with pytest.raises(DraftError, match="changed while you were asked"):
        _save(repository, draft, change)
    assert draft.manifest() == before


def test_a_pause_does_not_wait_for_numpy(repository: Repository) -> None:
    words = ["rollout", "pause", str(repository.folder), *RELEASE, "--yes"]
    program = (
        "import sys; sys.modules['numpy'] = None\n"
        f"from repo_tools.cli import main\nsys.exit(main({words!r}))"
    )
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, cwd=ROOT
    )
    assert run.returncode == 0, run.stderr
    assert "Waves after" in run.stdout
    assert "no fleet is simulated" in run.stderr
    assert is_paused(_drafted(repository).schedule)
