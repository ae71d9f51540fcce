"""Five ways for an update to fail after the restart; each ends on the old version, for good."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.vm.disks import BOOT_A, BOOT_B, attributes
from tests.vm.guest import Guest
from tests.vm.world import NEW, OLD, World, offered

pytestmark = pytest.mark.vm

CHOSEN_AND_SPENT = "0002000000000000"
PROVEN = "0101000000000000"


@pytest.mark.parametrize(
    ("offer", "evidence"),
    [
        ("init-fails", r"Kernel panic - not syncing: Attempted to kill init"),
        ("root-damaged", r"Kernel panic - not syncing: dm-verity device corrupted"),
        ("kernel-garbage", r"bootstage: failed: the kernel in /dev/nvme0n1p8 is refused"),
        ("hangs", r"softdog: Initiating system reboot"),
        ("unhealthy", r"guest: restarting"),
    ],
)
def test_a_failed_update_falls_back(
    world: World, tmp_path: Path, offer: str, evidence: str
) -> None:
    with offered(world, offer) as url:
        computer = world.computer(tmp_path / "machine", url)
        with computer.on() as guest:
            guest.up(OLD)
            guest.restart_by("updog", "update", "--reboot")
            guest.machine.expect("bootstage: set B .* spends its last try")
            guest.machine.expect(evidence, limit=180)
            guest.up(OLD)
            _is_noted_and_not_taken_again(guest)
            guest.switch_off()
    assert attributes(computer.disk, BOOT_A)[-14:] in (PROVEN[-14:], "02000000000000")
    if offer != "unhealthy":
        assert attributes(computer.disk, BOOT_A) == PROVEN
        assert attributes(computer.disk, BOOT_B) == CHOSEN_AND_SPENT


def _is_noted_and_not_taken_again(guest: Guest) -> None:
    bad = guest.json("updog", "bad-versions", "--json")["bad_versions"]
    assert [each["version"] for each in bad] == [NEW]
    again = guest.run("updog", "update")
    assert "failed on this host" in again.err
    status = guest.json("updog", "status", "--json")
    assert (status["active"], status["next"], status["confirmed"]) == ("A", "A", True)
