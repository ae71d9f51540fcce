"""The service's socket: the one that systemd brings, or one of our own."""

from __future__ import annotations

import contextlib
import os
import socket
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path

from updog.errors import BusyError, ConfigError, PermissionDenied, StorageError
from updog.service.peers import group_number
from updog.settings import Service

FIRST_PASSED = 3
"""Where systemd puts the first descriptor (sd_listen_fds(3))."""
MODE = 0o660
BACKLOG = 128
LONGEST_PATH = 107


@contextlib.contextmanager
def listening(
    settings: Service, environment: Mapping[str, str], pid: int
) -> Iterator[socket.socket]:
    """The socket to serve on, while the block runs; see `listen`.

    One of our own is gone afterwards: whoever finds a socket looks for a service behind it. That of
    systemd stays, for the next start.

    Raises:
        ConfigError, BusyError, PermissionDenied, StorageError: as for `listen`.
    """
    with listen(settings, environment, pid) as listener:
        if _is_passed(environment, pid):
            yield listener
            return
        mine = settings.socket.lstat().st_ino
        try:
            yield listener
        finally:
            # Another service may have put its own there, believing us dead.
            with contextlib.suppress(OSError):
                if settings.socket.lstat().st_ino == mine:
                    settings.socket.unlink()


def listen(settings: Service, environment: Mapping[str, str], pid: int) -> socket.socket:
    """The socket to serve on.

    Args:
        settings: where to make one, and whose it is.
        environment: of this process; tells what systemd passed.
        pid: of this process.

    Raises:
        ConfigError: what was passed or configured cannot be served on.
        BusyError: another service listens there.
        PermissionDenied, StorageError: it cannot be made.
    """
    if _is_passed(environment, pid):
        return _passed(environment["LISTEN_FDS"])
    return make(settings.socket, settings.group)


def make(path: Path, group: str) -> socket.socket:
    """Make the socket, for its group only; one that a dead service left is replaced.

    Raises:
        ConfigError, BusyError, PermissionDenied, StorageError: as for `listen`.
    """
    if len(os.fsencode(path)) > LONGEST_PATH:
        raise ConfigError(f"service.socket: {path} is longer than {LONGEST_PATH} bytes.")
    owner = group_number(group, "service.group") if group else -1
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        _clear(path)
        _bind(listener, path, owner)
    except PermissionError as error:
        listener.close()
        raise PermissionDenied(f"{path} cannot be made.", hint="Run as root.") from error
    except OSError as error:
        listener.close()
        raise StorageError(f"{path} cannot be made: {error.strerror}.") from error
    except BaseException:
        listener.close()
        raise
    return listener


def _is_passed(environment: Mapping[str, str], pid: int) -> bool:
    return environment.get("LISTEN_PID") == str(pid) and environment.get("LISTEN_FDS", "0") != "0"


def _bind(listener: socket.socket, path: Path, owner: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    # Nobody else may open it before its group is right.
    before = os.umask(0o177)
    try:
        listener.bind(str(path))
    finally:
        os.umask(before)
    os.chown(path, -1, owner)
    path.chmod(MODE)
    listener.listen(BACKLOG)


def _clear(path: Path) -> None:
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise ConfigError(f"service.socket: {path} is there already, and is no socket.")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            path.unlink()
            return
    raise BusyError(
        f"Another service listens on {path}.", hint="Stop it, or set another service.socket."
    )


def _passed(count: str) -> socket.socket:
    if count != "1":
        raise ConfigError(f"systemd passed {count} sockets; the service takes one.")
    listener = socket.socket(fileno=FIRST_PASSED)
    if listener.family != socket.AF_UNIX or listener.type != socket.SOCK_STREAM:
        listener.close()
        raise ConfigError("The socket that systemd passed is no stream socket of the Unix family.")
    os.set_inheritable(FIRST_PASSED, False)  # noqa: FBT003 - the library's own
    return listener
