from __future__ import annotations

from datetime import timedelta

import pytest

from updog.errors import ConfigError
from updog.fleet.kubernetes import settings
from updog.fleet.rules import DrainPolicy


def test_the_defaults_are_those_of_upstream_where_it_has_them() -> None:
    said = settings.controller({})
    assert str(said.rules.budget) == "1"
    assert said.rules.windows.cron is not None
    assert said.rules.exclusion == timedelta(0)
    assert said.namespace == "brupop-bottlerocket-aws"
    assert said.port == 8080
    assert said.rules.drain is DrainPolicy.ABORT


def test_an_empty_variable_counts_as_not_set() -> None:
    assert settings.controller({"MAX_CONCURRENT_UPDATE": " "}) == settings.controller({})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MAX_CONCURRENT_UPDATE", "some"),
        ("SCHEDULER_CRON_EXPRESSION", "* * * * *"),
        ("UPDATE_WINDOWS", "Monday 2-5"),
        ("UPDATE_WINDOW_TIME_ZONE", "Berlin"),
        ("UPDATE_BLACKOUTS", "Christmas"),
        ("UPDATE_WINDOW_START", "9"),
        ("UPDATE_WINDOW_STOP", "9:0:30"),
        ("EXCLUDE_FROM_LB_WAIT_TIME_IN_SEC", "-1"),
        ("DRAIN_LIMIT_IN_SEC", "soon"),
        ("DRAIN_POLICY", "force"),
        ("HALT_AFTER_FAILURES", "0"),
        ("HALT_FAILURE_PERCENT", "101%"),
        ("MAX_ATTEMPTS", "-3"),
        ("CANARY_SELECTOR", "canary"),
        ("CANARY_SELECTOR", "a!=b"),
        ("METRICS_PORT", "70000"),
        ("LEASE_IN_SEC", "inf"),
    ],
)
def test_a_value_that_means_nothing_is_refused_by_name(name: str, value: str) -> None:
    with pytest.raises(ConfigError, match=f"^{name}: "):
        settings.controller({name: value})


def test_half_an_old_window_is_refused() -> None:
    with pytest.raises(ConfigError, match="only one is set"):
        settings.rules({"UPDATE_WINDOW_START": "2:0:0"})


def test_two_equal_times_of_an_old_window_name_none() -> None:
    said = {"UPDATE_WINDOW_START": "0:0:0", "UPDATE_WINDOW_STOP": "0:0:0"}
    assert settings.rules(said) == settings.rules({})


def test_the_expression_wins_over_the_old_window() -> None:
    old = {"UPDATE_WINDOW_START": "2:0:0", "UPDATE_WINDOW_STOP": "3:0:0"}
    rules = settings.rules({**old, "SCHEDULER_CRON_EXPRESSION": "* * 5 * * *"})
    assert rules.windows.calendar is None
    assert settings.rules(old).windows.calendar is not None


def test_windows_in_two_ways_are_refused() -> None:
    both = {"UPDATE_WINDOWS": "daily 02:00-05:00", "SCHEDULER_CRON_EXPRESSION": "* * 5 * * *"}
    with pytest.raises(ConfigError, match="both set"):
        settings.rules(both)


@pytest.mark.parametrize(
    "more",
    [
        {"SCHEDULER_CRON_EXPRESSION": "* * 5 * * *"},
        {"UPDATE_WINDOW_START": "2:0:0", "UPDATE_WINDOW_STOP": "3:0:0"},
    ],
)
def test_a_zone_that_nothing_would_go_by_is_refused(more: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match="UPDATE_WINDOW_TIME_ZONE"):
        settings.rules({"UPDATE_WINDOW_TIME_ZONE": "Europe/Berlin", **more})
    settings.rules({"UPDATE_WINDOW_TIME_ZONE": "UTC", **more})


def test_a_wait_for_load_balancers_that_fails_every_drain_is_refused() -> None:
    said = {"EXCLUDE_FROM_LB_WAIT_TIME_IN_SEC": "60", "DRAIN_LIMIT_IN_SEC": "60"}
    with pytest.raises(ConfigError, match="EXCLUDE_FROM_LB"):
        settings.rules(said)
    assert settings.rules({**said, "DRAIN_LIMIT_IN_SEC": "61"}).exclusion.total_seconds() == 60


def test_never_switches_a_brake_off() -> None:
    rules = settings.rules({"HALT_AFTER_FAILURES": "never", "MAX_ATTEMPTS": "unlimited"})
    assert rules.brakes.failures is None
    assert rules.attempts is None


def test_what_was_said_is_kept_for_those_who_explain() -> None:
    said = settings.controller({"MAX_CONCURRENT_UPDATE": "10%", "METRICS_PORT": "1"}).said
    assert settings.controller(dict(said)).rules.budget.percent == 10
    assert said == (("MAX_CONCURRENT_UPDATE", "10%"),)


def test_an_agent_must_know_its_node() -> None:
    with pytest.raises(ConfigError, match="MY_NODE_NAME"):
        settings.agent({})
    assert settings.agent({"MY_NODE_NAME": "n"}).socket.as_posix() == "/run/api.sock"


def test_a_health_command_is_split_as_a_shell_does() -> None:
    said = settings.agent({"MY_NODE_NAME": "n", "HEALTH_COMMAND": "check --what 'all of it'"})
    assert said.health == ("check", "--what", "all of it")
    with pytest.raises(ConfigError, match="HEALTH_COMMAND"):
        settings.agent({"MY_NODE_NAME": "n", "HEALTH_COMMAND": "'"})


@pytest.mark.parametrize(
    ("selector", "labels", "fits"),
    [
        ("a=1", {"a": "1"}, True),
        ("a=1,b=2", {"a": "1"}, False),
        ("a=1,b=2", {"a": "1", "b": "2"}, True),
        ("", {"a": "1"}, False),
    ],
)
def test_selectors_are_equalities(selector: str, labels: dict[str, str], fits: bool) -> None:  # noqa: FBT001
    assert settings.matches(selector, labels) is fits
