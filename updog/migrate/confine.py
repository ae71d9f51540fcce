"""A program of its own that locks itself in, as far as the kernel lets it, and becomes a migration.

    python -m updog.migrate.confine JSON        (see `Order`)

It is started anew instead of locking in a fork of the caller, who may have threads. What it could
not do it says on a pipe, one line each; then the migration runs all the same, because a boot that
does not end is worse than one migration, signed by the publisher, with a little more room.

Order matters: name spaces need privileges, so they come before the change of user; and the last
privilege goes before the first byte of the migration runs.
"""

from __future__ import annotations

import ctypes
import json
import os
import resource
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

OWN_USER = 65519
"""User and group of migrations: the last of those that systemd gives to nameless services."""

STAGE = Path("/tmp/store")  # noqa: S108 - in a /tmp of its own
MEMORY = 4 << 30
FILE_SIZE = 64 << 20
CANNOT_RUN = 126

_NEWNS, _NEWUTS, _NEWIPC, _NEWUSER, _NEWPID, _NEWNET = (
    0x00020000, 0x04000000, 0x08000000, 0x10000000, 0x20000000, 0x40000000,
)  # fmt: skip
_MS_NOSUID, _MS_NODEV, _MS_BIND, _MS_REC, _MS_PRIVATE = 2, 4, 4096, 16384, 1 << 18
_MOUNT_SETATTR, _AT_FDCWD, _AT_RECURSIVE, _ATTR_RDONLY = 442, -100, 0x8000, 1
_SET_PDEATHSIG, _SET_NO_NEW_PRIVS = 1, 38

_libc = ctypes.CDLL(None, use_errno=True)


class Order(NamedTuple):
    """What is to be run, and in what.

    Attributes:
        program: the descriptor of the sealed migration.
        told: the descriptor on which to say what could not be done.
        work: the one folder that it may write to.
        words: its arguments; ``{work}`` stands for where it finds the folder.
        seconds: processor time that it may take.
        confined: whether to lock it in at all.
    """

    program: int
    told: int
    work: str
    words: tuple[str, ...]
    seconds: int
    confined: bool = True


def main() -> None:
    """Become a migration."""
    said = json.loads(sys.argv[1])
    order = Order(**{**said, "words": tuple(said["words"])})
    os.set_inheritable(order.program, True)  # noqa: FBT003 - a script reads itself through it
    seen = Path(order.work)
    if order.confined:
        seen = _lock_in(order, seen)
    else:
        _tell(order, "it is not locked in at all")
    # Twice: the first process of a number space hears no signals, so it only waits; and with it,
    # all that the migration has started ends.
    _go_on_in_child(order)
    _go_on_in_child(order)
    _bound(order)
    os.close(order.told)
    words = [word.replace("{work}", str(seen)) for word in order.words]
    try:
        os.execve(order.program, words, _environment())  # noqa: S606 - signed, and without a shell
    except OSError as error:
        sys.stderr.write(f"it cannot be run: {error.strerror}\n")
        os._exit(CANNOT_RUN)


def _lock_in(order: Order, work: Path) -> Path:
    """Name spaces, mounts, user; returns where the work folder is seen from then on."""
    root = os.geteuid() == 0
    if not root:
        _attempt(order, "it shares this user, because only root can change it", _own_user_space)
    for flag, words in (
        (_NEWNET, "it shares the network"),
        (_NEWIPC, "it shares the memory of others"),
        (_NEWUTS, "it shares the host name"),
        (_NEWPID, "it shares the process numbers"),
    ):
        _attempt(order, words, lambda flag=flag: _unshare(flag))  # type: ignore[misc]
    staged = _attempt(order, "it shares the file system", lambda: _mounts(work))
    if staged:
        os.chdir(STAGE)
    if root and staged:
        _attempt(order, "it shares this user", _leave_root)
    elif root:
        # Without mounts of its own another user could not get to the work folder.
        _tell(order, "it shares this user")
    return STAGE if staged else work


