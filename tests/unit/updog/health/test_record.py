from __future__ import annotations

import os
from pathlib import Path

import pytest

from updog.health import record
from updog.health.record import KEPT, Bad, Pending, Record

FULL = Record(
    (Bad("1.1.0", "2031-04-07T09:00:00Z", "why"),),
    Pending("1.2.0", "B", "boot", {"required/net": True, "wanted/x": False}),
    2,
    ("B",),
)


def test_it_comes_back_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "state" / "health.json"
    record.change(path, lambda _old: FULL)
    assert record.load(path) == FULL


@pytest.mark.parametrize(
    "junk", [b"", b"null", b"{}", b"\xff", b'{"bad": 1, "rollbacks": 0, "given_up": []}', b"[[[["]
)
def test_what_cannot_be_understood_counts_as_empty(tmp_path: Path, junk: bytes) -> None:
    path = tmp_path / "health.json"
    path.write_bytes(junk)
    assert record.load(path) == Record()


def test_a_power_cut_while_it_is_written_leaves_the_old_one(tmp_path: Path) -> None:
    """The draft has another name until all of it is on the medium."""
    path = tmp_path / "health.json"
    record.change(path, lambda _old: FULL)
    (tmp_path / ".health.json.new").write_bytes(b'{"bad": [')
    assert record.load(path) == FULL
    record.change(path, lambda old: old.clearing("1.1.0"))
    assert record.load(path).bad == ()


def test_the_first_reason_is_kept_and_the_oldest_versions_go() -> None:
    known = Record().noting(Bad("1.0.0", "t", "first")).noting(Bad("1.0.0", "t", "second"))
    assert [each.why for each in known.bad] == ["first"]
    assert Record().noting(Bad("", "t", "of no version")) == Record()
    for number in range(KEPT + 5):
        known = known.noting(Bad(f"2.{number}.0", "t", ""))
    assert len(known.bad) == KEPT
    assert known.bad[-1].version == f"2.{KEPT + 4}.0"


def test_many_processes_lose_no_change(tmp_path: Path) -> None:
    path = tmp_path / "health.json"
    children = []
    for number in range(8):
        child = os.fork()
        if not child:
            record.change(path, lambda old, n=number: old.noting(Bad(f"1.{n}.0", "t", "")))  # type: ignore[misc]
            os._exit(0)
        children.append(child)
    for child in children:
        os.waitpid(child, 0)
    assert len(record.load(path).bad) == 8
