"""Five ways for an update to fail after the restart; each ends on the old version, for good."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.vm.disks import BOOT_A, BOOT_B, attributes
from tests.vm.guest import Guest
from tests.vm.world import NEW, OLD, World, offered

pytestmark = pytest.mark.vm

FELL_BACK = ("0101000000000000", "0002000000000000")
"""A is as it was, B is chosen and its try is spent."""
WENT_BACK = ("0102000000000000", "0001000000000000")
"""A was chosen again by what ran in B."""


@pytest.mark.parametrize(
    ("offer", "evidence", "bits"),
    [
        ("init-fails", "Kernel panic - not syncing: Attempted to kill init", FELL_BACK),
        ("root-damaged", "Kernel panic - not syncing: dm-verity device corrupted", FELL_BACK),
        ("kernel-garbage", "bootstage: failed: the kernel in .*p8 is refused", FELL_BACK),
        ("hangs", "softdog: Initiating system reboot", FELL_BACK),
        ("unhealthy", "guest: restarting", WENT_BACK),
    ],
)
def test_a_failed_update_falls_back(
    world: World, tmp_path: Path, offer: str, evidence: str, bits: tuple[str, str]
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
    assert (attributes(computer.disk, BOOT_A), attributes(computer.disk, BOOT_B)) == bits


def _is_noted_and_not_taken_again(guest: Guest) -> None:
    bad = guest.json("updog", "bad-versions", "--json")["bad_versions"]
    assert [each["version"] for each in bad] == [NEW]
    again = guest.run("updog", "update")
    assert "failed on this host" in again.err
    status = guest.json("updog", "status", "--json")
    assert (status["active"], status["next"], status["confirmed"]) == ("A", "A", True)
