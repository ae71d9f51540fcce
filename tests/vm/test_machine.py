"""The harness itself, with a guest of 512 bytes: it greets, echoes, and goes off at a 'q'."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.vm.machine import KEPT_LOGS, Disk, Hardware, booted

pytestmark = pytest.mark.vm

_PROGRAM = bytes.fromhex(
    "fa 31c0 8ed8 be307c"  # cli; ds = 0; si = the greeting
    "baf803 ac 84c0 7403 ee ebf8"  # each of its bytes to the serial port
    "bafd03 ec a801 74f8 baf803 ec 3c71 7403 ee ebed"  # echo until 'q'
    "ba0406 b80020 ef f4 ebfd"  # ACPI: off
)


def _guest(folder: Path) -> Hardware:
    disk = folder / "disk.img"
    sector = (_PROGRAM + b"hello there\r\n\0").ljust(510, b"\0") + b"\x55\xaa"
    disk.write_bytes(sector.ljust(1 << 20, b"\0"))
    return Hardware(Disk(disk), network="")


def test_a_machine_is_heard_spoken_to_and_goes_off(tmp_path: Path) -> None:
    with booted(_guest(tmp_path), tmp_path) as machine:
        assert machine.expect("never said", "hello").endswith("hello there")
        machine.type("are you there")
        machine.expect("^are you there$")
        machine.type("q")
        machine.off()
        assert not machine.running
    assert b"are you there" in (tmp_path / "serial-1.log").read_bytes()


def test_a_marker_that_never_comes_fails_with_the_log(tmp_path: Path) -> None:
    with booted(_guest(tmp_path), tmp_path) as machine:
        machine.expect("hello")
        with pytest.raises(AssertionError, match=r"(?s)'all is well'.*serial-1\.log.*hello there"):
            machine.expect("all is well", limit=0.1)


def test_a_machine_that_ends_early_fails_at_once(tmp_path: Path) -> None:
    with booted(_guest(tmp_path), tmp_path) as machine:
        machine.expect("hello")
        machine.kill()
        with pytest.raises(AssertionError, match="ended before it said 'more'"):
            machine.expect("more")


def test_the_limit_ends_a_machine_that_hangs(tmp_path: Path) -> None:
    with (
        pytest.raises(AssertionError, match="ended before"),
        booted(_guest(tmp_path), tmp_path, limit=1.0) as machine,
    ):
        machine.expect("never said")


def test_the_reset_button_starts_it_again(tmp_path: Path) -> None:
    with booted(_guest(tmp_path), tmp_path) as machine:
        machine.expect("hello")
        machine.monitor.reset()
        machine.expect("hello")


def test_logs_of_failures_are_kept_where_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(KEPT_LOGS, str(tmp_path / "kept"))
    with (
        pytest.raises(AssertionError, match="never said"),
        booted(_guest(tmp_path), tmp_path / "m") as machine,
    ):
        machine.expect("never said", limit=0.1)
    assert (tmp_path / "kept/m-serial-1.log").exists()
