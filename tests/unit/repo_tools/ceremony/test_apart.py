"""No draft gets where a client, or a publisher, would take it for a root that counts."""

from __future__ import annotations

from pathlib import Path

import pytest

from repo_tools.publish import publish
from repo_tools.repository import Repository
from tests.fakes.ceremony import Ceremony
from tests.fakes.repositories import EDITION, NOW, published_repository

PLACES = ("root/2.root.json", f"published/{EDITION.variant}/{EDITION.arch}/2.root.json")


@pytest.fixture
def ceremony(tmp_path: Path) -> Ceremony:
    """With a draft of a next root, and a repository that has published."""
    made = Ceremony(tmp_path)
    published_repository(made.repository)
    made.rotate()
    return made


def refused(
    ceremony: Ceremony, capsys: pytest.CaptureFixture[str], path: Path, *words: str | Path
) -> None:
    before = path.read_bytes() if path.exists() else None
    capsys.readouterr()
    assert ceremony.run("root", words[0], path, *words[1:]) == 64
    assert "was not written" in capsys.readouterr().err
    assert (path.read_bytes() if path.exists() else None) == before


@pytest.mark.parametrize("place", PLACES)
def test_a_draft_does_not_begin_there(
    ceremony: Ceremony, capsys: pytest.CaptureFixture[str], place: str
) -> None:
    path = ceremony.repository / place
    refused(ceremony, capsys, path, "init")
    refused(ceremony, capsys, path, "rotate", "--last", ceremony.repository)
    refused(ceremony, capsys, path, "init", "--dry-run")


@pytest.mark.parametrize("place", PLACES)
def test_a_draft_that_lies_there_is_not_worked_on(
    ceremony: Ceremony, capsys: pytest.CaptureFixture[str], place: str
) -> None:
    path, key = ceremony.repository / place, ceremony.repository / "keys" / "root-1.pem"
    path.write_bytes(ceremony.draft.read_bytes())
    refused(ceremony, capsys, path, "add-key", "timestamp", key)
    refused(ceremony, capsys, path, "remove-key", "root", key)
    refused(ceremony, capsys, path, "threshold", "root", "1")
    refused(ceremony, capsys, path, "expire", "500 days")
    last = ceremony.repository / "root" / "1.root.json"
    refused(ceremony, capsys, path, "sign", "--key", key, "--last", last, "--yes")
    refused(ceremony, capsys, path, "merge", ceremony.draft)


def test_the_folder_of_a_web_server_is_told_by_what_is_published_there(
    ceremony: Ceremony, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    elsewhere = tmp_path / "www"
    (ceremony.repository / "published").rename(elsewhere)
    refused(ceremony, capsys, EDITION.below(elsewhere) / "2.root.json", "init")
    refused(ceremony, capsys, EDITION.below(elsewhere) / "new" / "2.root.json", "init")


def test_a_link_is_no_way_round(
    ceremony: Ceremony, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    link, elsewhere = tmp_path / "link", tmp_path / "www"
    link.symlink_to(ceremony.repository / "root")
    refused(ceremony, capsys, link / "2.root.json", "init")
    published = ceremony.repository / "published"
    published.rename(elsewhere)
    published.symlink_to(elsewhere)
    refused(ceremony, capsys, published / "other" / "arm64" / "1.root.json", "init")


def test_a_repository_that_has_no_root_yet_keeps_drafts_out_as_well(
    ceremony: Ceremony, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "begun" / "root").mkdir(parents=True)
    (tmp_path / "begun" / "keys.toml").touch()
    refused(ceremony, capsys, tmp_path / "begun" / "root" / "1.root.json", "init")


@pytest.mark.parametrize("place", ["repository/next.json", "repository/draft/next.json"])
def test_beside_them_there_is_room(ceremony: Ceremony, tmp_path: Path, place: str) -> None:
    assert ceremony.run("root", "init", tmp_path / place) == 0


@pytest.mark.parametrize("name", ["root", "published"])
def test_other_folders_may_have_these_names(ceremony: Ceremony, tmp_path: Path, name: str) -> None:
    (tmp_path / "home" / "root").mkdir(parents=True)
    (tmp_path / "home" / "published").mkdir()
    assert ceremony.run("root", "init", tmp_path / "home" / name / "draft.json") == 0


def test_publishing_goes_on_after_a_refusal(
    ceremony: Ceremony, capsys: pytest.CaptureFixture[str]
) -> None:
    refused(ceremony, capsys, ceremony.repository / PLACES[0], "init")
    assert publish(Repository.open(ceremony.repository), now=NOW)
