from __future__ import annotations

import pytest

from partitions.bootflags import BootFlags
from partitions.layout import Slot
from tests.fakes.tiny_stand import PATH, SIZES, overlay, tiny_bytes
from updog.crashtest.images import Sizes, trial_images
from updog.crashtest.machine import Machine, started


@pytest.fixture
def machine() -> Machine:
    machine = started(PATH, overlay(tiny_bytes()), None)
    machine.sizes = SIZES
    return machine


def test_a_machine_starts_from_the_set_that_would_boot(machine: Machine) -> None:
    assert machine.running is Slot.A


def test_an_unconfirmed_machine_is_confirmed_when_it_starts() -> None:
    boot = {Slot.A: BootFlags(1, 3, successful=False), Slot.B: BootFlags()}
    assert started(PATH, overlay(tiny_bytes(boot)), None).control.status().confirmed


def test_an_update_is_whole_on_the_other_set(machine: Machine) -> None:
    made = machine.stage("one")
    assert machine.lacks(made, Slot.B) == ""


def test_a_rest_behind_an_image_is_found(machine: Machine) -> None:
    made = machine.stage("one")
    root = machine.control.inactive_set().root
    assert root.size is not None
    machine.disk.bytes.write(root.offset + root.size - 1, b"x")
    assert machine.lacks(made, Slot.B).endswith("does not hold trial-one-root.lz4")


def test_another_update_has_other_bytes(machine: Machine) -> None:
    machine.stage("one")
    control = machine.control
    other = trial_images(control.inactive_set(), machine.disk.open, SIZES, "two")
    assert machine.lacks(other, Slot.B)


def test_images_never_exceed_their_partitions(machine: Machine) -> None:
    made = trial_images(machine.control.inactive_set(), machine.disk.open, Sizes(), "large")
    assert {len(raw) for raw in made.raw.values()} == {2048}


def test_a_reboot_goes_to_the_activated_set(machine: Machine) -> None:
    machine.stage("one")
    machine.control.activate()
    machine.reboot()
    assert machine.running is Slot.B


def test_a_machine_answers_what_its_boot_control_answers(machine: Machine) -> None:
    assert not machine.control.has_ever_succeeded()
    machine.control.mark_successful()
    assert machine.control.has_ever_succeeded()
    assert machine.control.active_set().slot is Slot.A
