"""What a report says of hosts, one story each."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from repo_tools.fleet.asking import HostBy, Question
from repo_tools.fleet.database import opened
from repo_tools.fleet.figures import State
from repo_tools.fleet.survey import newest_rollout
from tests.fakes.accesslogs import BEGIN, HOUR, NEW, OLD, SMALL, Story, fill
from updog.errors import DataError
from updog.version import Version
from waves.schedule import Schedule, Wave

RELEASE = Version.parse(NEW)
PLAN = Schedule((Wave(0, BEGIN), Wave(1024, BEGIN + 24 * HOUR)))
PLANNED = Question(RELEASE, PLAN)
END = 72


def story() -> Story:
    """A host that is heard to the end and is ahead of everything, so that the logs end at `END`."""
    return Story().checks(END, 2000, "9.9.9", ip="198.51.100.1")


def state_of(tmp_path: Path, told: Story, question: Question = PLANNED) -> State:
    states = dict(told.report(tmp_path, question).states)
    states[State.AHEAD] -= 1
    (found,) = (state for state, count in states.items() if count)
    return found


def test_a_host_that_reports_the_release_runs_it(tmp_path: Path) -> None:
    told = story().checks(1, 5).fetches(2, 5).checks(3, 5, NEW)
    assert state_of(tmp_path, told) is State.RUNNING


def test_a_host_that_is_faster_than_the_clock_of_the_log_runs_it(tmp_path: Path) -> None:
    told = story().checks(3, 5, NEW).fetches(3, 5).checks(3, 5)
    assert state_of(tmp_path, told) is State.RUNNING


def test_a_host_with_a_newer_release_is_ahead(tmp_path: Path) -> None:
    assert story().checks(1, 5, "1.10.0").report(tmp_path, PLANNED).states == {State.AHEAD: 2}


def test_a_host_whose_turn_has_not_come_is_waiting(tmp_path: Path) -> None:
    late = Question(RELEASE, Schedule((Wave(0, BEGIN + 100 * HOUR),)))
    assert state_of(tmp_path, story().checks(1, 5), late) is State.WAITING


def test_a_host_that_has_not_asked_since_its_turn_is_absent(tmp_path: Path) -> None:
    assert state_of(tmp_path, story().checks(1, 1500)) is State.ABSENT


def test_a_host_that_asks_and_fetches_nothing_is_due(tmp_path: Path) -> None:
    assert state_of(tmp_path, story().checks(60, 5)) is State.DUE


def test_a_refused_image_is_not_fetched(tmp_path: Path) -> None:
    assert state_of(tmp_path, story().checks(60, 5).fetches(60, 5, status=404)) is State.DUE


def test_an_image_of_another_release_does_not_count(tmp_path: Path) -> None:
    assert state_of(tmp_path, story().checks(60, 5).fetches(60, 5, "1.0.5")) is State.DUE


def test_a_host_that_fetched_a_short_while_ago_is_on_the_way(tmp_path: Path) -> None:
    assert state_of(tmp_path, story().checks(60, 5).fetches(60, 5)) is State.ON_THE_WAY


def test_a_host_that_was_never_heard_again_is_silent(tmp_path: Path) -> None:
    assert state_of(tmp_path, story().checks(1, 5).fetches(2, 5)) is State.SILENT


def test_a_host_that_goes_on_with_the_old_release_is_unchanged(tmp_path: Path) -> None:
    assert state_of(tmp_path, story().fetches(2, 5).checks(3, 5)) is State.UNCHANGED


def test_a_host_that_only_fetches_again_and_again_is_unchanged(tmp_path: Path) -> None:
    told = story()
    for hour in range(2, END, 6):
        told.checks(hour, 5).fetches(hour, 5)
    assert state_of(tmp_path, told) is State.UNCHANGED


def test_a_host_that_went_back_is_rolled_back(tmp_path: Path) -> None:
    told = story().fetches(2, 5).checks(3, 5, NEW).checks(9, 5, OLD)
    assert state_of(tmp_path, told) is State.ROLLED_BACK


def test_the_span_after_which_a_host_is_lost_can_be_said(tmp_path: Path) -> None:
    patient = Question(RELEASE, PLAN, grace=timedelta(days=30))
    assert state_of(tmp_path, story().fetches(2, 5), patient) is State.ON_THE_WAY


def test_lost_hosts_are_listed_with_what_is_known_of_them(tmp_path: Path) -> None:
    (lost,) = story().checks(1, 5).fetches(2, 5).report(tmp_path, PLANNED).lost
    assert (lost.ip, lost.seed, lost.state, lost.version) == ("192.0.2.1", 5, State.SILENT, OLD)
    assert lost.first_image_at == lost.last_seen == BEGIN + 2 * HOUR
    assert (lost.variant, lost.arch, lost.image_bytes) == ("edge", "x86_64", 1000)


@pytest.mark.parametrize(("by", "hosts"), [(HostBy.BOTH, 3), (HostBy.SEED, 2), (HostBy.IP, 2)])
def test_hosts_are_told_apart_as_asked(tmp_path: Path, by: HostBy, hosts: int) -> None:
    told = Story().checks(1, 5, ip="192.0.2.1").checks(1, 5, ip="192.0.2.2")
    told.checks(1, 6, ip="192.0.2.2")
    assert told.report(tmp_path, Question(RELEASE, by=by)).hosts == hosts


def test_only_hosts_of_the_variant_are_counted(tmp_path: Path) -> None:
    told = Story().checks(1, 5).checks(1, 6, variant="lab")
    report = told.report(tmp_path, Question(RELEASE, variant="lab"))
    assert [(each.version, each.variant, each.hosts) for each in report.versions] == [
        (OLD, "lab", 1)
    ]


def test_waves_are_compared_with_the_plan(tmp_path: Path) -> None:
    told = story()
    told.checks(1, 5).fetches(13, 5).checks(20, 5, NEW)
    told.checks(1, 1023).fetches(2, 1023)  # before its turn, and never heard again
    told.checks(60, 1500)
    first, second = told.report(tmp_path, PLANNED).waves
    assert (first.hosts, first.due, first.fetched) == (2, 2, 2)
    assert (first.updated, first.lost, first.early) == (1, 1, 1)
    assert first.first_ready == PLAN.ready_at(5).replace(microsecond=0) + timedelta(seconds=1)  # type: ignore[union-attr]
    assert (second.hosts, second.due, second.fetched, second.updated) == (2, 2, 0, 1)


def test_without_a_plan_there_are_no_waves(tmp_path: Path) -> None:
    report = story().checks(1, 5).report(tmp_path, Question(RELEASE))
    assert report.waves == ()
    assert report.states == {State.DUE: 1, State.AHEAD: 1}


def test_a_host_counts_once_a_day_with_its_last_version(tmp_path: Path) -> None:
    told = Story().checks(1, 5).checks(2, 5, NEW).checks(30, 5, NEW)
    days = told.report(tmp_path).days
    assert [(each.day.day, each.version, each.hosts) for each in days] == [(7, NEW, 1), (8, NEW, 1)]


def test_progress_counts_first_times(tmp_path: Path) -> None:
    told = Story().fetches(2, 5).fetches(3, 5).checks(4, 5, NEW).checks(5, 5, NEW)
    events = [(each.event, each.hour) for each in told.report(tmp_path).progress]
    assert events == [("fetched", BEGIN + 2 * HOUR), ("reported", BEGIN + 4 * HOUR)]


def test_traffic_is_that_of_clients(tmp_path: Path) -> None:
    told = Story().checks(0, 5).fetches(0, 5).fetches(0, 5, status=404)
    (hour,) = told.report(tmp_path).traffic
    assert (hour.requests, hour.bytes, hour.image_bytes, hour.refused) == (3, 2009, 2000, 1)


def test_the_release_that_most_hosts_fetch_is_the_one_meant(tmp_path: Path) -> None:
    told = Story().checks(0, 9, "99.0.0").fetches(0, 5, "9.0.0")
    told.fetches(0, 6).fetches(0, 7)
    log = tmp_path / "log"
    log.write_text("\n".join(told.lines))
    with opened(SMALL) as database:
        fill(database, log)
        assert newest_rollout(database) == RELEASE


def test_logs_without_clients_say_what_they_are(tmp_path: Path) -> None:
    told = Story(['192.0.2.1 - - [07/Apr/2031:09:00:01 +0000] "GET / HTTP/1.1" 200 1', "damaged"])
    with pytest.raises(DataError, match=r"None of 2 lines .* 1 could not be read"):
        told.report(tmp_path)
