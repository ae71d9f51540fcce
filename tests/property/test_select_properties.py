from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from updog.manifest import Images, Manifest, Update
from updog.select import Chosen, Declined, Host, Policy, Reason, applicable, choose, explain
from updog.version import Version
from waves.schedule import MAX_SEED, Schedule, Wave

pytestmark = pytest.mark.property

START = datetime(2031, 4, 7, 9, tzinfo=UTC)
_VERSIONS = st.integers(0, 4).map(lambda minor: Version(1, minor, 0))
_HOURS = st.integers(0, 48).map(lambda hours: START + timedelta(hours=hours))


@st.composite
def _schedules(draw: st.DrawFn) -> Schedule:
    keys = sorted(draw(st.sets(st.integers(0, MAX_SEED), max_size=3)))
    starts = sorted(draw(st.lists(_HOURS, min_size=len(keys), max_size=len(keys))))
    return Schedule(tuple(Wave(key, start) for key, start in zip(keys, starts, strict=True)))


_UPDATES = st.builds(
    Update,
    variant=st.sampled_from(["edge", "core"]),
    arch=st.sampled_from(["x86_64", "aarch64"]),
    version=_VERSIONS,
    max_version=_VERSIONS,
    schedule=_schedules(),
    images=st.builds(Images, *[st.sampled_from(["a", "b"])] * 3),
)
_MANIFESTS = st.lists(_UPDATES, max_size=6).map(lambda updates: Manifest(tuple(updates)))
_HOSTS = st.builds(
    Host,
    variant=st.sampled_from(["edge", "edge", "edge", "core"]),
    arch=st.just("x86_64"),
    version=_VERSIONS,
    seed=st.integers(0, MAX_SEED - 1),
)
_POLICIES = st.builds(
    Policy,
    version_lock=st.none() | _VERSIONS,
    ignore_waves=st.booleans(),
    forced=st.none() | _VERSIONS,
    blocked=st.frozensets(_VERSIONS, max_size=2),
)
_UNFORCED = st.builds(Policy, blocked=st.frozensets(_VERSIONS, max_size=1))


def _expected(manifest: Manifest, host: Host, policy: Policy, now: datetime) -> Version | None:
    """A plain restatement of formats 4, written apart from the code it judges."""
    able = [
        update
        for update in manifest.updates
        if update.variant == host.variant
        and update.arch == host.arch
        and update.version <= update.max_version
        and update.version not in policy.blocked
        and (policy.ignore_waves or update.schedule.is_ready(host.seed, now))
    ]
    if policy.forced is not None:
        able = [update for update in able if update.version == policy.forced]
    elif policy.version_lock is not None:
        if policy.version_lock == host.version:
            return None
        able = [update for update in able if update.version == policy.version_lock]
    else:
        able = [
            update
            for update in able
            if host.version < update.version or host.version > update.max_version
        ]
    return max((update.version for update in able), default=None)


@given(_MANIFESTS, _HOSTS, _POLICIES, _HOURS)
@settings(max_examples=400)
def test_the_choice_is_that_of_the_format(
    manifest: Manifest, host: Host, policy: Policy, now: datetime
) -> None:
    outcome = choose(manifest, host, policy, now)
    chosen = outcome.update.version if isinstance(outcome, Chosen) else None
    assert chosen == _expected(manifest, host, policy, now)


@given(_MANIFESTS, _HOSTS, _POLICIES, _HOURS)
@settings(max_examples=200)
def test_the_explanation_agrees_with_the_choice(
    manifest: Manifest, host: Host, policy: Policy, now: datetime
) -> None:
    outcome = choose(manifest, host, policy, now)
    verdicts = explain(manifest, host, policy, now)
    accepted = [verdict.update for verdict in verdicts if verdict.accepted]
    assert accepted == ([outcome.update] if isinstance(outcome, Chosen) else [])
    assert len(verdicts) == len(manifest.updates)
    assert all(verdict.accepted == (not verdict.reasons) for verdict in verdicts)


@given(_MANIFESTS, _HOSTS, _POLICIES, _HOURS)
@settings(max_examples=200)
def test_what_is_chosen_is_in_the_list_of_all(
    manifest: Manifest, host: Host, policy: Policy, now: datetime
) -> None:
    outcome = choose(manifest, host, policy, now)
    listed = applicable(manifest, host, policy, now)
    assert isinstance(outcome, Declined) or outcome.update in listed
    versions = [update.version for update in listed]
    assert versions == sorted(versions, reverse=True)


@given(_MANIFESTS, _HOSTS, _POLICIES, _HOURS)
@settings(max_examples=200)
def test_a_moment_is_promised_exactly_when_waves_hold_a_candidate(
    manifest: Manifest, host: Host, policy: Policy, now: datetime
) -> None:
    outcome = choose(manifest, host, policy, now)
    if isinstance(outcome, Declined):
        assert (outcome.ready_at is not None) == (outcome.reason is Reason.HELD_BY_WAVE)
        assert outcome.ready_at is None or outcome.ready_at > now
        assert outcome.message


@given(_MANIFESTS, _HOSTS, _UNFORCED, _HOURS)
@settings(max_examples=200)
def test_a_promise_is_kept(manifest: Manifest, host: Host, policy: Policy, now: datetime) -> None:
    outcome = choose(manifest, host, policy, now)
    if isinstance(outcome, Declined) and outcome.ready_at is not None:
        assert outcome.candidate is not None
        then = choose(manifest, host, policy, outcome.ready_at)
        assert isinstance(then, Chosen)
        assert then.update.version >= outcome.candidate.version


@given(_MANIFESTS, _HOSTS, _HOURS, _HOURS)
def test_waves_never_withdraw_an_update(
    manifest: Manifest, host: Host, one: datetime, other: datetime
) -> None:
    early, late = sorted((one, other))
    policy = Policy()
    assert set(applicable(manifest, host, policy, early)) <= set(
        applicable(manifest, host, policy, late)
    )
