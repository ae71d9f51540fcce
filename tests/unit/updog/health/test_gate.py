from __future__ import annotations

from itertools import product
from pathlib import Path

import pytest

from partitions.layout import Slot
from tests.fakes.client_world import V1, V2, V3, release
from tests.fakes.rebooting import RebootingHost
from updog.health import gate, record
from updog.health.verdict import Arrival, Fate
from updog.settings import OnFailure


@pytest.fixture
def host(tmp_path: Path) -> RebootingHost:
    return RebootingHost(tmp_path)


def set_to(good: Path, *, passing: bool) -> None:
    if passing:
        good.touch()
    else:
        good.unlink(missing_ok=True)


CHECKS = list(product([True, False], repeat=3))


@pytest.mark.parametrize(("before", "after", "boots"), CHECKS)
def test_matrix_of_a_required_check(
    host: RebootingHost, *, before: bool, after: bool, boots: bool
) -> None:
    good = host.check("net")
    set_to(good, passing=before)
    assert host.update() == V2
    if not boots:
        host.stillborn.add(V2)
    set_to(good, passing=after)
    host.reboot()
    verdict = host.judge()
    worse = before and not after
    if not boots:
        # The old set runs and was confirmed long ago; the update alone is to blame.
        assert (host.slot, verdict.fate, host.bad) == (Slot.A, Fate.CONFIRM, ["1.1.0"])
        assert host.restarts == 0
    elif worse:
        assert (host.slot, verdict.fate, host.bad) == (Slot.A, Fate.ROLL_BACK, ["1.1.0"])
        assert host.restarts == 1
    else:
        assert (host.slot, verdict.fate, host.bad) == (Slot.B, Fate.CONFIRM, [])
        assert host.restarts == 0
    assert host.confirmed
    # Whatever happened, the same version is never tried a second time.
    assert host.update() is None


@pytest.mark.parametrize(("before", "after"), list(product([True, False], repeat=2)))
def test_a_wanted_check_never_decides(host: RebootingHost, *, before: bool, after: bool) -> None:
    good = host.check("printer", kind="wanted")
    set_to(good, passing=before)
    host.update()
    set_to(good, passing=after)
    host.reboot()
    verdict = host.judge()
    assert (verdict.fate, host.slot, host.bad) == (Fate.CONFIRM, Slot.B, [])
    assert len(verdict.judged.wanted) == (not after)


def test_one_check_that_got_worse_decides_over_all_that_did_not(host: RebootingHost) -> None:
    host.check("good")
    set_to(host.check("always-bad"), passing=False)
    broken = host.check("broken")
    host.update()
    set_to(broken, passing=False)
    host.reboot()
    verdict = host.judge()
    assert [each.name for each in verdict.judged.worse] == ["required/broken"]
    assert [each.name for each in verdict.judged.as_before] == ["required/always-bad"]
    assert verdict.fate is Fate.ROLL_BACK


def test_a_check_that_came_with_the_update_is_believed(host: RebootingHost) -> None:
    host.update()
    set_to(host.check("new"), passing=False)
    host.reboot()
    assert host.judge().fate is Fate.ROLL_BACK


def test_without_checks_a_boot_is_confirmed(host: RebootingHost) -> None:
    host.update()
    host.reboot()
    assert host.judge().fate is Fate.CONFIRM
    assert host.confirmed
    assert host.record.pending is None


def test_unmarked_leaves_the_set_and_notes_the_version(host: RebootingHost) -> None:
    host.health = host.health._replace(on_failure=OnFailure.UNMARKED)
    good = host.check("net")
    host.update()
    set_to(good, passing=False)
    host.reboot()
    verdict = host.judge()
    assert (verdict.fate, host.slot, host.confirmed) == (Fate.LEAVE, Slot.B, False)
    assert host.bad == ["1.1.0"]
    host.reboot()
    assert host.slot is Slot.A  # its one try is spent


def test_what_is_mended_can_be_confirmed_after_all(host: RebootingHost) -> None:
    host.health = host.health._replace(on_failure=OnFailure.UNMARKED)
    good = host.check("net")
    host.update()
    set_to(good, passing=False)
    host.reboot()
    host.judge()
    set_to(good, passing=True)
    assert host.judge().fate is Fate.CONFIRM
    assert (host.confirmed, host.bad) == (True, [])


def test_skipping_the_checks_confirms(host: RebootingHost) -> None:
    good = host.check("net")
    host.update()
    set_to(good, passing=False)
    host.reboot()
    assert gate.judge_boot(host.machine, skip=True).fate is Fate.CONFIRM
    assert host.confirmed


