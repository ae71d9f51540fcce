"""What the stage does when sets fail: on real tables, with a machine that only keeps a log."""

from __future__ import annotations

from pathlib import Path

import pytest

from partitions import bootstage
from partitions.blockio import Access, Extent
from partitions.bootflags import BootFlags
from partitions.device import open_device
from partitions.disk import read_table
from partitions.layout import Slot
from partitions.stage.choosing import LAST_PAUSE, PAUSES, SHORT_PAUSE
from partitions.stage.words import parse
from tests.fakes.gpt_disk import SINGLE_SET_TYPES, boot_bits, disk_with, make_table
from tests.fakes.staged_machine import Ended, StagedMachine, staged

PROVEN = BootFlags(1, 0, successful=True)
CHOSEN_AND_PROVEN = BootFlags(2, 0, successful=True)
ON_TRIAL = BootFlags(2, 1)
TRIED = BootFlags(2, 0)
NEVER = BootFlags()
Capture = pytest.CaptureFixture[str]


def power_on(machine: StagedMachine, line: str = "quiet") -> str:
    """Start the stage; return how its run ends."""
    with pytest.raises(Ended) as ended:
        bootstage.choose_and_start(parse(line), machine)
    return str(ended.value)


def hand_over(machine: StagedMachine, slot: Slot, line: str = "quiet") -> str:
    """Start the kernel of a set; return how the run of its initramfs ends."""
    with pytest.raises(Ended) as ended:
        bootstage.run_set(slot, parse(line)._replace(slot=slot), machine)
    return str(ended.value)


def bits(machine: StagedMachine) -> dict[Slot, BootFlags]:
    with open_device(Extent(machine.disk), Access.READ) as io:
        return boot_bits(read_table(io).table)


def test_what_boots_is_started_without_a_pause(tmp_path: Path) -> None:
    machine = staged(tmp_path, PROVEN, ON_TRIAL)
    assert power_on(machine) == "kernel of B"
    assert machine.log == ["pause 0", "start B"]


def test_a_proven_set_with_a_broken_boot_image_does_not_hold_the_machine(
    tmp_path: Path, capsys: Capture
) -> None:
    machine = staged(tmp_path, PROVEN, CHOSEN_AND_PROVEN, boots="A")
    before = machine.disk.read_bytes()
    assert power_on(machine) == "kernel of A"
    assert machine.log == ["pause 0", "start B", "pause 1", "start A"]
    assert "sda8 holds none of ext4" in capsys.readouterr().err
    assert machine.disk.read_bytes() == before


def test_it_is_tried_again_if_there_is_no_other(tmp_path: Path) -> None:
    machine = staged(tmp_path, NEVER, CHOSEN_AND_PROVEN, boots="")
    assert power_on(machine) == "reset"
    assert machine.log.count("start B") == len(PAUSES)


def test_a_set_on_trial_is_given_one_try_and_the_rest_of_the_power_on_to_the_other(
    tmp_path: Path,
) -> None:
    machine = staged(tmp_path, PROVEN, BootFlags(2, 3), boots="A")
    assert power_on(machine) == "kernel of A"
    assert bits(machine)[Slot.B] == BootFlags(2, 2)


@pytest.mark.parametrize(
    ("a", "b"), [(PROVEN, CHOSEN_AND_PROVEN), (NEVER, ON_TRIAL), (NEVER, NEVER), (PROVEN, NEVER)]
)
def test_where_nothing_boots_every_attempt_but_the_first_waits_and_the_last_resets(
    tmp_path: Path, a: BootFlags, b: BootFlags, capsys: Capture
) -> None:
    machine = staged(tmp_path, a, b, boots="")
    assert power_on(machine) == "reset"
    assert machine.pauses == [*PAUSES, LAST_PAUSE]
    assert machine.log[-2:] == [f"pause {LAST_PAUSE}", "reset"]
    waits = [line for line in machine.log if not line.startswith("start")]
    assert waits == [*(f"pause {each}" for each in PAUSES), f"pause {LAST_PAUSE}", "reset"]
    told = capsys.readouterr().err
    assert told.count("failed:") == len(PAUSES)
    assert f"the machine is reset in {LAST_PAUSE} seconds" in told


def test_between_two_starts_there_is_always_a_pause(tmp_path: Path) -> None:
    machine = staged(tmp_path, PROVEN, CHOSEN_AND_PROVEN, boots="")
    power_on(machine)
    for first, second in zip(machine.log, machine.log[1:], strict=False):
        assert not (first.startswith("start") and second.startswith("start"))
    assert all(pause >= 1 for pause in machine.pauses[1:])


def test_the_stage_has_the_watchdog_that_it_was_told_before_it_looks_at_a_disk(
    tmp_path: Path,
) -> None:
    machine = staged(tmp_path, PROVEN, NEVER)
    power_on(machine, "updog.watchdog=30")
    assert machine.log == ["watchdog 30", "pause 0", "start A"]


def test_a_stage_without_a_watchdog_boots_all_the_same(tmp_path: Path, capsys: Capture) -> None:
    machine = staged(tmp_path, PROVEN, NEVER, watchdog=False)
    assert power_on(machine, "updog.watchdog=30") == "kernel of A"
    assert "no watchdog" in capsys.readouterr().err


