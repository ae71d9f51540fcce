from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from updog.manifest import Images, Manifest, Update, parse
from updog.select import (
    Chosen,
    Declined,
    Host,
    Policy,
    Reason,
    applicable,
    choose,
    explain,
)
from updog.version import Version
from waves.schedule import Schedule, Wave

FIXTURES = Path(__file__).resolve().parents[3] / "fixtures" / "manifests"
NOW = datetime(2031, 4, 7, 9, tzinfo=UTC)
HOUR = timedelta(hours=1)
LATEST = Policy()


def _v(text: str) -> Version:
    return Version.parse(text)


def _update(version: str, max_version: str = "9.0.0", *, opens_in: int | None = None) -> Update:
    """An update for `HOST`; ``opens_in``: hours until it is open to everybody."""
    waves = () if opens_in is None else (Wave(0, NOW + opens_in * HOUR),)
    images = Images(f"boot-{version}", f"root-{version}", f"hash-{version}")
    return Update("edge", "x86_64", _v(version), _v(max_version), Schedule(waves), images)


def _manifest(*updates: Update) -> Manifest:
    return Manifest(updates)


def _host(version: str, *, seed: int = 0) -> Host:
    return Host("edge", "x86_64", _v(version), seed)


def _chosen(manifest: Manifest, host: Host, policy: Policy = LATEST) -> str:
    outcome = choose(manifest, host, policy, NOW)
    assert isinstance(outcome, Chosen)
    return str(outcome.update.version)


def _declined(manifest: Manifest, host: Host, policy: Policy = LATEST) -> Declined:
    outcome = choose(manifest, host, policy, NOW)
    assert isinstance(outcome, Declined)
    return outcome


def _fixture(name: str) -> Manifest:
    return parse((FIXTURES / f"{name}.json").read_bytes())


# What Bottlerocket's own manifests must give.


@pytest.mark.parametrize("arch", ["x86_64", "aarch64"])
@pytest.mark.parametrize(("forced", "expected"), [(None, "1.15.0"), ("1.13.0", "1.13.0")])
def test_several_updates_give_the_highest_or_the_forced_one(
    arch: str, forced: str | None, expected: str
) -> None:
    host = Host("bottlerocket-aws-eks", arch, _v("1.10.0"), 123)
    policy = Policy(forced=_v(forced) if forced else None)
    assert _chosen(_fixture(f"multiple_{arch}"), host, policy) == expected


def test_an_update_over_its_maximum_is_never_offered() -> None:
    host = Host("bottlerocket-aws-eks", "x86_64", _v("1.18.0"), 123)
    declined = _declined(_fixture("regret"), host)
    assert declined.reason is Reason.ABOVE_MAX
    assert declined.message == "1.25.0 is above the maximum version 1.20.0"


@pytest.mark.parametrize("arch", ["x86_64", "aarch64"])
def test_a_host_over_the_maximum_moves_down(arch: str) -> None:
    host = Host("aws-k8s-1.15", arch, _v("0.1.3"), 1487)
    assert _chosen(_fixture(f"example_3_{arch}"), host) == "0.1.2"


# The latest.


def test_the_highest_version_is_chosen_whatever_the_order_of_the_file() -> None:
    manifest = _manifest(_update("1.2.0"), _update("1.10.0"), _update("1.9.0"))
    assert _chosen(manifest, _host("1.0.0")) == "1.10.0"


def test_of_two_equal_versions_the_first_of_the_file_is_chosen() -> None:
    first, second = _update("1.1.0"), replace(_update("1.1.0"), images=Images("x", "y", "z"))
    assert choose(_manifest(first, second), _host("1.0.0"), LATEST, NOW) == Chosen(first)


@pytest.mark.parametrize("running", ["1.1.0", "1.2.0"])
def test_a_host_that_runs_the_highest_or_more_is_up_to_date(running: str) -> None:
    declined = _declined(_manifest(_update("1.1.0")), _host(running))
    text = f"{running} is running and the repository has nothing newer for edge on x86_64"
    assert declined == Declined(Reason.UP_TO_DATE, text)


