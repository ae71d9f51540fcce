from __future__ import annotations

import pytest

from partitions.bootflags import BootFlags
from partitions.bootreport import Labels, boot_lines, boot_tree
from partitions.layout import Slot
from tests.fakes.two_sets import two_sets

CONFIRMED = BootFlags(1, 0, successful=True)
IN_B = {"B": "1.1.0"}


def test_the_text_is_that_of_the_format() -> None:
    status = two_sets({Slot.A: CONFIRMED, Slot.B: BootFlags(2, 1)}).control.status()
    disk = "/dev/disk"
    a = f"boot={disk}#3 root={disk}#4 hash={disk}#5 priority=1 tries_left=0 successful=true"
    b = f"boot={disk}#8 root={disk}#9 hash={disk}#10 priority=2 tries_left=1 successful=false"
    assert boot_lines(status, Labels())[:5] == (
        f"OS disk: {disk}",
        f"Set A:   {a}",
        f"Set B:   {b}",
        "Active:  Set A",
        "Next:    Set B",
    )


def test_a_disk_that_would_not_boot_says_none() -> None:
    status = two_sets({Slot.A: BootFlags(1, 0), Slot.B: BootFlags()}).control.status()
    assert boot_lines(status, Labels())[4:6] == ("Next:    None", "Boot:    not confirmed yet")
    tree = boot_tree(status, Labels())
    assert (tree["next"], tree["confirmed"]) == (None, False)


@pytest.mark.parametrize(
    ("flags", "label", "version"),
    [
        (BootFlags(0, 1), IN_B, "1.1.0"),
        (BootFlags(2, 0, successful=True), IN_B, "1.1.0"),
        (BootFlags(), IN_B, None),
        (BootFlags(2, 0), IN_B, None),
        (BootFlags(0, 1), {}, None),
        (BootFlags(0, 1), {"A": "1.1.0"}, None),
    ],
)
def test_a_label_counts_only_while_its_set_may_boot(
    flags: BootFlags, label: dict[str, str], version: str | None
) -> None:
    status = two_sets({Slot.A: CONFIRMED, Slot.B: flags}).control.status()
    tree = boot_tree(status, Labels("1.0.0", label))
    sets = tree["sets"]
    assert isinstance(sets, dict)
    assert (sets["A"]["version"], sets["B"]["version"]) == ("1.0.0", version)


def test_damage_of_the_table_is_noted() -> None:
    machine = two_sets()
    machine.disk.data[-512:] = bytes(512)
    status = machine.control.status()
    assert any(line.startswith("Note:    ") for line in boot_lines(status, Labels()))
    assert boot_tree(status, Labels())["healthy"] is False
