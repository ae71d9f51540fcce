"""systemd-boot under OVMF: a machine updates itself and goes back; a bad update falls back.

The drive of the good one is ours: FAT as Linux and the firmware write it, cut at every moment.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from fixtures.os_images import Release
from partitions.plan import MIB
from partitions.slot import Slot
from repo_tools.serve import serving
from tests.fakes.stores import place_store
from tests.vm import efi
from tests.vm.drive import drive_over
from tests.vm.efi import EfiComputer
from tests.vm.espcuts import EspCuts
from tests.vm.guest import Guest
from tests.vm.machine import Disk
from tests.vm.nbd import served
from tests.vm.powercuts import Bounds
from tests.vm.wholeness import Known
from tests.vm.world import EDITION, HOST, NEW, OLD, SETTINGS, World

pytestmark = pytest.mark.vm

LEAST = 1000
PROGRAMS = {"updog-a.efi": Slot.A, "updog-b.efi": Slot.B}


def _computer(home: Path, world: World, url: str) -> EfiComputer:
    data = home / "data"
    (data / "etc/updog.d").mkdir(parents=True)
    base = f"http://{HOST}:{url.rpartition(':')[2]}"
    (data / "etc/updog.d/10-test.toml").write_text(
        f'metadata_base_url = "{base}/{EDITION.variant}/{EDITION.arch}"\n'
        f'targets_base_url = "{base}/targets"\n{efi.CONFIG}'
    )
    place_store(data / "lib/bottlerocket/datastore", OLD, SETTINGS)
    return efi.computer(home, _release(world, "first", home), data)


def _release(world: World, name: str, folder: Path) -> Release:
    return efi.with_program(world, world.release(name), folder)


def entries(guest: Guest) -> list[str]:
    code = f"import os; print(*sorted(os.listdir('{efi.ESP_IN_GUEST}/loader/entries')))"
    return guest.python(code).split()


def test_there_and_back_again(world: World, tmp_path: Path) -> None:
    new = _release(world, "good", tmp_path)
    with serving(efi.offer(world, new, tmp_path / "offer")) as url:
        computer = _computer(tmp_path, world, url)
        with drive_over(computer.disk) as drive, served(drive) as address:
            with computer.on(Disk(address)) as guest:
                _there_and_back(guest)
            log = list(drive.log)
    old = _release(world, "first", tmp_path)
    known = [Known(each.version, each.boot, each.root, each.hash) for each in (old, new)]
    place = efi.esp_offset(efi.planned(old)), efi.ESP_MIB * MIB
    cuts = EspCuts(computer.disk, place, known, PROGRAMS)
    cuts.run(log, Bounds(complete=64, cuts=12, alone=9, samples=14))
    assert cuts.bad == []
    assert cuts.states >= LEAST
    assert cuts.started == {OLD, NEW}
    shutil.rmtree(tmp_path)


def _there_and_back(guest: Guest) -> None:
    guest.up(OLD)
    assert entries(guest) == ["updog-a-1.conf"]
    guest.restart_by("updog", "update", "--reboot")
    guest.up(NEW)
    assert entries(guest) == ["updog-a-1.conf", "updog-b-2.conf"]
    status = guest.json("updog", "status", "--json")
    assert (status["active"], status["next"], status["confirmed"]) == ("B", "B", True)
    guest.restart_by("updog", "rollback", "--reboot")
    guest.up(OLD)
    assert entries(guest) == ["updog-a-2.conf", "updog-b-1.conf"]
    guest.switch_off()


def test_an_update_that_does_not_come_up_falls_back(world: World, tmp_path: Path) -> None:
    published = efi.offer(world, _release(world, "init-fails", tmp_path), tmp_path / "offer")
    with serving(published) as url, _computer(tmp_path, world, url).on() as guest:
        guest.up(OLD)
        guest.restart_by("updog", "update", "--reboot")
        guest.machine.expect("this init fails", limit=300)
        guest.up(OLD)
        assert entries(guest) == ["updog-a-1.conf", "updog-b-2+0-1.conf"]
        assert guest.json("updog", "status", "--json")["confirmed"]
        bad = guest.json("updog", "bad-versions", "--json")
        assert NEW in str(bad)
        guest.switch_off()
