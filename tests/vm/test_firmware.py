"""Firmware, boot stage, kernel, system: nothing is started by the hand of the emulator."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.fakes.stores import place_store
from tests.vm import efi
from tests.vm.guest import STAGE_WORDS
from tests.vm.world import OLD, SETTINGS, World

pytestmark = pytest.mark.vm


def test_uefi_firmware_starts_the_boot_stage_which_starts_a_set(
    world: World, tmp_path: Path
) -> None:
    data = tmp_path / "data"
    place_store(data / "lib/bottlerocket/datastore", OLD, SETTINGS)

    def install(tree: Path) -> None:
        (tree / "EFI/BOOT").mkdir(parents=True)
        efi.unify(tree / "EFI/BOOT/BOOTX64.EFI", world.stage(), STAGE_WORDS)

    computer = efi.computer(tmp_path, world.release("first"), data, install)
    with computer.on() as guest:
        guest.machine.expect("bootstage: set A")
        guest.up(OLD)
        status = guest.json("updog", "status", "--json")
        assert (status["active"], status["confirmed"]) == ("A", True)
        assert guest.python("import os; print(os.path.exists('/sys/firmware/efi'))") == "True\n"
    shutil.rmtree(tmp_path)
