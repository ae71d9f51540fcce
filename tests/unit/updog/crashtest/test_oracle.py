from __future__ import annotations

from dataclasses import replace

import pytest

from partitions.bootflags import BootFlags
from partitions.errors import GptError
from partitions.layout import Slot
from tests.fakes.tiny_stand import PATH, overlay, tiny_bytes
from updog.crashtest.contents import Contents
from updog.crashtest.oracle import Bits, View, judge, look, play_bootloader
from updog.crashtest.recorder import RecordedDisk, quiet_disk

PROVEN = BootFlags(1, 0, successful=True)
ACTIVATED = {Slot.A: PROVEN, Slot.B: BootFlags(2, 2, successful=False)}
WHOLE = (Contents.AFTER, True)
MIXED = (Contents.MIXED, False)
BOTH_WHOLE = {Slot.A: WHOLE, Slot.B: WHOLE}


def disk_of(data: bytes) -> RecordedDisk:
    return quiet_disk(PATH, overlay(data))


def damaged(data: bytes, *places: int) -> bytes:
    changed = bytearray(data)
    for place in places:
        changed[place] ^= 0xFF
    return bytes(changed)


def view(boot: dict[Slot, BootFlags]) -> View:
    return look(disk_of(tiny_bytes(boot)))


def steps(*boots: dict[Slot, BootFlags]) -> frozenset[Bits]:
    found = (view(boot).bits for boot in boots)
    return frozenset(bits for bits in found if bits)


def test_the_bootloader_follows_its_rule_to_the_end() -> None:
    assert view(ACTIVATED).boots == ((Slot.B, 1), (Slot.B, 0), (Slot.A, 0))


def test_a_damaged_primary_is_read_through_the_backup() -> None:
    found = look(disk_of(damaged(tiny_bytes(), 600)))
    assert (found.picked, found.primary_whole) == (Slot.A, False)


def test_without_a_whole_copy_nothing_boots() -> None:
    data = tiny_bytes()
    found = look(disk_of(damaged(data, 600, len(data) - 500)))
    assert found.picked is None
    assert judge(found, BOTH_WHOLE, frozenset()).startswith("nothing boots: ")


def test_without_a_bootable_set_nothing_boots() -> None:
    found = view({Slot.A: BootFlags(), Slot.B: BootFlags()})
    assert "nothing boots" in judge(found, BOTH_WHOLE, frozenset())


def test_a_whole_set_with_bits_of_a_step_keeps_every_promise() -> None:
    assert judge(view(ACTIVATED), BOTH_WHOLE, steps(ACTIVATED)) == ""


def test_booting_a_mixed_set_breaks_a_promise() -> None:
    found = judge(view(ACTIVATED), {Slot.A: WHOLE, Slot.B: MIXED}, steps(ACTIVATED))
    assert found.startswith("the bootloader boots set B, which holds neither")


def test_falling_back_to_a_mixed_set_breaks_a_promise() -> None:
    found = judge(view(ACTIVATED), {Slot.A: MIXED, Slot.B: WHOLE}, steps(ACTIVATED))
    assert found.startswith("reset 2 later boots set A, which holds neither")


def test_a_valid_mark_on_a_mixed_set_breaks_a_promise() -> None:
    valid = {Slot.A: PROVEN, Slot.B: BootFlags(0, 1, successful=False)}
    found = judge(view(valid), {Slot.A: WHOLE, Slot.B: MIXED}, steps(valid))
    assert found.startswith("set B is marked as good (priority=0 tries_left=1")


def test_a_mixed_set_without_bits_is_no_fault() -> None:
    cleared = {Slot.A: PROVEN, Slot.B: BootFlags()}
    assert judge(view(cleared), {Slot.A: WHOLE, Slot.B: MIXED}, steps(cleared)) == ""


def test_more_tries_than_any_step_gave_break_a_promise() -> None:
    fewer = {**ACTIVATED, Slot.B: BootFlags(2, 1, successful=False)}
    found = judge(view(ACTIVATED), BOTH_WHOLE, steps(fewer))
    assert found == "set B has 2 tries, but never had more than 1"


def test_tries_that_grow_by_booting_break_a_promise() -> None:
    grown = replace(view(ACTIVATED), boots=((Slot.B, 3),))
    found = judge(grown, BOTH_WHOLE, steps(ACTIVATED))
    assert found == "the tries of set B grow from 2 to 3 by booting"


def test_bits_that_no_step_wrote_break_a_promise() -> None:
    other = {**ACTIVATED, Slot.A: BootFlags(2, 0, successful=True)}
    found = judge(view(ACTIVATED), BOTH_WHOLE, steps(other))
    assert found.endswith("no step of the operation wrote that")


def test_playing_the_bootloader_spends_a_try() -> None:
    disk = disk_of(tiny_bytes(ACTIVATED))
    assert play_bootloader(disk) is Slot.B
    assert look(disk).boots == ((Slot.B, 0), (Slot.A, 0))


def test_playing_the_bootloader_repairs_a_damaged_primary() -> None:
    disk = disk_of(damaged(tiny_bytes(), 600))
    play_bootloader(disk)
    assert look(disk).primary_whole


def test_playing_the_bootloader_fails_without_a_bootable_set() -> None:
    with pytest.raises(GptError, match="no set would boot"):
        play_bootloader(disk_of(tiny_bytes({Slot.A: BootFlags(), Slot.B: BootFlags()})))