def _mounts(work: Path) -> None:
    """A /tmp of its own with the work folder in it; all the rest can only be read."""
    _unshare(_NEWNS)
    _mount("none", "/", None, _MS_REC | _MS_PRIVATE, None)
    # Held open, because the new /tmp may hide the path to it.
    folder = os.open(work, os.O_PATH | os.O_DIRECTORY)
    _mount_read_only()
    _mount("tmpfs", "/tmp", "tmpfs", _MS_NOSUID | _MS_NODEV, "mode=1777,size=64m")  # noqa: S108
    STAGE.mkdir(mode=0o755)
    _mount(f"/proc/self/fd/{folder}", str(STAGE), None, _MS_BIND, None)
    _set_attributes(str(STAGE), clear=_ATTR_RDONLY)
    os.close(folder)


def _mount_read_only() -> None:
    _set_attributes("/", add=_ATTR_RDONLY, flags=_AT_RECURSIVE)


def _set_attributes(path: str, *, add: int = 0, clear: int = 0, flags: int = 0) -> None:
    wanted = (ctypes.c_uint64 * 4)(add, clear, 0, 0)
    _checked(
        _libc.syscall(
            _MOUNT_SETATTR,
            _AT_FDCWD,
            path.encode(),
            flags,
            ctypes.byref(wanted),
            ctypes.sizeof(wanted),
        )
    )


def _mount(what: str, where: str, kind: str | None, flags: int, data: str | None) -> None:
    texts = [text and text.encode() for text in (what, where, kind)]
    _checked(_libc.mount(*texts, ctypes.c_ulong(flags), data and data.encode()))


def _own_user_space() -> None:
    """Name spaces without being root; this user is itself in there, so nothing is gained by it."""
    user, group = os.geteuid(), os.getegid()
    _unshare(_NEWUSER)
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/gid_map").write_text(f"{group} {group} 1")
    Path("/proc/self/uid_map").write_text(f"{user} {user} 1")


def _leave_root() -> None:
    os.setgroups([])
    os.setresgid(OWN_USER, OWN_USER, OWN_USER)
    os.setresuid(OWN_USER, OWN_USER, OWN_USER)


def _go_on_in_child(order: Order) -> None:
    """Return in a child; this process waits for it, and ends as it ends."""
    child = os.fork()
    if not child:
        # Whoever ends us by force ends the child as well. Asked for only now, since a change of
        # user would have taken it back.
        _libc.prctl(_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        _libc.prctl(_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        return
    os.close(order.told)
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    os._exit(code if code >= 0 else 128 - code)


def _bound(order: Order) -> None:
    for what, most in (
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_CPU, order.seconds),
        (resource.RLIMIT_AS, MEMORY),
        (resource.RLIMIT_FSIZE, FILE_SIZE),
        (resource.RLIMIT_NOFILE, 1024),
    ):
        _, hard = resource.getrlimit(what)
        most = most if hard == resource.RLIM_INFINITY else min(most, hard)  # noqa: PLW2901
        resource.setrlimit(what, (most, most))
    os.umask(0o022)


def _environment() -> dict[str, str]:
    path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    return {"PATH": path, "HOME": "/tmp", "TMPDIR": "/tmp", "LANG": "C.UTF-8"}  # noqa: S108


def _attempt(order: Order, otherwise: str, step: Callable[[], None]) -> bool:
    try:
        step()
    except OSError as error:
        _tell(order, f"{otherwise} ({error.strerror})")
        return False
    return True


def _tell(order: Order, text: str) -> None:
    os.write(order.told, f"{text}\n".encode())


def _unshare(flags: int) -> None:
    _checked(_libc.unshare(flags))


def _checked(result: int) -> None:
    if result:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def lines(told: bytes) -> Iterator[str]:
    """What a confined process said about what could not be done."""
    yield from told.decode(errors="replace").splitlines()


if __name__ == "__main__":
    main()
