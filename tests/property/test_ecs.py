"""Properties of what the ECS updater decides."""

from __future__ import annotations

import json
import string
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from updog.fleet.budget import Budget
from updog.fleet.ecs.budget import granted
from updog.fleet.ecs.decide import Instance, Resume, Updater, Verdict, must_yield, resume, verdict
from updog.fleet.ecs.hostreport import HostReport, Unreadable, parse
from updog.fleet.ecs.marks import MAX_VALUE, Failure, Mark, Phase
from updog.fleet.ecs.tasks import Move, Patience, Task, TaskPolicy, drain_step
from updog.service.machine import State

pytestmark = pytest.mark.property

quietly = settings(deadline=None)
EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
ALLOWED = set(string.ascii_letters + string.digits + "-_.@/\\: ")

moments = st.integers(0, 10**12).map(lambda ms: EPOCH + timedelta(milliseconds=ms))
versions = st.from_regex(
    r"[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}(-[a-z0-9]{1,9})?(\+[a-z0-9]{1,40})?", fullmatch=True
)
runs = st.from_regex(r"(run-[0-9a-f]{12}|task-[0-9a-f]{32})", fullmatch=True)
phases = st.sampled_from(Phase)
marks = st.builds(
    Mark, runs, phases, moments, moments, versions | st.just(""), versions | st.just("")
)
tasks = st.builds(
    Task,
    st.text("abc", min_size=1, max_size=3),
    st.sampled_from(["", "ecs-svc/1", "me"]),
    st.sampled_from(["PENDING", "RUNNING", "STOPPING", "STOPPED"]),
)


@quietly
@given(marks)
def test_a_claim_survives_being_written_and_fits(mark: Mark) -> None:
    text, found = mark.text(), Mark.parse(mark.text())
    assert len(text) <= MAX_VALUE
    assert set(text) <= ALLOWED
    assert text == text.strip()
    assert found is not None
    assert (found.run, found.phase, found.since, found.renewed) == (
        mark.run,
        mark.phase,
        mark.since,
        mark.renewed,
    )
    assert (found.before, found.expected) in {(mark.before, mark.expected), ("", "")}


@quietly
@given(versions | st.just(""), st.integers(1, 10**6), moments)
def test_a_failure_survives_being_written(version: str, attempts: int, at: datetime) -> None:
    failure = Failure(version, attempts, at)
    assert Failure.parse(failure.text()) == failure


@quietly
@given(st.text(max_size=140))
def test_any_text_is_a_claim_or_none(text: str) -> None:
    found = Mark.parse(text)
    assert found is None or Mark.parse(found.text()) is not None
    assert Failure.parse(text) is None or text.count(" ") == 2


@quietly
@given(st.dictionaries(st.text("ij", min_size=1, max_size=4), marks), st.integers(1, 5))
def test_no_more_claims_are_granted_than_the_limit(claims: dict[str, Mark], limit: int) -> None:
    winners = {name for name in claims if granted(claims, name, limit)}
    assert len(winners) == min(limit, len(claims))
    # Whoever is drained is never displaced by one that has only been claimed.
    drained = {name for name in claims if claims[name].phase is not Phase.CLAIMED}
    assert drained <= winners or winners <= drained


@quietly
@given(st.integers(1, 100), st.integers(1, 10**6))
def test_percent_are_at_least_one_and_never_more_than_all(percent: int, total: int) -> None:
    assert 1 <= Budget(percent=percent).of(total) <= total


@quietly
@given(
    st.lists(
        st.builds(Updater, st.text(min_size=1), moments | st.none()),
        unique_by=lambda each: each.arn,
        min_size=1,
    )
)
def test_exactly_one_of_several_updaters_goes_on(found: list[Updater]) -> None:
    assert sum(not must_yield(each.arn, found) for each in found) == 1


@quietly
@given(st.sampled_from(["ACTIVE", "DRAINING", "INACTIVE"]), marks, st.booleans())
def test_only_what_a_dead_run_drained_is_gone_on_with(status: str, mark: Mark, dead: bool) -> None:  # noqa: FBT001
    found = resume(Instance("a", "i", status), mark, dead=dead)
    if found in {Resume.GO_ON, Resume.VERIFY}:
        assert dead
        assert status == "DRAINING"
        assert mark.phase is not Phase.CLAIMED
    if not dead:
        assert found is Resume.LEAVE


reports = st.none() | st.builds(HostReport, st.sampled_from(State), versions)


@quietly
@given(reports, versions | st.just(""), versions | st.just(""))
def test_nothing_counts_as_updated_that_runs_what_it_ran(
    report: HostReport | None, before: str, expected: str
) -> None:
    found = verdict(report, before, expected)
    if found is Verdict.UPDATED:
        assert report is not None
        assert report.version == expected or not expected
        assert report.version != before or expected == before


@quietly
@given(st.lists(tasks, max_size=6), st.sampled_from(TaskPolicy), st.integers(0, 60))
def test_a_drain_ends_and_stops_only_what_it_may(
    found: list[Task], policy: TaskPolicy, minutes: int
) -> None:
    minute = timedelta(minutes=1)
    patience = Patience(policy, EPOCH + 20 * minute, EPOCH + 10 * minute, EPOCH + 30 * minute)
    step = drain_step(found, patience, EPOCH + minutes * minute)
    assert (step.move is Move.DONE) == (not any(task.runs for task in found))
    assert (step.move is Move.STOP) == bool(step.tasks)
    assert policy is TaskPolicy.STOP or not step.tasks
    assert not any(task.of_service or not task.runs for task in step.tasks)
    if minutes >= 30:
        assert step.move in {Move.DONE, Move.GIVE_UP}
    if step.move is Move.GIVE_UP:
        assert step.why


@quietly
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    ["update_state", "active_partition", "image", "version", "chosen_update"]
                ),
                inner | st.sampled_from([*State]),
                max_size=5,
            )
        ),
        max_leaves=12,
    )
)
def test_any_json_is_a_report_or_unreadable(tree: object) -> None:
    try:
        report = parse(json.dumps(tree))
    except Unreadable:
        return
    assert isinstance(report.version, str)
    assert isinstance(report.expected, str)
