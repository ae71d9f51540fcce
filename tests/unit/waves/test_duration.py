from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from waves.duration import (
    counted_from,
    format_moment,
    in_utc,
    parse_moment,
    parse_offset,
    parse_offset_or_moment,
    parse_start,
    quoted,
    whole_second,
)
from waves.errors import WaveError

NINE = datetime(2031, 4, 7, 9, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("30 minutes", timedelta(minutes=30)),
        ("1 minute", timedelta(minutes=1)),
        ("4 hours", timedelta(hours=4)),
        ("1 hours", timedelta(hours=1)),
        ("in 4 hours", timedelta(hours=4)),
        ("in  2   days", timedelta(days=2)),
        ("1 week", timedelta(weeks=1)),
        ("0 days", timedelta(0)),
        ("007 days", timedelta(days=7)),
        ("4294967295 minutes", timedelta(minutes=2**32 - 1)),
    ],
)
def test_an_offset_is_a_count_and_a_unit(text: str, span: timedelta) -> None:
    assert parse_offset(text) == span


@pytest.mark.parametrize(
    "text",
    [
        "",
        "4",
        "hours",
        "4hours",
        "4 Hours",
        "4 fortnights",
        "-4 hours",
        "+4 hours",
        "4.5 hours",
        "four hours",
        "4 hours ",
        " 4 hours",
        "4 hours\n",
        "in in 4 hours",
        "4 hours 5 minutes",
        "٤ hours",
    ],
)
def test_any_other_form_of_offset_is_refused(text: str) -> None:
    with pytest.raises(WaveError, match="is not an offset"):
        parse_offset(text)


@pytest.mark.parametrize("count", ["4294967296", "9" * 5000])
def test_an_offset_counts_no_further_than_a_u32(count: str) -> None:
    with pytest.raises(WaveError, match="above 4294967295"):
        parse_offset(f"{count} hours")


def test_an_offset_longer_than_any_calendar_is_refused() -> None:
    with pytest.raises(WaveError, match="longer than any calendar"):
        parse_offset("4294967295 weeks")


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2031-04-07T09:00:00Z", NINE),
        ("2031-04-07t09:00:00z", NINE),
        ("2031-04-07 09:00:00Z", NINE),
        ("2031-4-7T09:00:00Z", NINE),
        ("2031-04-07T11:30:00+02:30", NINE),
        ("2031-04-06T23:00:00-10:00", NINE),
        ("2031-04-07T09:00:00-00:00", NINE),
        ("2031-04-08T08:59:00+23:59", NINE),
        ("2031-04-07T09:00:00.5Z", NINE + timedelta(milliseconds=500)),
        ("2031-04-07T09:00:00.123456000Z", NINE + timedelta(microseconds=123456)),
        ("2031-04-07T08:59:60Z", NINE),
        ("9999-12-31T23:59:59Z", datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)),
        ("0001-01-01T00:00:00Z", datetime(1, 1, 1, tzinfo=UTC)),
    ],
)
def test_a_moment_is_rfc_3339_with_months_and_days_unpadded_if_need_be(
    text: str, moment: datetime
) -> None:
    assert parse_moment(text) == moment


@pytest.mark.parametrize("digits", ["1234561", "123456000000000000000001", "1234569" + "9" * 5000])
def test_what_is_finer_than_a_microsecond_rounds_up(digits: str) -> None:
    moment = parse_moment(f"2031-04-07T09:00:00.{digits}Z")
    assert moment == NINE + timedelta(microseconds=123457)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "tomorrow",
        "2031-04-07",
        "2031-04-07T09:00:00",
        "2031-04-07T9:00:00Z",
        "2031-04-07T09:00Z",
        "2031-04-07T09:00:00.Z",
        "2031-04-07T09:00:00Z\n",
        "31-04-07T09:00:00Z",
        "12031-04-07T09:00:00Z",
        "٢٠٣١-04-07T09:00:00Z",
    ],
)
def test_any_other_form_of_moment_is_refused(text: str) -> None:
    with pytest.raises(WaveError, match="is not an RFC 3339 moment"):
        parse_moment(text)


@pytest.mark.parametrize(
    "text",
    [
        "2031-02-29T09:00:00Z",
        "2031-00-07T09:00:00Z",
        "2031-04-07T24:00:00Z",
        "2031-04-07T09:00:61Z",
        "2031-04-07T09:00:00+24:00",
        "2031-04-07T09:00:00+01:60",
        "0000-01-01T00:00:00Z",
        "0001-01-01T00:00:00+00:01",
        "9999-12-31T23:59:60Z",
        "9999-12-31T23:59:59-00:01",
    ],
)
def test_a_moment_that_does_not_exist_is_refused(text: str) -> None:
    with pytest.raises(WaveError, match="names no moment"):
        parse_moment(text)


def test_a_moment_that_could_not_be_written_again_is_refused() -> None:
    with pytest.raises(WaveError, match="after the year 9999"):
        parse_moment("9999-12-31T23:59:59.1Z")


def test_a_start_is_an_offset_from_the_base_or_a_moment_of_its_own() -> None:
    assert parse_start("in 1 day", NINE) == NINE + timedelta(days=1)
    assert parse_start("2031-04-07T09:00:00Z", datetime(2040, 1, 1, tzinfo=UTC)) == NINE


def test_what_is_neither_offset_nor_moment_is_told_both_forms() -> None:
    with pytest.raises(WaveError, match=r"neither an offset such as '4 hours' nor an RFC 3339"):
        parse_offset_or_moment("soon")


def test_a_bad_date_is_told_apart_from_a_bad_offset() -> None:
    with pytest.raises(WaveError, match="names no moment: day is out of range"):
        parse_offset_or_moment("2031-02-30T00:00:00Z")


@pytest.mark.parametrize(
    "span", [timedelta(days=9_000_000), datetime.max.replace(tzinfo=UTC) - NINE]
)
def test_counting_past_the_calendar_is_a_clear_error(span: timedelta) -> None:
    with pytest.raises(WaveError, match=r"after 2031-04-07T09:00:00Z is after the year 9999"):
        counted_from(span, NINE)


def test_the_last_second_of_the_calendar_can_be_reached() -> None:
    last = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)
    assert counted_from(last - NINE, NINE) == last


def test_a_base_without_a_time_zone_is_refused() -> None:
    with pytest.raises(WaveError, match="has no time zone"):
        counted_from(timedelta(hours=1), NINE.replace(tzinfo=None))


def test_a_moment_whose_utc_lies_outside_the_calendar_is_refused() -> None:
    edge = datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=1)))
    with pytest.raises(WaveError, match="outside the years"):
        in_utc(edge)


def test_a_moment_is_written_in_utc_and_whole_seconds() -> None:
    eleven = datetime(2031, 4, 7, 11, tzinfo=timezone(timedelta(hours=2)))
    assert format_moment(eleven) == "2031-04-07T09:00:00Z"
    assert format_moment(datetime(33, 1, 2, tzinfo=UTC)) == "0033-01-02T00:00:00Z"


def test_writing_rounds_up_so_that_nobody_comes_early() -> None:
    assert format_moment(NINE + timedelta(microseconds=1)) == "2031-04-07T09:00:01Z"


def test_rounding_up_stops_at_the_end_of_the_calendar() -> None:
    last = datetime.max.replace(tzinfo=UTC)
    assert whole_second(last) == datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)


def test_a_quotation_is_one_short_printable_line() -> None:
    assert quoted("a\nb\ud800") == r"'a\nb\ud800'"
    assert len(quoted("x" * 10_000)) < 80
