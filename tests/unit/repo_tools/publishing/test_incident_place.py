"""In an incident a change reaches the place that devices read, wherever `publish --to` put it."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from repo_tools.cli import main
from repo_tools.publishing.inplace import published_manifest
from repo_tools.repository import Repository
from repo_tools.stores.opening import open_store
from repo_tools.stores.place import Place
from tests.fakes.repositories import EDITION, add_version, allow_step, published_repository
from tests.fakes.s3server import S3Server

NAMED = ("--variant", "edge", "-a", "x86_64", "-v", "1.2.0")
ROLLOUT = ("--published", "--yes", "--fleet", "100")
Capture = pytest.CaptureFixture[str]


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    """1.1.0 lies in published/ since long; 1.2.0 went somewhere else."""
    made = published_repository(tmp_path / "repository", datetime.now(UTC))
    add_version(made, "1.2.0")
    allow_step(made, "1.1.0", "1.2.0")
    return made


@pytest.fixture
def elsewhere(repository: Repository, tmp_path: Path) -> Path:
    assert main(["publish", str(repository.folder), "--to", str(tmp_path / "www")]) == 0
    return tmp_path / "www"


def maxima(repository: Repository, place: Place) -> dict[str, str]:
    store = open_store(place, repository.published)
    seen = published_manifest(repository, EDITION, datetime.now(UTC), store)
    return {str(each.version): str(each.max_version) for each in seen.updates}


def files(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_release_is_withdrawn_where_it_was_published(
    repository: Repository, elsewhere: Path, capsys: Capture
) -> None:
    old = files(repository.published)
    words = ("release", "withdraw", str(repository.folder), *NAMED, "--place", str(elsewhere))
    assert main(words) == 0
    assert maxima(repository, Place(to=str(elsewhere))) == {"1.1.0": "1.1.0", "1.2.0": "1.1.0"}
    assert files(repository.published) == old
    assert f"published at {elsewhere}" in capsys.readouterr().err


def test_a_rollout_is_halted_where_it_was_published(
    repository: Repository, elsewhere: Path, capsys: Capture
) -> None:
    old = files(repository.published)
    words = ("rollout", "halt", str(repository.folder), *NAMED, *ROLLOUT, "--to", str(elsewhere))
    assert main(words) == 0
    assert maxima(repository, Place(to=str(elsewhere)))["1.2.0"] == "1.1.0"
    assert files(repository.published) == old
    assert f"published at {elsewhere}" in capsys.readouterr().err


def test_a_place_is_refused_where_only_the_draft_would_change(
    repository: Repository, elsewhere: Path, capsys: Capture
) -> None:
    before = repository.draft(EDITION).manifest()
    words = ("rollout", "halt", str(repository.folder), *NAMED, "--yes", "--to", str(elsewhere))
    assert main(words) == 64
    assert "Add --published" in capsys.readouterr().err
    assert repository.draft(EDITION).manifest() == before


def test_both_reach_a_bucket(repository: Repository, s3: S3Server) -> None:
    place = Place(to=f"s3://{s3.bucket()}/site", endpoint=s3.endpoint)
    folder, there = str(repository.folder), (str(place.to), "--endpoint", s3.endpoint)
    assert main(["publish", folder, "--to", *there]) == 0
    assert main(["rollout", "halt", folder, *NAMED, *ROLLOUT, "--to", *there]) == 0
    assert maxima(repository, place)["1.2.0"] == "1.1.0"
    assert main(["release", "withdraw", folder, *NAMED, "--place", *there]) == 0
    assert maxima(repository, place) == {"1.1.0": "1.1.0", "1.2.0": "1.1.0"}
