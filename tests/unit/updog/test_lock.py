from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from updog.errors import BusyError, StorageError
from updog.lock import RunLock


def test_a_second_run_is_refused_and_told_who_holds_the_lock(tmp_path: Path) -> None:
    path = tmp_path / "run" / "updog.lock"
    with (
        RunLock(path),
        pytest.raises(BusyError, match=rf"\(process {os.getpid()}\)"),
        RunLock(path),
    ):
        pass


def test_an_unreadable_holder_is_left_out_of_the_message(tmp_path: Path) -> None:
    path = tmp_path / "updog.lock"
    with RunLock(path):
        path.write_text("???")
        with pytest.raises(BusyError, match=r"^Another run is at work"), RunLock(path):
            pass


def test_the_lock_is_free_again_after_the_block(tmp_path: Path) -> None:
    path = tmp_path / "updog.lock"
    for _ in range(2):
        with RunLock(path):
            assert path.read_text() == f"{os.getpid()}\n"


def test_the_lock_is_free_again_after_an_error(tmp_path: Path) -> None:
    lock = RunLock(tmp_path / "updog.lock")
    with pytest.raises(KeyError), lock:
        raise KeyError
    with lock:
        pass


def test_another_process_is_kept_out(tmp_path: Path) -> None:
    program = (
        "import sys, pathlib\n"
        "from updog.errors import BusyError\n"
        "from updog.lock import RunLock\n"
        "try:\n"
        "    with RunLock(pathlib.Path(sys.argv[1])): print('got it')\n"
        "except BusyError as error: print(error)\n"
    )
    path = tmp_path / "updog.lock"
    command = [sys.executable, "-c", program, str(path)]
    with RunLock(path):
        busy = subprocess.run(command, capture_output=True, text=True, check=True)
    free = subprocess.run(command, capture_output=True, text=True, check=True)
    assert f"process {os.getpid()}" in busy.stdout
    assert free.stdout == "got it\n"


def test_a_symbolic_link_is_not_followed(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    (tmp_path / "updog.lock").symlink_to(victim)
    with pytest.raises(StorageError, match=r"updog\.lock cannot be locked"):
        RunLock(tmp_path / "updog.lock").__enter__()
    assert victim.read_text() == "precious"


def test_a_folder_in_the_way_is_our_own_error(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="cannot be locked"):
        RunLock(tmp_path).__enter__()


def test_nobody_else_may_open_the_lock(tmp_path: Path) -> None:
    with RunLock(tmp_path / "updog.lock"):
        assert (tmp_path / "updog.lock").stat().st_mode & 0o777 == 0o600


FULL = """
import resource, signal, sys
from pathlib import Path
from updog.lock import RunLock
path = Path(sys.argv[1])
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
with RunLock(path):
    print(path.stat().st_size)
"""


def test_a_file_that_cannot_be_written_to_can_be_locked(tmp_path: Path) -> None:
    words = [sys.executable, "-c", FULL, str(tmp_path / "updog.lock")]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "0\n"), done.stderr
