"""Refresh, withdraw and the like between a change of online keys and the publish that brings it."""

from __future__ import annotations

import json
import shutil
from datetime import timedelta
from pathlib import Path

import pytest

from repo_tools.cli import main
from repo_tools.errors import DraftError, KeyFileError, PublishedError
from repo_tools.keyring import RETIRED
from repo_tools.publish import publish, refresh
from repo_tools.publishing.withdrawal import withdraw
from repo_tools.repository import Repository
from tests.fakes.repositories import (
    EDITION,
    NOW,
    add_version,
    allow_step,
    published_repository,
    rotate_online,
)
from updog.version import Version

LATER = NOW + timedelta(hours=1)
BAD = Version.parse("1.2.0")


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    """Two releases are published, a third is half drafted, and a new timestamp key is accepted."""
    made = published_repository(tmp_path / "repository")
    add_version(made, str(BAD))
    allow_step(made, "1.1.0", str(BAD))
    publish(made, now=NOW)
    add_version(made, "1.3.0")
    shutil.copytree(made.keys, tmp_path / "stolen")
    rotate_online(made, "timestamp", made.keys / RETIRED)
    return made


def keys_of_timestamp(repository: Repository) -> int:
    data = (EDITION.below(repository.published) / "timestamp.json").read_bytes()
    return len(json.loads(data)["signatures"])


def roots(repository: Repository) -> set[str]:
    return {path.name for path in EDITION.below(repository.published).glob("*.root.json")}


def signed_notes(repository: Repository) -> Path:
    return repository.draft(EDITION).folder / "signed.json"


def test_refresh_brings_the_new_keys_and_leaves_the_draft_alone(repository: Repository) -> None:
    (release,) = refresh(repository, now=LATER)
    assert (release.version, keys_of_timestamp(repository)) == (3, 2)
    assert roots(repository) == {"1.root.json", "2.root.json"}
    listed = (EDITION.below(repository.published) / "3.targets.json").read_text()
    assert "1.2.0" in listed
    assert "1.3.0" not in listed


def test_withdrawal_does_not_wait_for_the_draft(repository: Repository) -> None:
    assert withdraw(repository, EDITION, BAD, now=LATER).version == 3
    assert roots(repository) == {"1.root.json", "2.root.json"}


def test_halt_of_what_is_published_does_not_wait_for_the_draft(tmp_path: Path) -> None:
    home = tmp_path / "repository"
    assert main(["init", str(home)]) == 0
    made = Repository.open(home)
    add_version(made, "1.1.0")
    allow_step(made, "1.0.0", "1.1.0")
    assert main(["publish", str(home)]) == 0
    rotate_online(made, "timestamp", made.keys / RETIRED)
    names = ["--variant", "edge", "--arch", "x86_64", "-v", "1.1.0", "--fleet", "100"]
    assert main(["rollout", "halt", str(home), *names, "--published", "--yes"]) == 0
    assert roots(made) == {"1.root.json", "2.root.json"}


def test_what_was_signed_elsewhere_with_the_old_keys_is_not_signed_again(
    repository: Repository, tmp_path: Path
) -> None:
    thief = Repository(tmp_path / "thief", tmp_path / "stolen")
    shutil.copytree(repository.published, thief.published)
    thief.roots.mkdir()
    shutil.copy(repository.roots / "1.root.json", thief.roots)
    shutil.copytree(repository.drafts, thief.drafts)
    allow_step(thief, str(BAD), "1.3.0")
    publish(thief, now=NOW)
    shutil.rmtree(repository.published)
    shutil.copytree(thief.published, repository.published)
    with pytest.raises(PublishedError, match="not what was published from here last") as raised:
        refresh(repository, now=LATER)
    assert "updog-repo publish DIR" in raised.value.hint
    with pytest.raises(PublishedError, match="takes away"):
        withdraw(repository, EDITION, BAD, now=LATER)
    assert roots(repository) == {"1.root.json"}


def test_older_state_of_ours_is_not_signed_again(repository: Repository, tmp_path: Path) -> None:
    old = tmp_path / "old"
    shutil.copytree(repository.published, old)
    notes = signed_notes(repository).read_bytes()
    refresh(repository, now=LATER)
    signed_notes(repository).write_bytes(notes.replace(b'"2"', b'"1"'))
    shutil.rmtree(repository.published)
    shutil.copytree(old, repository.published)
    with pytest.raises(PublishedError, match="cannot be signed again"):
        refresh(repository, now=LATER)


def test_publish_from_the_draft_always_works(repository: Repository) -> None:
    signed_notes(repository).unlink()
    allow_step(repository, str(BAD), "1.3.0")
    with pytest.raises(PublishedError, match="cannot be signed again"):
        refresh(repository, now=LATER)
    publish(repository, now=LATER)
    assert roots(repository) == {"1.root.json", "2.root.json"}


def test_refresh_after_a_publish_that_was_cut_just_before_it_was_noted(
    repository: Repository,
) -> None:
    noted = signed_notes(repository).read_text()
    assert set(json.loads(noted)["targets"]) == {"2"}
    refresh(repository, now=LATER)
    done = json.loads(signed_notes(repository).read_text())["targets"]
    assert set(done) == {"3"}
    both = {"targets": {**json.loads(noted)["targets"], **done}}
    signed_notes(repository).write_text(json.dumps(both))
    rotate_online(repository, "timestamp", repository.keys / RETIRED)
    assert refresh(repository, now=LATER)[0].version == 4


def test_damaged_notes_are_told_with_the_remedy(repository: Repository) -> None:
    signed_notes(repository).write_text("[]")
    with pytest.raises(DraftError, match="is damaged") as raised:
        refresh(repository, now=LATER)
    assert "Remove it" in raised.value.hint


def test_retired_key_that_cannot_be_used_is_told_before_anything_is_written(
    repository: Repository,
) -> None:
    (repository.keys / RETIRED / "timestamp.pem").write_text("no key")
    with pytest.raises(KeyFileError, match="cannot be read"):
        refresh(repository, now=LATER)
    assert roots(repository) == {"1.root.json"}


def test_retired_keys_may_be_named_instead(repository: Repository) -> None:
    (path,) = (repository.keys / RETIRED).iterdir()
    path.rename(repository.folder.parent / "old.pem")
    (repository.folder / "keys.toml").write_text('[retired]\ntimestamp = ["../old.pem"]\n')
    refresh(repository, now=LATER)
    assert keys_of_timestamp(repository) == 2
