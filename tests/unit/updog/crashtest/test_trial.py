from __future__ import annotations

import pytest

from partitions.bootflags import BootFlags
from partitions.errors import NoInactiveSet, TransitionRefused
from partitions.layout import Slot
from tests.fakes.gpt_disk import SINGLE_SET_TYPES
from tests.fakes.tiny_stand import tiny_bytes, tiny_stand
from updog.crashtest.flags import OPERATIONS
from updog.crashtest.scenarios import play, scenarios
from updog.crashtest.trial import Trial
from updog.crashtest.writelog import Note
from updog.errors import InternalError

FAST = ("activate", "mark-successful", "rollback", "revert")


@pytest.mark.parametrize("operation", FAST)
def test_an_operation_on_boot_bits_is_explored_completely(operation: str) -> None:
    proof = Trial(tiny_stand(), scenarios([operation]), (512,)).run()
    assert proof.holds, proof.counterexample
    row, _killed = proof.rows
    assert row.complete == row.moments == 3


def test_every_step_of_an_update_stands_in_the_log() -> None:
    case = play(tiny_stand(), scenarios(["update"])[0])
    assert [event.text for event in case.log if isinstance(event, Note)] == [
        "begin",
        "clear the bits of the other set",
        "write the images",
        "mark the other set valid",
        "after the set was marked valid",
        "choose the other set for the next boot",
    ]


def test_the_disk_under_trial_stays_as_it_was() -> None:
    stand = tiny_stand()
    before = stand.contents.read(0, stand.contents.size)
    Trial(stand, scenarios(["revert"]), (512,)).run()
    assert stand.contents.read(0, stand.contents.size) == before


def test_two_runs_give_the_same_proof() -> None:
    trials = [Trial(tiny_stand(), scenarios(["rollback"])).run() for _ in range(2)]
    assert trials[0] == trials[1]


def test_several_tries_are_no_promise_broken() -> None:
    proof = Trial(tiny_stand(tries=3), scenarios(["mark-successful"]), (512,)).run()
    assert proof.holds, proof.counterexample


def test_the_running_set_can_be_given() -> None:
    boot = {Slot.A: BootFlags(2, 0, successful=True), Slot.B: BootFlags(1, 0, successful=True)}
    stand = tiny_stand(tiny_bytes(boot), active=Slot.B)
    assert play(stand, scenarios(["update"])[0]).running is Slot.B


def test_a_disk_on_which_nothing_boots_is_refused() -> None:
    stand = tiny_stand(tiny_bytes({Slot.A: BootFlags(), Slot.B: BootFlags()}))
    with pytest.raises(InternalError, match="finds no set"):
        play(stand, scenarios(["activate"])[0])


def test_a_disk_with_one_set_is_refused() -> None:
    stand = tiny_stand(tiny_bytes(types=SINGLE_SET_TYPES))
    with pytest.raises(NoInactiveSet):
        Trial(stand, scenarios(OPERATIONS), (512,)).run()


def test_a_refused_operation_is_not_taken_for_a_proof() -> None:
    with pytest.raises(TransitionRefused):
        Trial(tiny_stand(tries=16), scenarios(["update"])).run()