def test_a_host_at_the_maximum_is_not_moved() -> None:
    declined = _declined(_manifest(_update("1.1.0", "1.2.0")), _host("1.2.0"))
    assert declined.reason is Reason.UP_TO_DATE


def test_a_recalled_release_sends_its_hosts_to_the_highest_that_is_allowed() -> None:
    manifest = _manifest(
        _update("1.2.0", "1.1.0"), _update("1.1.0", "1.1.0"), _update("1.0.0", "1.1.0")
    )
    assert _chosen(manifest, _host("1.2.0")) == "1.1.0"


def test_a_recall_waits_for_the_waves_of_the_release_below() -> None:
    manifest = _manifest(_update("1.2.0", "1.1.0"), _update("1.1.0", "1.1.0", opens_in=2))
    declined = _declined(manifest, _host("1.2.0"))
    assert (declined.reason, declined.ready_at) == (Reason.HELD_BY_WAVE, NOW + 2 * HOUR)


def test_build_metadata_alone_makes_an_update_newer() -> None:
    assert _chosen(_manifest(_update("1.0.0+b")), _host("1.0.0+a")) == "1.0.0+b"


@pytest.mark.parametrize("other", [{"variant": "core"}, {"arch": "aarch64"}, {"variant": "Edge"}])
def test_updates_for_other_systems_do_not_count(other: dict[str, str]) -> None:
    manifest = _manifest(replace(_update("1.1.0"), **other))  # type: ignore[arg-type]
    declined = _declined(manifest, _host("1.0.0"))
    assert declined.reason is Reason.NO_UPDATE_FOR_VARIANT_ARCH
    assert declined.message == "the repository has no update for edge on x86_64"
    assert declined.candidate is None


def test_an_empty_manifest_has_no_update_for_anybody() -> None:
    assert _declined(_manifest(), _host("1.0.0")).reason is Reason.NO_UPDATE_FOR_VARIANT_ARCH


# Waves.


def test_a_host_whose_turn_has_not_come_is_told_when_it_comes() -> None:
    update = _update("1.1.0", opens_in=3)
    declined = _declined(_manifest(update), _host("1.0.0", seed=7))
    assert declined == Declined(
        Reason.HELD_BY_WAVE,
        "1.1.0 is held back by its waves until 2031-04-07T12:00:00Z (seed 7)",
        NOW + 3 * HOUR,
        update,
    )


def test_a_lower_update_that_is_open_is_taken_while_a_higher_one_is_held() -> None:
    manifest = _manifest(_update("1.2.0", opens_in=1), _update("1.1.0", opens_in=0))
    assert _chosen(manifest, _host("1.0.0")) == "1.1.0"


def test_of_several_held_updates_the_best_one_says_when() -> None:
    manifest = _manifest(_update("1.1.0", opens_in=1), _update("1.2.0", opens_in=5))
    assert _declined(manifest, _host("1.0.0")).ready_at == NOW + 5 * HOUR


def test_waves_can_be_ignored() -> None:
    manifest = _manifest(_update("1.1.0", opens_in=3))
    assert _chosen(manifest, _host("1.0.0"), Policy(ignore_waves=True)) == "1.1.0"


def test_the_seed_decides_the_moment() -> None:
    schedule = Schedule((Wave(0, NOW - HOUR), Wave(2048, NOW + HOUR)))
    manifest = _manifest(replace(_update("1.1.0"), schedule=schedule))
    assert _chosen(manifest, _host("1.0.0", seed=1024)) == "1.1.0"
    assert _declined(manifest, _host("1.0.0", seed=1025)).reason is Reason.HELD_BY_WAVE


# --image.


@pytest.mark.parametrize("running", ["1.1.0", "1.5.0"])
def test_a_forced_version_is_installed_even_if_it_is_not_newer(running: str) -> None:
    manifest = _manifest(_update("1.1.0"), _update("1.2.0"))
    assert _chosen(manifest, _host(running), Policy(forced=_v("1.1.0"))) == "1.1.0"


