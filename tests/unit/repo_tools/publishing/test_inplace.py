"""A rollout that is changed where it is published, while a draft is half done."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from repo_tools.cli import main
from repo_tools.errors import PublishedError
from repo_tools.publishing.inplace import published_manifest, put_in_place
from repo_tools.repository import Repository
from tests.fakes.repositories import EDITION, add_version, published_repository
from updog.manifest import Manifest

NAMED = ("--variant", "edge", "-a", "x86_64", "-v", "1.1.0", "--fleet", "100")


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    """Version 1.1.0 is published; 1.2.0 is drafted, without the step that leads to it."""
    made = published_repository(tmp_path / "repository", datetime.now(UTC))
    add_version(made, "1.2.0")
    return made


def seen(repository: Repository) -> Manifest:
    return published_manifest(repository, EDITION, datetime.now(UTC))


def halt(repository: Repository, *more: str) -> int:
    folder = str(repository.folder)
    return main(["rollout", "halt", folder, *NAMED, "--published", *more])


def test_half_done_draft_neither_holds_a_halt_back_nor_goes_out_with_it(
    repository: Repository,
) -> None:
    assert halt(repository, "--yes") == 0
    maxima = {str(each.version): str(each.max_version) for each in seen(repository).updates}
    assert maxima == {"1.1.0": "1.0.0"}


def test_the_draft_keeps_the_halt_and_all_else(repository: Repository) -> None:
    assert halt(repository, "--yes") == 0
    drafted = repository.draft(EDITION).manifest().updates
    maxima = {str(each.version): str(each.max_version) for each in drafted}
    assert maxima == {"1.1.0": "1.0.0", "1.2.0": "1.2.0"}


def test_rehearsal_changes_neither(repository: Repository) -> None:
    before = seen(repository), repository.draft(EDITION).manifest()
    assert halt(repository, "--dry-run") == 0
    assert (seen(repository), repository.draft(EDITION).manifest()) == before


def test_what_was_published_meanwhile_is_not_overwritten(repository: Repository) -> None:
    shown = seen(repository)
    stale = Manifest()
    with pytest.raises(PublishedError, match="while you were asked"):
        put_in_place(
            repository,
            stale,
            shown,
            shown.updates[0],
            now=datetime.now(UTC),
            report=lambda _line: None,
        )
