from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from waves.errors import WaveError
from waves.policy import MAX_CHARACTERS, Policy, Step, parse_policy, to_schedule

BASE = datetime(2031, 4, 7, 9, tzinfo=UTC)
HOUR = timedelta(hours=1)


def _wave(start: str, percent: object, extra: str = "") -> str:
    return f"[[waves]]\nstart_after = {start}\nfleet_percentage = {percent}\n{extra}\n"


def _keys(text: str, base: datetime = BASE) -> dict[int, datetime]:
    schedule = to_schedule(parse_policy(text, "p.toml"), base)
    return {wave.first_seed: wave.start for wave in schedule.waves}


def _refusal(text: str) -> str:
    with pytest.raises(WaveError) as refused:
        parse_policy(text, "p.toml")
    return str(refused.value)


ALL = _wave("'1 hour'", 100)


def test_a_policy_lists_starts_and_cumulative_percentages() -> None:
    policy = parse_policy(_wave("'1 hour'", 5) + _wave("'in 2 days'", 100), "p.toml")
    assert policy == Policy((Step(HOUR, 5), Step(timedelta(days=2), 100)))


def test_each_key_is_the_share_that_the_entry_before_it_reaches() -> None:
    text = _wave("'1 hour'", 1) + _wave("'4 hours'", 5) + _wave("'1 day'", 100)
    assert _keys(text) == {0: BASE + HOUR, 20: BASE + 4 * HOUR, 102: BASE + 24 * HOUR}


def test_a_single_entry_opens_to_all_at_its_start() -> None:
    assert _keys(ALL) == {0: BASE + HOUR}


def test_spread_over_closes_the_last_window() -> None:
    text = _wave("'1 hour'", 50) + _wave("'2 hours'", 100, "spread_over = '12 hours'")
    assert _keys(text) == {0: BASE + HOUR, 1024: BASE + 2 * HOUR, 2048: BASE + 14 * HOUR}


@pytest.mark.parametrize(
    "start",
    ["'2031-04-08T11:00:00+02:00'", "2031-04-08T09:00:00Z", "2031-04-08 11:00:00+02:00"],
)
def test_a_start_may_be_a_moment_as_text_or_as_toml(start: str) -> None:
    assert _keys(_wave(start, 100)) == {0: BASE + 24 * HOUR}


def test_offsets_and_moments_may_be_mixed_if_they_increase_in_the_end() -> None:
    text = _wave("'1 hour'", 50) + _wave("'2031-04-07T11:00:00Z'", 100)
    assert _keys(text) == {0: BASE + HOUR, 1024: BASE + 2 * HOUR}


def test_offsets_and_moments_that_meet_on_the_time_line_are_refused() -> None:
    text = _wave("'1 hour'", 50) + _wave("'2031-04-07T10:00:00Z'", 100)
    with pytest.raises(WaveError, match="entry 2 would start at 2031-04-07T10:00:00Z, which is"):
        _keys(text)


def test_starts_are_rounded_up_to_the_whole_seconds_that_are_written() -> None:
    assert _keys(ALL, BASE + timedelta(microseconds=1)) == {0: BASE + HOUR + timedelta(seconds=1)}


def test_a_start_outside_the_calendar_is_a_clear_error() -> None:
    with pytest.raises(WaveError, match="is after the year 9999"):
        _keys(_wave("'400000000 days'", 100))


def test_a_spread_that_leaves_the_calendar_is_a_clear_error() -> None:
    with pytest.raises(WaveError, match="is after the year 9999"):
        _keys(_wave("'1 hour'", 100, "spread_over = '400000000 days'"))


def test_a_base_without_a_time_zone_is_refused() -> None:
    with pytest.raises(WaveError, match="has no time zone"):
        _keys(ALL, BASE.replace(tzinfo=None))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "p.toml: there is no [[waves]] entry"),
        (_wave("'1 hour'", 100).replace("waves", "wave"), "p.toml: unknown key 'wave'"),
        (ALL + "[extra]\n", "p.toml: unknown key 'extra'"),
        ("waves = 3", "'waves' must be written as [[waves]] entries"),
        ("waves = [3]", "'waves' must be written as [[waves]] entries"),
        ("[waves]\nstart_after = '1 hour'", "'waves' must be written as [[waves]] entries"),
        (_wave("'1 hour'", 100, "colour = 1"), "waves entry 1: unknown key 'colour'"),
        ("[[waves]]\nfleet_percentage = 100", "waves entry 1: start_after is missing"),
        ("[[waves]]\nstart_after = '1 hour'", "waves entry 1: fleet_percentage is missing"),
        ("waves = [", "p.toml: not TOML: "),
    ],
)
def test_what_is_not_a_policy_is_refused_by_name(text: str, says: str) -> None:
    assert says in _refusal(text)


