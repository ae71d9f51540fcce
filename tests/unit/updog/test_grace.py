"""Metadata past its expiry: never believed, unless the operator allowed it for carried metadata."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from tests.fakes.clock import NOW
from tests.fakes.repository import URLS, FakeRepository
from updog.errors import Expired
from updog.overdue import in_words, overdue_lines
from updog.session import Session
from updog.trust import NO_GRACE
from updog.tufstore import MetadataStore

ROLES = ("root", "timestamp", "snapshot", "targets")
DAY = timedelta(days=1)


@pytest.fixture
def repo() -> FakeRepository:
    repo = FakeRepository()
    repo.add_target("image", b"bytes")
    repo.publish()
    return repo


def session(repo: FakeRepository, home: Path, *, late: timedelta, grace: timedelta) -> Session:
    store = MetadataStore(home / "tuf")
    return Session(URLS, repo.shipped_root(), store, repo, NOW + late, grace=grace)


def lateness(repo: FakeRepository, home: Path) -> timedelta:
    """How long after NOW the first role expires."""
    now = session(repo, home, late=NO_GRACE, grace=NO_GRACE)
    now.refresh()
    return min(now.expires().values()) - NOW


def test_the_first_moment_of_expiry_is_refused_without_grace(
    repo: FakeRepository, tmp_path: Path
) -> None:
    late = lateness(repo, tmp_path)
    with pytest.raises(Expired):
        session(repo, tmp_path, late=late, grace=NO_GRACE).refresh()


def test_within_the_grace_expired_metadata_is_believed(
    repo: FakeRepository, tmp_path: Path
) -> None:
    late = lateness(repo, tmp_path) + DAY
    believing = session(repo, tmp_path / "new", late=late, grace=2 * DAY)
    believing.refresh()
    assert believing.read("image") == b"bytes"
    assert set(believing.overdue()) <= set(ROLES)
    assert believing.overdue()


def test_at_the_end_of_the_grace_it_is_refused(repo: FakeRepository, tmp_path: Path) -> None:
    late = lateness(repo, tmp_path) + DAY
    with pytest.raises(Expired):
        session(repo, tmp_path / "new", late=late, grace=DAY).refresh()


def test_what_grace_let_in_is_refused_again_without(repo: FakeRepository, tmp_path: Path) -> None:
    late = lateness(repo, tmp_path) + DAY
    session(repo, tmp_path, late=late, grace=2 * DAY).refresh()
    with pytest.raises(Expired):
        session(repo, tmp_path, late=late, grace=NO_GRACE).refresh()


def test_fresh_metadata_is_not_overdue(repo: FakeRepository, tmp_path: Path) -> None:
    fresh = session(repo, tmp_path, late=NO_GRACE, grace=DAY)
    fresh.refresh()
    assert not fresh.overdue()


def test_each_overdue_role_is_told_with_what_is_left() -> None:
    (line,) = overdue_lines({"timestamp": NOW - 3 * DAY}, NOW, 30 * DAY)
    assert line.startswith("timestamp.json expired 3 days ago, at ")
    assert line.endswith("offline for 27 days more")


@pytest.mark.parametrize(
    ("span", "words"),
    [
        (timedelta(seconds=59), "less than a minute"),
        (timedelta(minutes=1), "1 minute"),
        (timedelta(minutes=119), "1 hour"),
        (timedelta(hours=47), "1 day"),
        (timedelta(days=12), "12 days"),
    ],
)
def test_a_span_is_told_in_its_largest_unit(span: timedelta, words: str) -> None:
    assert in_words(span) == words
