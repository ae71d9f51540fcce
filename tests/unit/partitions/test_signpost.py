from __future__ import annotations

import json
from pathlib import Path

import pytest

from partitions.bootflags import BootFlags
from partitions.bootreport import Labels, boot_tree, status_lines
from partitions.bootstatus import BootStatus, SetStatus
from partitions.layout import Slot
from partitions.signpost import VERBS, main

STATUS = BootStatus(
    disk=Path("/dev/nvme0n1"),
    sets=(
        SetStatus(
            Slot.A,
            "/dev/nvme0n1p3",
            "/dev/nvme0n1p4",
            "/dev/nvme0n1p5",
            BootFlags(1, 0, successful=True),
        ),
        SetStatus(Slot.B, "/dev/nvme0n1p8", "/dev/nvme0n1p9", "/dev/nvme0n1p10", BootFlags(2, 1)),
    ),
    active=Slot.B,
    next=Slot.B,
    ever_succeeded=True,
    healthy=True,
    notes=(),
)
UPSTREAM = {
    "status",
    "clear-inactive",
    "mark-inactive-valid",
    "upgrade-to-inactive",
    "cancel-upgrade",
    "mark-successful-boot",
    "rollback-to-inactive",
    "has-boot-ever-succeeded",
    "rewrite-table",
}


def usage_error(*words: str) -> bool:
    with pytest.raises(SystemExit) as caught:
        main(words)
    return caught.value.code == 2


def test_status_text_has_the_lines_of_formats_9_5() -> None:
    assert "\n".join(status_lines(STATUS)) == (
        "OS disk: /dev/nvme0n1\n"
        "Set A:   boot=/dev/nvme0n1p3 root=/dev/nvme0n1p4 hash=/dev/nvme0n1p5"
        " priority=1 tries_left=0 successful=true\n"
        "Set B:   boot=/dev/nvme0n1p8 root=/dev/nvme0n1p9 hash=/dev/nvme0n1p10"
        " priority=2 tries_left=1 successful=false\n"
        "Active:  Set B\n"
        "Next:    Set B"
    )


def test_status_text_says_none_if_nothing_boots() -> None:
    assert status_lines(STATUS._replace(next=None))[-1] == "Next:    None"


def test_status_json_has_every_fact() -> None:
    assert boot_tree(STATUS, Labels()) == {
        "disk": "/dev/nvme0n1",
        "sets": {
            "A": {
                "boot": "/dev/nvme0n1p3",
                "root": "/dev/nvme0n1p4",
                "hash": "/dev/nvme0n1p5",
                "priority": 1,
                "tries_left": 0,
                "successful": True,
                "version": None,
            },
            "B": {
                "boot": "/dev/nvme0n1p8",
                "root": "/dev/nvme0n1p9",
                "hash": "/dev/nvme0n1p10",
                "priority": 2,
                "tries_left": 1,
                "successful": False,
                "version": None,
            },
        },
        "active": "B",
        "next": "B",
        "confirmed": False,
        "ever_succeeded": True,
        "healthy": True,
        "notes": [],
    }


def test_status_json_says_null_if_nothing_boots() -> None:
    assert json.dumps(boot_tree(STATUS._replace(next=None), Labels())["next"]) == "null"


def test_upstreams_verbs_and_two_more() -> None:
    assert set(VERBS) == UPSTREAM | {"repair", "next"}


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("reboot",),
        ("stat",),
        ("status", "next"),
        ("status", "--sideways"),
        ("status", "--active", "C"),
        ("status", "--disk"),
        ("mark-inactive-valid", "--tries", "0"),
        ("mark-inactive-valid", "--tries", "16"),
        ("mark-inactive-valid", "--tries", "many"),
        ("status", "--tries", "1"),
        ("status", "--force"),
        ("rollback-to-inactive", "--force"),
    ],
)
def test_wrong_usage_is_status_2(words: tuple[str, ...]) -> None:
    assert usage_error(*words)


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["--help"])
    assert caught.value.code == 0
    shown = capsys.readouterr().out
    assert all(f"  {verb} " in shown for verb in VERBS)
    assert "sysroot" not in shown


def test_a_disk_that_is_not_there_is_status_1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["status", "--disk", str(tmp_path / "none.img")]) == 1
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith("signpost: cannot find ")
