from __future__ import annotations

from fractions import Fraction

import pytest

from repo_tools.simulation.quantities import (
    parse_factor,
    parse_size,
    parse_span,
    rate_text,
    size_text,
    span_text,
)
from updog.errors import UsageError
from waves.errors import WaveError


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("6h", 21600), ("30m", 1800), ("90s", 90), ("1d", 86400), ("1w", 604800), ("2 hours", 7200)],
)
def test_a_span_is_read(text: str, seconds: int) -> None:
    assert parse_span(text) == seconds


@pytest.mark.parametrize("text", ["0h", "0 hours", "367d", "53 weeks"])
def test_a_span_of_nothing_or_of_years_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="from a second to a year"):
        parse_span(text)


@pytest.mark.parametrize("text", ["", "h", "6", "-6h", "6 h", "1.5h", "٦h"])
def test_what_is_no_span_is_refused(text: str) -> None:
    with pytest.raises(WaveError):
        parse_span(text)


@pytest.mark.parametrize(
    ("text", "size"),
    [("123", 123), ("600MB", 600_000_000), ("1.5GiB", 3 << 29), ("1 kb", 1000), ("2T", 2 * 10**12)],
)
def test_a_size_is_read(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "MB", "-1", "1e9", "5 parsecs", "1.MB"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="is not a size"):
        parse_size(text)


@pytest.mark.parametrize(
    ("text", "factor"), [("2", Fraction(2)), ("1.5", Fraction(3, 2)), ("2/3", Fraction(2, 3))]
)
def test_a_factor_is_read_exactly(text: str, factor: Fraction) -> None:
    assert parse_factor(text) == factor


@pytest.mark.parametrize(
    "text", ["", "0", "-1", "1/0", "nan", "inf", "x", "1e999999999999999999999"]
)
def test_what_is_no_factor_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="is not a factor"):
        parse_factor(text)


def test_spans_are_told_in_their_two_greatest_units() -> None:
    assert [span_text(each) for each in (0, 59, 3600, 90061)] == ["0 s", "59 s", "1 h", "1 d 1 h"]


def test_sizes_and_rates_are_told_in_three_digits() -> None:
    assert [size_text(each) for each in (0, 999, 1230, 45_600_000)] == [
        "0 B",
        "999 B",
        "1.23 kB",
        "45.6 MB",
    ]
    assert rate_text(789e9) == "789 Gbit/s"
