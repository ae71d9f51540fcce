from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes.clock import NOW
from updog.mirrormemory import EVERY, KEPT_FOR, LIMIT, MOST, MirrorMemory

ROW = ["https://a/m", "https://b/m", "https://c/m"]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "mirrors.json"


def order(path: Path, later: timedelta = timedelta(0)) -> str:
    """The hosts of the row, in the order of a run that begins then."""
    bases = MirrorMemory(path, NOW + later).order(ROW)
    return "".join(base.split("/")[2] for base in bases)


def test_without_failures_the_order_is_the_configured_one(path: Path) -> None:
    assert order(path) == "abc"
    assert not path.exists()


def test_who_failed_is_last_in_the_next_run(path: Path) -> None:
    MirrorMemory(path, NOW).failed(ROW[0])
    assert order(path, timedelta(minutes=5)) == "bca"


def test_the_next_run_may_follow_within_a_second(path: Path) -> None:
    MirrorMemory(path, NOW + timedelta(milliseconds=900)).failed(ROW[0])
    assert order(path, timedelta(milliseconds=901)) == "bca"


def test_nobody_is_left_out_if_all_failed(path: Path) -> None:
    memory = MirrorMemory(path, NOW)
    for base in ROW:
        memory.failed(base)
    assert order(path) == "abc"


def test_who_answers_again_is_forgiven(path: Path) -> None:
    MirrorMemory(path, NOW).failed(ROW[0])
    MirrorMemory(path, NOW).answered(ROW[0])
    assert order(path) == "abc"


def test_a_failure_is_forgotten_with_time(path: Path) -> None:
    MirrorMemory(path, NOW).failed(ROW[0])
    assert order(path, KEPT_FOR - timedelta(seconds=1)) == "bca"
    assert order(path, KEPT_FOR) == "abc"


def test_a_failure_of_a_clock_that_ran_ahead_does_not_count(path: Path) -> None:
    MirrorMemory(path, NOW).failed(ROW[0])
    assert order(path, -timedelta(seconds=2)) == "abc"


def test_failing_again_in_the_same_run_writes_nothing(path: Path) -> None:
    memory = MirrorMemory(path, NOW)
    memory.failed(ROW[0])
    before = path.stat().st_ino
    memory.failed(ROW[0])
    assert path.stat().st_ino == before


def test_failing_again_later_counts_anew(path: Path) -> None:
    MirrorMemory(path, NOW).failed(ROW[0])
    MirrorMemory(path, NOW + EVERY).failed(ROW[0])
    assert order(path, KEPT_FOR) == "bca"


def test_the_file_does_not_grow_without_end(path: Path) -> None:
    memory = MirrorMemory(path, NOW)
    for number in range(3 * MOST):
        memory.failed(f"https://{number}/m")
    assert len(json.loads(path.read_bytes())) == MOST
    assert path.stat().st_size < LIMIT


def test_no_address_is_written(path: Path) -> None:
    MirrorMemory(path, NOW).failed("https://me:secret@host/m")
    assert b"secret" not in path.read_bytes()
    assert b"host" not in path.read_bytes()


def test_a_folder_that_cannot_be_written_is_no_failure(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file")
    memory = MirrorMemory(tmp_path / "state" / "mirrors.json", NOW)
    memory.failed(ROW[0])
    assert memory.order(ROW) == [*ROW[1:], ROW[0]]


@pytest.mark.parametrize(
    "content",
    [b"", b"[", b"[]", b"null", b'{"a": 1}', b'{"a": "soon"}', b"[" * 9999, b" " * (LIMIT + 1)],
)
def test_an_odd_file_is_as_good_as_none(path: Path, content: bytes) -> None:
    path.parent.mkdir()
    path.write_bytes(content)
    assert order(path) == "abc"


@pytest.mark.property
@given(st.dictionaries(st.text(), st.text() | st.integers() | st.none()))
def test_whatever_it_says_every_server_stays_in_the_row(
    tmp_path_factory: pytest.TempPathFactory, tree: dict[str, object]
) -> None:
    path = tmp_path_factory.mktemp("state") / "mirrors.json"
    path.write_text(json.dumps(tree))
    assert sorted(MirrorMemory(path, NOW).order(ROW)) == ROW
