"""The NBD server, spoken to by QEMU's own tools."""

from __future__ import annotations

import socket
import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from tests.vm import nbd
from tests.vm.drive import Flushed, LoggingDrive, Written, drive_over
from tests.vm.nbd import served

SIZE = 1 << 20


@pytest.fixture
def drive() -> LoggingDrive:
    return LoggingDrive(bytearray(SIZE))


@pytest.fixture
def address(drive: LoggingDrive) -> Iterator[str]:
    with served(drive) as address:
        yield address


def _qemu_io(address: str, *commands: str) -> str:
    words = [word for command in commands for word in ("-c", command)]
    run = subprocess.run(
        ["qemu-io", "-f", "raw", "-t", "writeback", *words, address],
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert "failed" not in run.stdout, run.stdout
    return run.stdout


def test_what_is_written_is_read_back(drive: LoggingDrive, address: str) -> None:
    _qemu_io(address, "write -P 0x41 4096 1024", "read -P 0x41 4096 1024", "read -P 0 0 4096")
    assert drive.read(4096, 1024) == b"\x41" * 1024
    assert Written(4096, b"\x41" * 1024) in drive.log


def test_flushes_and_forced_writes_arrive_as_such(drive: LoggingDrive, address: str) -> None:
    _qemu_io(address, "write -P 1 0 512", "flush", "write -f -P 2 512 512")
    written = [event for event in drive.log if isinstance(event, Written)]
    assert [each.fua for each in written] == [False, True]
    assert drive.log.index(Flushed()) == 1


def test_the_export_is_listed_with_its_size(address: str) -> None:
    port = address.removesuffix("/disk").rpartition(":")[2]
    run = subprocess.run(
        ["qemu-nbd", "--list", "-b", "127.0.0.1", "-p", port],
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert "export: 'disk'" in run.stdout
    assert f"size:  {SIZE}" in run.stdout
    assert "flush fua" in run.stdout


def test_many_requests_at_once_lose_nothing(drive: LoggingDrive, address: str) -> None:
    commands = [f"aio_write -P {number + 1} {number * 8192} 8192" for number in range(100)]
    _qemu_io(address, *commands, "aio_flush", "flush")
    for number in range(100):
        assert drive.read(number * 8192, 8192) == bytes([number + 1]) * 8192


def test_an_image_goes_through_unchanged(drive: LoggingDrive, address: str, tmp_path: Path) -> None:
    image = tmp_path / "image"
    image.write_bytes(Random(7).randbytes(SIZE))
    convert = ["qemu-img", "convert", "-n", "-f", "raw", "-O", "raw", str(image), address]
    subprocess.run(convert, check=True, timeout=60)
    assert drive.read(0, SIZE) == image.read_bytes()


def test_the_image_below_is_never_changed(tmp_path: Path) -> None:
    image = tmp_path / "image"
    image.write_bytes(bytes(SIZE))
    with drive_over(image) as drive, served(drive) as address:
        _qemu_io(address, "write -P 9 0 512", "flush")
        assert drive.read(0, 1) == b"\x09"
    assert image.read_bytes() == bytes(SIZE)


def test_another_export_is_refused(address: str) -> None:
    wrong = address.replace("/disk", "/other")
    run = subprocess.run(
        ["qemu-io", "-f", "raw", "-c", "read 0 512", wrong],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert run.returncode == 1
    assert "not available" in run.stderr


def test_bytes_behind_the_end_are_refused(drive: LoggingDrive, address: str) -> None:
    with _connected(address) as client:
        client.sendall(_request(nbd.CMD_WRITE, SIZE - 512, 1024) + bytes(1024))
        assert _reply(client) == nbd.EINVAL
        client.sendall(_request(9, 0, 0))
        assert _reply(client) == nbd.EINVAL
    assert drive.log == []


def test_a_client_may_hang_up_in_the_middle_of_a_write(drive: LoggingDrive, address: str) -> None:
    with _connected(address) as client:
        client.sendall(_request(nbd.CMD_WRITE, 0, 1024) + bytes(100))
    _qemu_io(address, "read -P 0 0 1024")
    assert not [event for event in drive.log if isinstance(event, Written)]


def test_the_old_way_of_choosing_an_export_works(address: str) -> None:
    host, port = address.removeprefix("nbd://").removesuffix("/disk").split(":")
    with socket.create_connection((host, int(port)), 10) as client:
        client.recv(18, socket.MSG_WAITALL)
        option = struct.pack(">QII", nbd.OPTION_MAGIC, nbd.OPT_EXPORT_NAME, 0)
        client.sendall(struct.pack(">I", nbd.FIXED_NEWSTYLE) + option)
        size, flags = struct.unpack(">QH", client.recv(10, socket.MSG_WAITALL))
        assert (size, flags) == (SIZE, nbd.HAS_FLAGS | nbd.SEND_FLUSH | nbd.SEND_FUA)
        assert client.recv(124, socket.MSG_WAITALL) == bytes(124)
        client.sendall(_request(nbd.CMD_READ, 0, 512))
        assert _reply(client) == 0


def test_log_and_contents_agree(drive: LoggingDrive, address: str) -> None:
    chance = Random(3)
    drawn = [
        (chance.randrange(256), chance.randrange(100), chance.randrange(1, 9)) for _ in range(40)
    ]
    commands = [f"write -P {byte} {at * 512} {count * 512}" for byte, at, count in drawn]
    _qemu_io(address, *commands)
    replayed = bytearray(SIZE)
    for event in drive.log:
        if isinstance(event, Written):
            replayed[event.offset : event.offset + len(event.data)] = event.data
    assert replayed == drive.read(0, SIZE)


def _connected(address: str) -> socket.socket:
    host, port = address.removeprefix("nbd://").removesuffix("/disk").split(":")
    client = socket.create_connection((host, int(port)), 10)
    client.recv(18, socket.MSG_WAITALL)
    option = struct.pack(">QIII", nbd.OPTION_MAGIC, nbd.OPT_GO, 6, 0) + bytes(2)
    client.sendall(struct.pack(">I", nbd.FIXED_NEWSTYLE | nbd.NO_ZEROES) + option)
    while True:
        head = client.recv(20, socket.MSG_WAITALL)
        _, _, kind, length = struct.unpack(">QIII", head)
        client.recv(length, socket.MSG_WAITALL) if length else b""
        if kind == nbd.REP_ACK:
            return client


def _request(command: int, offset: int, length: int) -> bytes:
    return struct.pack(">IHHQQI", nbd.REQUEST_MAGIC, 0, command, 77, offset, length)


def _reply(client: socket.socket) -> int:
    magic, error, cookie = struct.unpack(">IIQ", client.recv(16, socket.MSG_WAITALL))
    assert (magic, cookie) == (nbd.REPLY_MAGIC, 77)
    return int(error)
