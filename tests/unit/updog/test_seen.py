from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from tests.fakes.client_world import V2, V3, ClientWorld, held_until, later, release
from tests.fakes.clock import NOW
from updog.health import record
from updog.seen import first_seen
from updog.select import Chosen, Declined, Reason
from updog.update import Wish, check

SOAK = timedelta(hours=48)
PLAIN = Wish()


def soaking(world: ClientWorld, **when: float) -> Chosen | Declined:
    """What a host with a soak chooses, some time after now."""
    env = world.environment(world.settings._replace(soak=SOAK))
    return check(replace(env, now=later(**when)), PLAIN)


def test_the_first_time_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "seen.json"
    assert first_seen(path, [V2], NOW) == {V2: NOW}
    assert first_seen(path, [V2, V3], later(hours=5)) == {V2: NOW, V3: later(hours=5)}


def test_what_is_offered_no_longer_is_forgotten(tmp_path: Path) -> None:
    path = tmp_path / "seen.json"
    first_seen(path, [V2, V3], NOW)
    first_seen(path, [V3], later(hours=1))
    assert first_seen(path, [V2], later(hours=2)) == {V2: later(hours=2)}


def test_a_time_told_by_a_wrong_clock_becomes_now(tmp_path: Path) -> None:
    path = tmp_path / "seen.json"
    first_seen(path, [V2], later(days=900))
    assert first_seen(path, [V2], NOW) == {V2: NOW}


def test_what_cannot_be_read_begins_anew(tmp_path: Path) -> None:
    path = tmp_path / "seen.json"
    for junk in (b"", b"[1]", b'{"x": 1}', b"\xff"):
        path.write_bytes(junk)
        assert first_seen(path, [V2], NOW) == {V2: NOW}


def test_a_folder_that_cannot_be_written_stops_nothing(tmp_path: Path) -> None:
    (tmp_path / "state").write_bytes(b"a file")
    assert first_seen(tmp_path / "state" / "seen.json", [V2], NOW) == {V2: NOW}


def test_an_update_without_waves_soaks_from_when_it_was_first_offered(tmp_path: Path) -> None:
    world = ClientWorld(tmp_path)
    world.offer(release(V2))
    first = soaking(world)
    assert isinstance(first, Declined)
    assert (first.reason, first.ready_at) == (Reason.SOAKING, NOW + SOAK)
    assert isinstance(soaking(world, hours=47), Declined)
    assert isinstance(soaking(world, hours=48), Chosen)


def test_an_update_with_waves_soaks_from_the_first_wave(tmp_path: Path) -> None:
    world = ClientWorld(tmp_path)
    world.offer(release(V2, held_until(later(hours=-40))))
    held = soaking(world)
    assert isinstance(held, Declined)
    assert held.ready_at == later(hours=8)
    assert isinstance(soaking(world, hours=8), Chosen)


def test_the_later_of_wave_and_soak_decides(tmp_path: Path) -> None:
    world = ClientWorld(tmp_path)
    world.offer(release(V2, held_until(later(hours=3))))
    held = soaking(world)
    assert isinstance(held, Declined)
    assert (held.reason, held.ready_at) == (Reason.HELD_BY_WAVE, later(hours=51))


def test_now_passes_the_soak_by(tmp_path: Path) -> None:
    world = ClientWorld(tmp_path)
    world.offer(release(V2))
    env = world.environment(world.settings._replace(soak=SOAK))
    assert isinstance(check(env, Wish(ignore_waves=True)), Chosen)


def test_a_version_that_failed_here_is_not_chosen(tmp_path: Path) -> None:
    world = ClientWorld(tmp_path)
    world.offer(release(V2), release(V3))
    bad = record.Bad(str(V3), "2031-04-07T09:00:00Z", "a check failed")
    record.change(world.paths.health, lambda old: old.noting(bad))
    outcome = check(world.environment(), PLAIN)
    assert isinstance(outcome, Chosen)
    assert outcome.update.version == V2


def test_a_version_that_failed_here_is_not_taken_by_name_either(tmp_path: Path) -> None:
    world = ClientWorld(tmp_path)
    world.offer(release(V2))
    bad = record.Bad(str(V2), "2031-04-07T09:00:00Z", "a check failed")
    record.change(world.paths.health, lambda old: old.noting(bad))
    outcome = check(world.environment(), Wish(image=V2, ignore_waves=True))
    assert isinstance(outcome, Declined)
    assert outcome.reason is Reason.BLOCKED
    assert "updog bad-versions" in outcome.message