@pytest.mark.parametrize("percent", ["true", "100.0", "'100'", "[100]", "2031-01-01"])
def test_a_percentage_is_a_whole_number_and_nothing_like_one(percent: str) -> None:
    refusal = _refusal(_wave("'1 hour'", percent))
    assert refusal == "p.toml: waves entry 1: fleet_percentage must be a whole number from 1 to 100"


@pytest.mark.parametrize("percent", [0, -5, 101, "0x" + "f" * 8000])
def test_a_percentage_lies_between_1_and_100(percent: object) -> None:
    refusal = _refusal(_wave("'1 hour'", percent))
    assert refusal == "p.toml: waves entry 1: fleet_percentage must be 1 to 100"


@pytest.mark.parametrize("percents", [(50, 50, 100), (60, 50, 100)])
def test_percentages_strictly_increase(percents: tuple[int, ...]) -> None:
    text = "".join(_wave(f"'{hour} hours'", p) for hour, p in enumerate(percents))
    assert f"waves entry 2: fleet_percentage 50 must be above the {percents[0]}" in _refusal(text)


def test_the_last_percentage_is_the_whole_fleet() -> None:
    refusal = _refusal(_wave("'1 hour'", 50) + _wave("'2 hours'", 99))
    assert "waves entry 2: the last fleet_percentage must be 100, not 99" in refusal


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("'2 hours'", "'120 minutes'"),
        ("'2 hours'", "'1 hour'"),
        ("2031-04-07T09:00:00Z", "'2031-04-07T09:00:00Z'"),
        ("2031-04-07T09:00:00Z", "'2031-04-07T10:00:00+02:00'"),
    ],
)
def test_starts_strictly_increase(first: str, second: str) -> None:
    refusal = _refusal(_wave(first, 50) + _wave(second, 100))
    assert refusal == "p.toml: waves entry 2: it must start after the entries before it"


@pytest.mark.parametrize("start", ["1", "true", "2031-04-07", "10:00:00", "['1 hour']"])
def test_a_start_is_a_text_or_a_moment(start: str) -> None:
    assert "waves entry 1: start_after must be a string" in _refusal(_wave(start, 100))


def test_a_toml_moment_without_a_time_zone_is_refused() -> None:
    assert "entry 1: 2031-04-07T09:00:00 has no time" in _refusal(_wave("2031-04-07T09:00:00", 100))


def test_a_start_of_another_form_names_its_entry() -> None:
    text = _wave("'1 hour'", 50) + _wave("'2 moons'", 100)
    assert "p.toml: waves entry 2: start_after: '2 moons' is neither" in _refusal(text)


def test_spread_over_belongs_to_the_last_entry() -> None:
    text = _wave("'1 hour'", 50, "spread_over = '1 hour'") + _wave("'2 hours'", 100)
    assert "waves entry 1: spread_over belongs to the last entry only" in _refusal(text)


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ("12", "spread_over must be a string"),
        ("'2031-04-07T09:00:00Z'", "spread_over: '2031-04-07T09:00:00Z' is not an offset"),
        ("'0 hours'", "spread_over must be longer than nothing"),
    ],
)
def test_spread_over_is_an_offset(value: str, says: str) -> None:
    assert says in _refusal(_wave("'1 hour'", 100, f"spread_over = {value}"))


def test_a_policy_is_a_small_file() -> None:
    assert "characters, more than" in _refusal("#" * (MAX_CHARACTERS + 1))


@pytest.mark.parametrize("text", ["a = " + "[" * 30_000, "a = " + "9" * 30_000])
def test_a_file_that_overwhelms_the_toml_reader_is_refused(text: str) -> None:
    assert "p.toml: not TOML: " in _refusal(text)


def test_a_policy_built_by_hand_meets_the_same_rules() -> None:
    with pytest.raises(WaveError, match="the last fleet_percentage must be 100"):
        Policy((Step(HOUR, 99),))
    with pytest.raises(WaveError, match="has no time zone"):
        Step(BASE.replace(tzinfo=None), 100)