def test_a_set_has_the_watchdog_of_its_own_command_line(tmp_path: Path) -> None:
    machine = staged(tmp_path, PROVEN, TRIED)
    assert hand_over(machine, Slot.B, "updog.watchdog=120") == "system of B"
    assert machine.log == ["watchdog 120", "become B restart"]


@pytest.mark.parametrize("seconds", ["", "updog.watchdog=0"])
def test_no_watchdog_is_started_that_nobody_asked_for(tmp_path: Path, seconds: str) -> None:
    machine = staged(tmp_path, PROVEN, NEVER)
    power_on(machine, seconds)
    hand_over(machine, Slot.A, seconds)
    assert not [line for line in machine.log if line.startswith("watchdog")]


def test_a_set_that_asks_for_a_watchdog_is_not_run_without(tmp_path: Path) -> None:
    machine = staged(tmp_path, PROVEN, TRIED, watchdog=False)
    assert hand_over(machine, Slot.B, "updog.watchdog=120") == "reset"
    assert machine.log == ["watchdog 120", f"pause {SHORT_PAUSE}", "reset"]


@pytest.mark.parametrize("wanted", ["restart", "panic", "eio"])
def test_the_system_gets_what_its_command_line_says_about_corruption(
    tmp_path: Path, wanted: str
) -> None:
    machine = staged(tmp_path, PROVEN, TRIED)
    hand_over(machine, Slot.B, f"updog.verity={wanted}")
    assert machine.log == [f"become B {wanted}"]


def test_a_set_on_trial_is_opened_at_once(tmp_path: Path) -> None:
    machine = staged(tmp_path, PROVEN, TRIED)
    assert hand_over(machine, Slot.B) == "system of B"
    assert "look at B" not in machine.log


def test_a_proven_set_is_looked_at_before_dm_verity_may_restart_the_machine(
    tmp_path: Path,
) -> None:
    machine = staged(tmp_path, PROVEN, NEVER)
    assert hand_over(machine, Slot.A, "updog.verity=restart") == "system of A"
    assert machine.log == ["look at A", "become A restart"]


def test_a_set_on_trial_that_cannot_be_opened_is_reset_soon_as_its_try_is_spent(
    tmp_path: Path,
) -> None:
    machine = staged(tmp_path, PROVEN, TRIED, opens="A")
    assert hand_over(machine, Slot.B) == "reset"
    assert machine.log[-2:] == [f"pause {SHORT_PAUSE}", "reset"]


def test_in_place_of_a_proven_set_that_cannot_be_opened_the_other_one_is_started(
    tmp_path: Path, capsys: Capture
) -> None:
    machine = staged(tmp_path, PROVEN, CHOSEN_AND_PROVEN, opens="A")
    before = machine.disk.read_bytes()
    assert hand_over(machine, Slot.B) == "kernel of A"
    assert machine.log == ["look at B", f"pause {SHORT_PAUSE}", "start A"]
    assert "the other set is started in its place" in capsys.readouterr().err
    assert machine.disk.read_bytes() == before


def test_the_other_set_spends_a_try_if_it_is_on_trial(tmp_path: Path) -> None:
    machine = staged(tmp_path, BootFlags(1, 2), CHOSEN_AND_PROVEN, opens="A")
    assert hand_over(machine, Slot.B) == "kernel of A"
    assert bits(machine)[Slot.A] == BootFlags(1, 1)


def test_if_there_is_no_other_set_the_reset_comes_late(tmp_path: Path) -> None:
    machine = staged(tmp_path, CHOSEN_AND_PROVEN, NEVER, opens="")
    assert hand_over(machine, Slot.A) == "reset"
    assert machine.log == ["look at A", f"pause {LAST_PAUSE}", "reset"]


def test_if_the_other_set_cannot_be_loaded_the_reset_comes_late(tmp_path: Path) -> None:
    machine = staged(tmp_path, PROVEN, CHOSEN_AND_PROVEN, boots="B", opens="")
    assert hand_over(machine, Slot.B) == "reset"
    assert machine.log[1:] == [
        f"pause {SHORT_PAUSE}",
        "start A",
        f"pause {LAST_PAUSE}",
        "reset",
    ]


def test_two_proven_sets_that_cannot_be_opened_do_not_start_each_other_for_ever(
    tmp_path: Path,
) -> None:
    machine = staged(tmp_path, PROVEN, CHOSEN_AND_PROVEN, opens="")
    assert hand_over(machine, Slot.B) == "kernel of A"
    assert hand_over(machine, Slot.A) == "reset"
    assert machine.log[-2:] == [f"pause {LAST_PAUSE}", "reset"]


def test_a_table_that_has_no_such_set_is_a_late_reset(tmp_path: Path, capsys: Capture) -> None:
    machine = staged(tmp_path, PROVEN, NEVER)
    machine.disk.write_bytes(disk_with(make_table(types=SINGLE_SET_TYPES)).data)
    assert hand_over(machine, Slot.B) == "reset"
    assert machine.log == [f"pause {LAST_PAUSE}", "reset"]
    assert capsys.readouterr().err.count("failed:") == 2
