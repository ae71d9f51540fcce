from __future__ import annotations

import logging
import os
import string
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fakes.journal import Journal, decoded, journal
from updog.events import EVENTS
from updog.journal import JournalHandler, encode, priority, stream_is_journal

names = st.from_regex(r"[A-Z][A-Z0-9_]{0,30}", fullmatch=True)
# What UTF-8 cannot hold is written by its number.
values = st.text(st.characters(exclude_categories=["Cs"]), max_size=200)


@pytest.fixture
def log(tmp_path: Path) -> Iterator[logging.Logger]:
    made = logging.getLogger("updog.test")
    handler = JournalHandler(tmp_path / "socket", lambda _record: {"UPDOG_X": "y"}, "prog")
    made.addHandler(handler)
    yield made
    made.removeHandler(handler)
    handler.close()


@pytest.fixture
def listening(tmp_path: Path) -> Iterator[Journal]:
    with journal(tmp_path / "socket") as made:
        yield made


@settings(max_examples=100, deadline=None)
@given(st.dictionaries(names, values))
def test_what_is_encoded_is_what_the_journal_reads(fields: dict[str, str]) -> None:
    assert decoded(encode(fields)) == fields


def test_a_value_of_several_lines_has_its_length_before_it() -> None:
    assert encode({"A": "b", "C": "d\ne"}) == b"A=b\nC\n\x03\0\0\0\0\0\0\0d\ne\n"


def test_what_is_no_text_is_written_all_the_same() -> None:
    assert encode({"A": "\udcff"}) == b"A=\\udcff\n"


@pytest.mark.parametrize(
    ("level", "expected"), [(5, 7), (10, 7), (20, 6), (25, 6), (30, 4), (40, 3), (50, 3)]
)
def test_levels_are_priorities_of_syslog(level: int, expected: int) -> None:
    assert priority(level) == expected


def test_a_record_arrives_with_its_fields(listening: Journal, log: logging.Logger) -> None:
    log.warning("two %s", "lines\nof it")
    assert listening.record() == {
        "MESSAGE": "two lines\nof it",
        "PRIORITY": "4",
        "SYSLOG_IDENTIFIER": "prog",
        "CODE_FUNC": "test_a_record_arrives_with_its_fields",
        "LOGGER": "updog.test",
        "UPDOG_X": "y",
    }


def test_a_record_that_no_datagram_holds_arrives_too(
    listening: Journal, log: logging.Logger
) -> None:
    text = "x" * 5_000_000
    log.error("%s", text)
    assert listening.record()["MESSAGE"] == text


def test_a_journal_that_is_gone_ends_nothing(
    tmp_path: Path, log: logging.Logger, capsys: pytest.CaptureFixture[str]
) -> None:
    with journal(tmp_path / "socket"):
        pass
    log.error("said to nobody")
    assert "said to nobody" in capsys.readouterr().err


def test_a_stream_is_the_journal_if_it_is_the_one_that_systemd_named(tmp_path: Path) -> None:
    with tmp_path.joinpath("a").open("w") as file:
        found = os.fstat(file.fileno())
        named = {"JOURNAL_STREAM": f"{found.st_dev}:{found.st_ino}"}
        assert stream_is_journal(named, file.fileno())
        assert not stream_is_journal({}, file.fileno())
        assert not stream_is_journal({"JOURNAL_STREAM": "nonsense"}, file.fileno())
        with tmp_path.joinpath("b").open("w") as other:
            assert not stream_is_journal(named, other.fileno())


def test_the_page_of_the_commands_lists_every_event() -> None:
    page = Path(__file__).resolve().parents[3].joinpath("docs/cli.md").read_text()
    for event in EVENTS:
        assert f"| `{event.message_id}` | `{event.phase}` |" in page
        for _, fact, _, _ in string.Formatter().parse(event.text):
            assert fact is None or f"`UPDOG_{fact.upper()}`" in page
