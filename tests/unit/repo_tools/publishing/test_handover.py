"""New online keys reach devices without a moment in which any of them refuses the repository."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pytest

from repo_tools.keyring import RETIRED
from repo_tools.publish import publish, refresh
from repo_tools.repository import Repository
from repo_tools.stores.folder import FolderStore
from tests.fakes.repositories import EDITION, NOW, published_repository, rotate_online
from updog.errors import UpdogError
from updog.fetch import HttpFetcher
from updog.session import RepositoryUrls, Session
from updog.tufstore import MetadataStore


@dataclass(frozen=True)
class Watched(FolderStore):
    """A folder that tells what is put there, and breaks where it is told to."""

    cut: str = ""
    names: list[str] = field(default_factory=list)

    def put(self, name: str, data: bytes, *, new: bool = False) -> None:
        if self.cut and name.endswith(self.cut):
            raise OSError(f"cut at {name}")
        self.names.append(name.rpartition("/")[2])
        super().put(name, data, new=new)


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return published_repository(tmp_path / "repository")


def put_out(repository: Repository, cut: str = "") -> tuple[list[str], list[str]]:
    """Publish; the metadata in the order of writing, and the warnings."""
    said: list[str] = []
    watched = Watched(repository.published, cut=cut)
    publish(repository, now=NOW, report=said.append, store=watched)
    names = [n for n in watched.names if n.endswith(".json") and "manifest" not in n]
    return names, [line for line in said if line.startswith("Warning")]


def visit(repository: Repository, memory: Path) -> int:
    """A device with the first root and its own memory; the version of its root afterwards."""
    urls = RepositoryUrls(
        (EDITION.below(repository.published)).as_uri(), (repository.published / "targets").as_uri()
    )
    shipped = (repository.roots / "1.root.json").read_bytes()
    session = Session(urls, shipped, MetadataStore(memory), HttpFetcher(), NOW)
    session.refresh()
    return session.versions()["root"]


def test_old_keys_sign_once_more_and_the_new_root_comes_last(
    repository: Repository, tmp_path: Path
) -> None:
    rotate_online(repository, "timestamp", repository.keys / RETIRED)
    names, warnings = put_out(repository)
    assert names == ["2.targets.json", "2.snapshot.json", "timestamp.json", "2.root.json"]
    assert warnings == []
    assert visit(repository, tmp_path / "memory") == 2


def test_devices_are_served_whichever_write_is_the_last(
    repository: Repository, tmp_path: Path
) -> None:
    rotate_online(repository, "timestamp", repository.keys / RETIRED)
    for number, cut in enumerate(("targets.json", "snapshot.json", "timestamp.json", "root.json")):
        with pytest.raises(OSError, match="cut at"):
            put_out(repository, cut)
        assert visit(repository, tmp_path / "old") == 1, cut
        assert visit(repository, tmp_path / f"new-{number}") == 1, cut
    put_out(repository)
    assert visit(repository, tmp_path / "old") == 2


def test_refresh_completes_a_change_of_keys_that_was_cut_before_its_root(
    repository: Repository, tmp_path: Path
) -> None:
    rotate_online(repository, "timestamp", repository.keys / RETIRED)
    with pytest.raises(OSError, match="cut at"):
        put_out(repository, "root.json")
    refresh(repository, now=NOW)
    assert visit(repository, tmp_path / "memory") == 2


def test_after_the_change_the_old_key_signs_no_more(repository: Repository) -> None:
    rotate_online(repository, "timestamp", repository.keys / RETIRED)
    put_out(repository)
    put_out(repository)
    timestamp = (EDITION.below(repository.published) / "timestamp.json").read_text()
    assert timestamp.count('"keyid"') == 1


def test_without_the_old_key_the_root_comes_right_before_the_timestamp_and_that_is_said(
    repository: Repository, tmp_path: Path
) -> None:
    rotate_online(repository, "timestamp")
    names, warnings = put_out(repository)
    assert names[-2:] == ["2.root.json", "timestamp.json"]
    assert len(warnings) == 1
    assert "devices refuse" in warnings[0]
    assert visit(repository, tmp_path / "memory") == 2


def test_publish_cut_in_that_window_is_completed_by_the_next(
    repository: Repository, tmp_path: Path
) -> None:
    rotate_online(repository, "timestamp")
    with pytest.raises(OSError, match="cut at"):
        put_out(repository, "timestamp.json")
    with pytest.raises(UpdogError, match="0 of the 1 keys"):
        visit(repository, tmp_path / "old")
    names, _ = put_out(repository)
    assert names[-1] == "timestamp.json"
    assert visit(repository, tmp_path / "old") == 2


def test_new_expiry_of_the_root_needs_no_old_keys(repository: Repository) -> None:
    repository.renew_root(now=NOW)
    names, warnings = put_out(repository)
    assert names[-2:] == ["2.root.json", "timestamp.json"]
    assert warnings == []
