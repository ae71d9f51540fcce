from __future__ import annotations

import os
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from updog.errors import BusyError, ConfigError, StorageError
from updog.service.listening import listen, listening, make
from updog.settings import Service


def test_the_socket_is_for_its_group_only(tmp_path: Path) -> None:
    path = tmp_path / "run/api.sock"
    with make(path, str(os.getgid())):
        found = path.stat()
        assert stat.S_IMODE(found.st_mode) == 0o660
        assert found.st_gid == os.getgid()
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(path))


def test_what_a_dead_service_left_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "api.sock"
    make(path, "").close()
    with make(path, ""):
        pass


def test_a_living_service_is_not_pushed_aside(tmp_path: Path) -> None:
    path = tmp_path / "api.sock"
    with make(path, ""), pytest.raises(BusyError, match="Another service listens"):
        make(path, "")


def test_a_file_is_not_replaced(tmp_path: Path) -> None:
    path = tmp_path / "api.sock"
    path.write_text("precious")
    with pytest.raises(ConfigError, match="no socket"):
        make(path, "")
    assert path.read_text() == "precious"


def test_a_path_that_no_socket_can_have_is_a_mistake_of_the_configuration(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="longer than 107"):
        make(tmp_path / ("x" * 120), "")


def test_a_folder_that_cannot_be_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError):
        make(tmp_path / "file/api.sock", "")


def test_a_service_that_ends_leaves_no_socket_behind(tmp_path: Path) -> None:
    path = tmp_path / "api.sock"
    with listening(Service(socket=path), {}, os.getpid()):
        assert path.is_socket()
    assert not path.exists()


def test_the_socket_of_another_service_stays(tmp_path: Path) -> None:
    path = tmp_path / "api.sock"
    with listening(Service(socket=path), {}, os.getpid()):
        path.unlink()
        other = make(path, "")
    with other:
        assert path.is_socket()


PASSED = """
import os, sys, socket
from pathlib import Path
kind = getattr(socket, sys.argv[1])
inner = socket.socket(socket.AF_UNIX, kind)
inner.bind(sys.argv[2])
os.dup2(inner.fileno(), 3)
from updog.service.listening import listen
from updog.settings import Service
environment = {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": sys.argv[3]}
try:
    with listen(Service(), environment, os.getpid()) as found:
        print(found.fileno(), os.get_inheritable(3), found.getsockname() == sys.argv[2])
except Exception as error:
    print(type(error).__name__)
"""


@pytest.mark.parametrize(
    ("kind", "count", "told"),
    [
        ("SOCK_STREAM", "1", "3 False True"),
        ("SOCK_STREAM", "2", "ConfigError"),
        ("SOCK_DGRAM", "1", "ConfigError"),
    ],
)
def test_a_socket_that_systemd_passes_is_taken(
    tmp_path: Path, kind: str, count: str, told: str
) -> None:
    words = [sys.executable, "-c", PASSED, kind, str(tmp_path / "s"), count]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == told


def test_what_was_passed_to_another_process_is_not_ours(tmp_path: Path) -> None:
    path = tmp_path / "api.sock"
    with listen(Service(socket=path), {"LISTEN_PID": "1", "LISTEN_FDS": "1"}, os.getpid()):
        assert path.exists()
