from __future__ import annotations

import json
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes.clock import NOW
from updog.errors import InternalError
from updog.service.machine import Command
from updog.service.record import (
    KEPT_OUTCOMES,
    STDERR_LIMIT,
    CmdStatus,
    ImageId,
    Record,
    dump,
    parse,
)

HOST = ImageId("x86_64", "1.0.0", "edge-gw")
NEXT = HOST._replace(version="1.1.0")
steps = st.lists(st.tuples(st.sampled_from(Command), st.integers(0, 255), st.text(max_size=40)))


def after(command: Command, exit_status: int = 0, stderr: str = "") -> Record:
    return Record().begun(command, NOW).ended(exit_status, stderr, NOW)


@given(done=steps, under_way=st.booleans())
def test_whatever_happened_is_read_back(
    *, done: list[tuple[Command, int, str]], under_way: bool
) -> None:
    record = Record().offered(HOST, ("1.1.0",), NEXT)
    for command, code, said in done:
        record = record.begun(command, NOW).ended(code, said, NOW)
    if under_way:
        record = record.begun(Command.PREPARE, NOW)
    assert parse(dump(record)) == record


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"{}", b"null", b'{"format": 2}', b"[" * 9000]
)
def test_what_is_no_record_is_a_value_error(content: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - one sort, whatever is wrong
        parse(content)


@given(st.data())
def test_a_damaged_record_is_a_value_error_or_a_record(data: st.DataObject) -> None:
    content = bytearray(dump(after(Command.REFRESH).offered(HOST, ("1.1.0",), NEXT)))
    place = data.draw(st.integers(0, len(content) - 1))
    content[place] = data.draw(st.integers(0, 255))
    try:
        found = parse(bytes(content))
    except ValueError:
        return
    dump(found)


def test_an_outcome_says_how_it_went() -> None:
    good, bad = after(Command.REFRESH).last, after(Command.PREPARE, 69, "no route").last
    assert good is not None
    assert bad is not None
    assert (good.status, good.exit_status, good.at) == (
        CmdStatus.SUCCESS,
        0,
        "2031-04-07T09:00:00.000000Z",
    )
    assert (bad.status, bad.exit_status, bad.stderr) == (CmdStatus.FAILED, 69, "no route")


def test_commands_are_counted_and_the_last_ones_kept() -> None:
    record = Record()
    for _ in range(KEPT_OUTCOMES + 5):
        record = record.begun(Command.REFRESH, NOW).ended(0, "", NOW)
    assert record.next_number == KEPT_OUTCOMES + 6
    assert len(record.recent) == KEPT_OUTCOMES
    assert record.outcome(5) is None
    kept = record.outcome(6)
    assert kept is not None
    assert kept.number == 6


def test_of_long_messages_the_end_is_kept() -> None:
    last = after(Command.PREPARE, 1, "x" * STDERR_LIMIT + "the error").last
    assert last is not None
    assert len(last.stderr) == STDERR_LIMIT
    assert last.stderr.endswith("the error")


def test_a_command_that_nobody_saw_end_is_unknown() -> None:
    later = NOW + timedelta(minutes=5)
    record = Record().begun(Command.PREPARE, NOW).interrupted(later)
    assert record.running is None
    assert record.last is not None
    assert record.last.status is CmdStatus.UNKNOWN
    assert record.last.exit_status == 75
    assert record.interrupted(later) == record


def test_a_failed_refresh_counts_as_no_update_and_keeps_the_chosen_one() -> None:
    record = after(Command.REFRESH).offered(HOST, ("1.1.0",), NEXT)
    failed = record.begun(Command.REFRESH, NOW).ended(69, "", NOW)
    assert not failed.refreshed
    assert failed.chosen == NEXT


def test_a_failed_prepare_changes_nothing_of_what_was_offered() -> None:
    record = after(Command.REFRESH).offered(HOST, ("1.1.0",), NEXT)
    failed = record.begun(Command.PREPARE, NOW).ended(69, "", NOW)
    assert (failed.refreshed, failed.chosen) == (True, NEXT)


def test_what_was_offered_to_another_system_is_dropped() -> None:
    record = after(Command.REFRESH).offered(HOST, ("1.1.0",), NEXT)
    assert record.for_host(HOST) is record
    booted = record.for_host(NEXT)
    assert (booted.refreshed, booted.available, booted.chosen) == (False, (), None)
    assert booted.recent == record.recent


def test_no_command_ends_that_never_began() -> None:
    with pytest.raises(InternalError):
        Record().ended(0, "", NOW)


def test_the_file_is_for_people_too() -> None:
    assert json.loads(dump(Record()))["format"] == 1