def test_a_forced_version_bypasses_the_lock() -> None:
    manifest = _manifest(_update("1.1.0"), _update("1.2.0"))
    policy = Policy(version_lock=_v("1.2.0"), forced=_v("1.1.0"))
    assert _chosen(manifest, _host("1.2.0"), policy) == "1.1.0"


@pytest.mark.parametrize(
    ("update", "policy", "reason"),
    [
        (replace(_update("1.1.0"), variant="core"), LATEST, Reason.NO_UPDATE_FOR_VARIANT_ARCH),
        (_update("1.1.0", "1.0.0"), LATEST, Reason.ABOVE_MAX),
        (_update("1.1.0", opens_in=1), LATEST, Reason.HELD_BY_WAVE),
        (_update("1.1.0"), Policy(blocked=frozenset({_v("1.1.0")})), Reason.BLOCKED),
        (_update("1.1.1"), LATEST, Reason.NOT_IN_REPOSITORY),
    ],
)
def test_a_forced_version_bypasses_nothing_else(
    update: Update, policy: Policy, reason: Reason
) -> None:
    forced = replace(policy, forced=_v("1.1.0"))
    assert _declined(_manifest(update), _host("1.0.0"), forced).reason is reason


def test_a_forced_version_that_is_missing_is_named() -> None:
    declined = _declined(_manifest(_update("1.1.0")), _host("1.0.0"), Policy(forced=_v("1.3.0")))
    assert declined.message == "the repository has no 1.3.0 for edge on x86_64; it has 1.1.0"


def test_only_versions_for_this_kind_of_host_are_told_and_not_too_many() -> None:
    others = replace(_update("9.0.0"), variant="other")
    manifest = _manifest(others, *(_update(f"1.{minor}.0") for minor in range(12)))
    declined = _declined(manifest, _host("1.0.0"), Policy(forced=_v("3.0.0")))
    assert declined.message.endswith(
        "it has 1.11.0, 1.10.0, "
        + ", ".join(f"1.{minor}.0" for minor in range(9, 1, -1))
        + " and 2 older ones"
    )


# The lock.


@pytest.mark.parametrize("running", ["1.0.0", "1.9.0"])
def test_a_lock_moves_a_host_up_or_down_to_its_version(running: str) -> None:
    manifest = _manifest(_update("1.1.0"), _update("1.2.0"))
    assert _chosen(manifest, _host(running), Policy(version_lock=_v("1.1.0"))) == "1.1.0"


def test_a_host_that_runs_its_locked_version_hears_what_it_misses() -> None:
    manifest = _manifest(_update("1.1.0"), _update("1.2.0"))
    declined = _declined(manifest, _host("1.1.0"), Policy(version_lock=_v("1.1.0")))
    assert declined.reason is Reason.LOCKED
    assert declined.message == "version_lock keeps this host at 1.1.0; 1.2.0 is available"
    assert declined.candidate == manifest.updates[1]


def test_a_locked_host_that_misses_nothing_is_up_to_date() -> None:
    manifest = _manifest(_update("1.1.0"))
    declined = _declined(manifest, _host("1.1.0"), Policy(version_lock=_v("1.1.0")))
    assert declined.reason is Reason.UP_TO_DATE


def test_a_locked_host_need_not_find_its_version_in_the_repository() -> None:
    policy = Policy(version_lock=_v("1.1.0"))
    assert _declined(_manifest(), _host("1.1.0"), policy).reason is Reason.UP_TO_DATE


def test_a_lock_holds_against_a_recall() -> None:
    manifest = _manifest(_update("1.1.0", "1.1.0"))
    declined = _declined(manifest, _host("1.2.0"), Policy(version_lock=_v("1.2.0")))
    assert declined.reason is Reason.LOCKED


@pytest.mark.parametrize(
    ("update", "reason"),
    [
        (_update("1.2.0"), Reason.NOT_IN_REPOSITORY),
        (_update("1.1.0", "1.0.0"), Reason.ABOVE_MAX),
        (_update("1.1.0", opens_in=1), Reason.HELD_BY_WAVE),
    ],
)
def test_a_lock_bypasses_no_other_rule(update: Update, reason: Reason) -> None:
    policy = Policy(version_lock=_v("1.1.0"))
    assert _declined(_manifest(update), _host("1.0.0"), policy).reason is reason


