from __future__ import annotations

from dataclasses import replace

from partitions.bootflags import BootFlags
from partitions.layout import Slot
from tests.fakes.tiny_stand import overlay, tiny_bytes, tiny_stand
from updog.crashtest.doubt import Fineness
from updog.crashtest.oracle import look
from updog.crashtest.overlay import Overlay
from updog.crashtest.prove import Outcome, Thoroughness
from updog.crashtest.recorder import quiet_disk
from updog.crashtest.recovery import Recovery
from updog.crashtest.scenarios import play, scenarios

CASE = play(tiny_stand(), scenarios(["activate"])[0])
RECOVERY = Recovery(Thoroughness(Fineness(512)))


def recovered(left: Overlay) -> Outcome:
    return RECOVERY(CASE, left, look(quiet_disk(CASE.path, left)))


def test_a_sound_disk_ends_in_a_clean_state() -> None:
    outcome = recovered(CASE.after)
    assert outcome.problem == ""
    assert outcome.states > 50


def test_the_disk_that_was_left_stays_as_it_was() -> None:
    before = CASE.after.read(0, CASE.after.size)
    recovered(CASE.after)
    assert CASE.after.read(0, CASE.after.size) == before


def test_a_disk_with_a_damaged_backup_ends_in_a_clean_state() -> None:
    left = CASE.after.fork()
    left.write(left.size - 400, b"damage")
    assert recovered(left).problem == ""


def test_a_disk_on_which_nothing_boots_is_lost() -> None:
    nothing = tiny_bytes({Slot.A: BootFlags(), Slot.B: BootFlags()})
    assert "finds no set" in recovered(overlay(nothing)).problem


def test_a_bootloader_that_boots_another_set_than_it_should_is_noticed() -> None:
    view = look(quiet_disk(CASE.path, CASE.after))
    assert view.picked is Slot.B
    other = replace(view, boots=((Slot.A, 0),))
    assert RECOVERY(CASE, CASE.after, other).problem.startswith("set B was booted, not A")


def test_a_disk_that_cannot_be_written_to_is_lost() -> None:
    """A GPT whose backup has no place: every write of boot bits is refused."""
    cut = tiny_bytes()[: -512 * 8]
    outcome = recovered(overlay(cut))
    assert outcome.problem.startswith("the next run fails: the backup partition table")