def test_a_newer_version_is_taken_after_a_bad_one(host: RebootingHost) -> None:
    good = host.check("net")
    host.update()
    set_to(good, passing=False)
    host.reboot()
    host.judge()
    set_to(good, passing=True)
    host.client.offer(release(V2), release(V3), migrations={(V1, V2): (), (V1, V3): ()})
    assert host.update() == V3
    host.reboot()
    assert host.judge().fate is Fate.CONFIRM
    assert (host.version, host.bad, host.record.rollbacks) == (V3, ["1.1.0"], 0)


def test_cleared_by_an_operator_it_is_taken_again(host: RebootingHost) -> None:
    good = host.check("net")
    host.update()
    set_to(good, passing=False)
    host.reboot()
    host.judge()
    record.change(host.settings.paths.health, lambda old: old.clearing("1.1.0"))
    assert host.update() == V2


def test_restarts_in_a_row_are_bounded_over_many_updates(host: RebootingHost) -> None:
    host.health = host.health._replace(max_rollbacks=2)
    good = host.check("net")
    for number in range(5):
        newer = V2.parse(f"1.1.{number}")
        host.client.offer(release(newer), migrations={(V1, newer): ()})
        set_to(good, passing=True)
        host.update()
        set_to(good, passing=False)
        host.reboot()
        last = host.judge()
        if host.slot is Slot.B:
            host.reboot()  # somebody resets it; its try is spent
    assert host.restarts == 2
    assert last.fate is Fate.LEAVE
    assert "max_rollbacks" in last.why


def test_a_set_that_was_given_up_is_not_gone_back_to(host: RebootingHost) -> None:
    """Also where nothing is confirmed and every check fails, the machine does not go in circles."""
    good = host.check("net")
    host.update()
    set_to(good, passing=False)
    host.reboot()
    record.change(host.settings.paths.health, lambda old: old._replace(given_up=("A",)))
    verdict = host.judge()
    assert (verdict.fate, host.restarts) == (Fate.LEAVE, 0)
    assert "no other set" in verdict.why


def test_a_power_cut_between_the_note_and_the_boot_bits_loses_nothing(host: RebootingHost) -> None:
    good = host.check("net")
    host.update()
    set_to(good, passing=False)
    host.reboot()

    class Cut(Exception):
        """The power is gone."""

    class Cutting(type(host.control)):  # type: ignore[misc]
        def rollback(self) -> None:
            raise Cut

    machine = host.machine._replace(control=Cutting(host.control.located, host.control.open_device))
    with pytest.raises(Cut):
        gate.judge_boot(machine)
    assert host.bad == ["1.1.0"]
    host.reboot()
    host.judge()
    assert (host.slot, host.bad) == (Slot.A, ["1.1.0"])
    assert host.update() is None


def test_what_cannot_be_noted_is_not_rolled_back(host: RebootingHost) -> None:
    good = host.check("net")
    host.update()
    set_to(good, passing=False)
    host.reboot()
    state = host.settings.paths.health
    (state.parent / f".{state.name}.new").mkdir()  # the place of the draft is taken
    verdict = host.judge()
    assert (verdict.fate, host.restarts) == (Fate.LEAVE, 0)
    assert "cannot be remembered" in verdict.why


def test_hooks_are_told_the_verdict(host: RebootingHost) -> None:
    good = host.check("net")
    said = host.home / "said"
    host.program("before", "10", f"echo before $UPDOG_SLOT $UPDOG_VERSION >> {said}")
    host.program("after", "10", f"echo after $UPDOG_VERDICT >> {said}")
    host.program("after", "20-fails", "exit 1")
    host.update()
    set_to(good, passing=False)
    host.reboot()
    host.judge()
    assert said.read_text() == "before B 1.1.0\nafter roll-back\n"


def test_a_restart_that_did_not_happen_is_no_verdict(host: RebootingHost) -> None:
    host.update()
    assert host.arrive() is Arrival.NOT_YET
    assert host.bad == []


def test_what_was_taken_back_is_not_blamed(host: RebootingHost) -> None:
    host.update()
    host.control.cancel()
    host.reboot()
    assert host.arrive() is Arrival.TAKEN_BACK
    assert (host.slot, host.bad, host.record.pending) == (Slot.A, [], None)


def test_several_tries_are_all_used_before_it_is_blamed(host: RebootingHost) -> None:
    host.stage()
    host.control.mark_inactive_valid(3)
    host.activate()
    host.reboot()
    assert host.arrive() is Arrival.HERE
    host.stillborn.add(V2)
    host.reboot()
    assert host.arrive() is Arrival.DID_NOT_BOOT
    assert host.bad == ["1.1.0"]


def test_everything_works_without_a_network_and_with_expired_metadata(host: RebootingHost) -> None:
    good = host.check("net")
    host.update()
    set_to(good, passing=False)
    host.client.repo.files.clear()
    host.reboot()
    assert host.judge().fate is Fate.ROLL_BACK
    assert host.slot is Slot.A
