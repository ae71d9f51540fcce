from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from repo_tools import edits
from repo_tools.rollout.change import Action, Change, Which, change_waves, halt, is_halted
from repo_tools.rollout.groups import groups
from updog.errors import UsageError
from updog.manifest import Images, Manifest, Update, dump, parse
from updog.select import Chosen, Declined, Host, Policy, Reason, choose
from updog.version import Version
from waves.errors import WaveError
from waves.schedule import Schedule, Wave

NOW = datetime(2031, 4, 7, 9, tzinfo=UTC)
WAVES = Schedule((Wave(0, NOW - timedelta(days=1)), Wave(1024, NOW + timedelta(days=1))))
WHICH = Which("edge", "x86_64", Version.parse("1.1.0"))


def _v(text: str) -> Version:
    return Version.parse(text)


def _update(version: str, schedule: Schedule = WAVES, arch: str = "x86_64") -> Update:
    images = Images(f"boot-{version}", f"root-{version}", f"hash-{version}")
    return Update("edge", arch, _v(version), _v("1.1.0"), schedule, images)


MANIFEST = Manifest(
    (_update("1.0.0", Schedule()), _update("1.1.0"), _update("1.1.0", arch="aarch64")),
    {(_v("1.0.0"), _v("1.1.0")): ()},
)


def _asked(manifest: Manifest, running: str, seed: int = 0) -> str:
    host = Host("edge", "x86_64", _v(running), seed)
    outcome = choose(manifest, host, Policy(), NOW)
    return str(outcome.update.version) if isinstance(outcome, Chosen) else str(outcome.reason)


def _groups(change: Change) -> dict[str, str]:
    return {group.name: group.what for group in groups(change)}


def test_a_change_touches_one_update_only() -> None:
    change = change_waves(MANIFEST, WHICH, Action.PAUSE, NOW)
    assert change.new.updates[0] is MANIFEST.updates[0]
    assert change.new.updates[2] is MANIFEST.updates[2]
    assert change.new.updates[1] == replace(change.before, schedule=change.after.schedule)


def test_a_paused_manifest_is_written_and_read_as_it_is() -> None:
    change = change_waves(MANIFEST, WHICH, Action.PAUSE, NOW)
    assert parse(dump(change.new)) == change.new
    again = change_waves(parse(dump(change.new)), WHICH, Action.RESUME, NOW)
    assert again.new == MANIFEST


def test_a_pause_keeps_hosts_whose_turn_comes_later() -> None:
    seed = 800
    manifest = change_waves(MANIFEST, WHICH, Action.PAUSE, NOW).new
    for days in (0, 1, 1000):
        host = Host("edge", "x86_64", _v("1.0.0"), seed)
        outcome = choose(manifest, host, Policy(), NOW + timedelta(days=days))
        assert isinstance(outcome, Declined)
        assert outcome.reason is Reason.HELD_BY_WAVE


def test_after_a_halt_no_host_takes_it_and_none_moves_down() -> None:
    manifest = halt(MANIFEST, WHICH, NOW).new
    assert _asked(MANIFEST, "1.0.0") == "1.1.0"
    assert _asked(manifest, "1.0.0") == "above-max"
    assert _asked(MANIFEST, "1.1.0") == "up-to-date"
    assert _asked(manifest, "1.1.0") == "above-max"


def test_the_cap_is_the_version_below() -> None:
    assert str(halt(MANIFEST, WHICH, NOW).after.max_version) == "1.0.0"


def test_the_cap_may_come_from_migrations_or_be_the_lowest_there_is() -> None:
    alone = Manifest((_update("1.1.0"),), MANIFEST.migrations)
    assert str(halt(alone, WHICH, NOW).after.max_version) == "1.0.0"
    assert str(halt(replace(alone, migrations={}), WHICH, NOW).after.max_version) == "0.0.0"


def test_a_cap_that_caps_nothing_is_refused() -> None:
    with pytest.raises(UsageError, match="does not halt"):
        halt(MANIFEST, WHICH, NOW, _v("1.1.0"))


def test_what_is_halted_cannot_be_halted_again() -> None:
    halted = halt(MANIFEST, WHICH, NOW)
    assert is_halted(halted.after)
    with pytest.raises(UsageError, match="halted already"):
        halt(halted.new, WHICH, NOW)


def test_the_maximum_of_all_lets_a_halted_release_go_on() -> None:
    again = edits.set_max_version(halt(MANIFEST, WHICH, NOW).new, _v("1.1.0"))
    assert again == MANIFEST


def test_every_group_is_told_what_becomes_of_it() -> None:
    for change in (halt(MANIFEST, WHICH, NOW), change_waves(MANIFEST, WHICH, Action.PAUSE, NOW)):
        names = ["waiting", "downloading", "staged", "activated", "running"]
        assert list(_groups(change)) == names


def test_after_a_halt_hosts_are_told_to_stay() -> None:
    told = _groups(halt(MANIFEST, WHICH, NOW))
    assert "stays on what it runs" in told["waiting"]
    assert "stays on 1.1.0" in told["running"]


def test_a_recall_under_way_is_told() -> None:
    capped = replace(MANIFEST.updates[0], max_version=_v("1.0.0"))
    manifest = replace(MANIFEST, updates=(capped, *MANIFEST.updates[1:]))
    told = _groups(halt(manifest, WHICH, NOW))
    assert "moves down to 1.0.0" in told["running"]


def test_an_older_release_that_remains_open_is_told() -> None:
    older = replace(_update("0.9.0", Schedule()), max_version=_v("1.1.0"))
    manifest = replace(MANIFEST, updates=(older, *MANIFEST.updates))
    assert "may take 1.0.0 instead" in _groups(halt(manifest, WHICH, NOW))["waiting"]


def test_other_changes_stop_nobody() -> None:
    paused = change_waves(MANIFEST, WHICH, Action.PAUSE, NOW).new
    assert groups(change_waves(paused, WHICH, Action.RESUME, NOW)) == ()


@pytest.mark.parametrize("action", [Action.PAUSE, Action.RESUME])
def test_a_release_that_is_not_there_is_an_error(action: Action) -> None:
    with pytest.raises(UsageError, match=r"no update for edge x86_64 2\.0\.0"):
        change_waves(MANIFEST, replace(WHICH, version=_v("2.0.0")), action, NOW)


def test_an_error_of_the_waves_names_the_release() -> None:
    with pytest.raises(WaveError, match=r"edge x86_64 1\.1\.0: the rollout is not paused"):
        change_waves(MANIFEST, WHICH, Action.RESUME, NOW)
