from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from repo_tools.errors import PublishedError
from repo_tools.publish import publish
from repo_tools.publishing.withdrawal import withdraw
from repo_tools.repository import Repository
from tests.fakes.repositories import EDITION, NOW, add_version, allow_step, published_repository
from updog import manifest as manifest_format
from updog.errors import UsageError
from updog.manifest import Manifest
from updog.select import Chosen, Host, Policy, choose
from updog.version import Version

LATER = NOW + timedelta(hours=1)
GOOD, BAD, NEXT = (Version.parse(text) for text in ("1.1.0", "1.2.0", "1.3.0"))


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    """Two published releases, of which the newer one is bad, and half of a third in the draft."""
    made = published_repository(tmp_path / "repository")
    add_version(made, str(BAD))
    allow_step(made, str(GOOD), str(BAD))
    publish(made, now=NOW)
    add_version(made, str(NEXT))
    return made


def published(repository: Repository) -> Manifest:
    newest = max(
        repository.published_targets.glob("*.manifest.json"), key=lambda p: p.stat().st_mtime_ns
    )
    return manifest_format.parse(newest.read_bytes())


def test_a_host_on_the_bad_release_goes_back(repository: Repository) -> None:
    withdraw(repository, EDITION, BAD, now=LATER)
    chosen = choose(published(repository), Host("edge", "x86_64", BAD, 5), Policy(), LATER)
    assert isinstance(chosen, Chosen)
    assert chosen.update.version == GOOD


def test_nobody_else_takes_the_bad_release(repository: Repository) -> None:
    withdraw(repository, EDITION, BAD, now=LATER)
    host = Host("edge", "x86_64", Version.parse("1.0.0"), 5)
    chosen = choose(published(repository), host, Policy(), LATER)
    assert isinstance(chosen, Chosen)
    assert chosen.update.version == GOOD


def test_what_is_half_drafted_does_not_go_out(repository: Repository) -> None:
    withdraw(repository, EDITION, BAD, now=LATER)
    assert [update.version for update in published(repository).updates] == [GOOD, BAD]


def test_a_draft_that_cannot_be_published_does_not_hold_it_back(repository: Repository) -> None:
    for path in repository.draft(EDITION).targets.iterdir():
        path.unlink()
    assert withdraw(repository, EDITION, BAD, now=LATER).version == 3


def test_the_next_publish_does_not_bring_it_back(repository: Repository) -> None:
    withdraw(repository, EDITION, BAD, now=LATER)
    drafted = repository.draft(EDITION).manifest()
    assert {update.max_version for update in drafted.updates} == {GOOD}


def test_images_stay_for_those_who_download_them(repository: Repository) -> None:
    before = {path.name for path in repository.published_targets.iterdir()}
    withdraw(repository, EDITION, BAD, now=LATER)
    assert before <= {path.name for path in repository.published_targets.iterdir()}


def test_what_becomes_of_which_hosts_is_told(repository: Repository) -> None:
    told: list[str] = []
    withdraw(repository, EDITION, BAD, now=LATER, report=told.append)
    groups = ("Not yet begun", "Downloading", "Staged", "Activated", "Running")
    assert [line.split(":")[0].split(",")[0].split(" 1.")[0] for line in told[:5]] == list(groups)


def test_a_release_that_is_only_drafted_cannot_be_withdrawn(repository: Repository) -> None:
    with pytest.raises(UsageError, match=r"1\.3\.0 of edge x86_64 is not published"):
        withdraw(repository, EDITION, NEXT, now=LATER)


def test_there_must_be_something_to_go_back_to(repository: Repository) -> None:
    with pytest.raises(UsageError, match="cannot go back"):
        withdraw(repository, EDITION, GOOD, now=LATER)


def test_nothing_is_signed_upon_a_damaged_repository(repository: Repository) -> None:
    (repository.published / "edge/x86_64/timestamp.json").write_text("{}")
    draft = repository.draft(EDITION).manifest()
    with pytest.raises(PublishedError):
        withdraw(repository, EDITION, BAD, now=LATER)
    assert repository.draft(EDITION).manifest() == draft