# Blocked versions.


def test_a_blocked_version_is_passed_over() -> None:
    manifest = _manifest(_update("1.1.0"), _update("1.2.0"))
    policy = Policy(blocked=frozenset({_v("1.2.0")}))
    assert _chosen(manifest, _host("1.0.0"), policy) == "1.1.0"


def test_if_only_a_blocked_version_is_newer_that_is_the_reason() -> None:
    policy = Policy(blocked=frozenset({_v("1.2.0")}))
    declined = _declined(_manifest(_update("1.2.0", opens_in=1)), _host("1.0.0"), policy)
    assert declined.reason is Reason.BLOCKED
    assert declined.message == "1.2.0 is among policy.blocked_versions"
    assert declined.ready_at is None


# All at once.


def test_the_list_of_all_holds_older_versions_too_highest_first() -> None:
    manifest = _manifest(
        _update("1.1.0"),
        _update("1.3.0"),
        _update("1.2.0", opens_in=1),
        _update("1.4.0", "1.3.0"),
        replace(_update("1.5.0"), arch="aarch64"),
    )
    versions = [str(u.version) for u in applicable(manifest, _host("1.2.0"), LATEST, NOW)]
    assert versions == ["1.3.0", "1.1.0"]


def test_the_list_of_all_asks_neither_lock_nor_force() -> None:
    manifest = _manifest(_update("1.1.0"), _update("1.2.0"))
    policy = Policy(version_lock=_v("1.1.0"), forced=_v("1.9.0"))
    assert len(applicable(manifest, _host("1.1.0"), policy, NOW)) == 2


def test_every_update_is_explained_with_everything_against_it() -> None:
    manifest = _manifest(
        _update("1.0.0"),
        _update("1.3.0", "1.2.0", opens_in=1),
        _update("1.2.0"),
        _update("1.1.0"),
    )
    verdicts = explain(manifest, _host("1.0.0"), LATEST, NOW)
    assert [(str(v.update.version), v.accepted, v.reasons) for v in verdicts] == [
        (
            "1.3.0",
            False,
            (
                "1.3.0 is above the maximum version 1.2.0",
                "1.3.0 is held back by its waves until 2031-04-07T10:00:00Z (seed 0)",
            ),
        ),
        ("1.2.0", True, ()),
        ("1.1.0", False, ("1.2.0 is chosen, which is not lower",)),
        ("1.0.0", False, ("not newer than the running 1.0.0",)),
    ]


def test_an_explanation_says_when_each_update_is_ready_even_if_waves_are_ignored() -> None:
    manifest = _manifest(_update("1.2.0", opens_in=5), _update("1.1.0"))
    verdicts = explain(manifest, _host("1.0.0"), Policy(ignore_waves=True), NOW)
    assert [verdict.ready_at for verdict in verdicts] == [NOW + 5 * HOUR, None]


@pytest.mark.parametrize(
    ("policy", "reasons"),
    [
        (Policy(forced=_v("1.9.0")), ("1.9.0 is asked for",)),
        (Policy(version_lock=_v("1.9.0")), ("version_lock is 1.9.0",)),
        (Policy(version_lock=_v("1.1.0")), ("1.1.0 is running",)),
    ],
)
def test_an_unwanted_version_is_explained_by_what_is_wanted(
    policy: Policy, reasons: tuple[str, ...]
) -> None:
    (verdict,) = explain(_manifest(_update("1.1.0")), _host("1.1.0"), policy, NOW)
    assert verdict.reasons == reasons


def test_another_systems_update_is_explained_by_its_name() -> None:
    manifest = _manifest(replace(_update("1.1.0"), arch="aarch64"))
    (verdict,) = explain(manifest, _host("1.0.0"), LATEST, NOW)
    assert verdict.reasons == ("for edge on aarch64",)
