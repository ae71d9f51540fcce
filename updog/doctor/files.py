"""Files of this machine: the configuration, and who may do what with the files of ours."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from updog import config, host, room
from updog.doctor.check import Check, fail, failed_by, ok, warn
from updog.errors import ConfigError, PermissionDenied, UpdogError
from updog.settings import Paths, Settings

_AS_ROOT = "Run as the user that updates this machine, usually root."
_LOCKS = Path("/proc/locks")


def configuration(path: Path) -> tuple[Check, Settings | None]:
    """Read the configuration, and tell which files it came from."""
    try:
        settings = config.load(path)
    except UpdogError as error:
        return failed_by("config", error), None
    folder = path.with_suffix(".d")
    read = [path, *sorted(p for p in folder.glob("*.toml") if not p.name.startswith("."))]
    return ok("config", f"read from {', '.join(map(str, read))}"), settings


def identity(settings: Settings) -> Check:
    """Tell who this host says it is; a seed that is not drawn yet stays so."""
    try:
        version, variant = host.read_identity(settings.paths.os_release)
    except UpdogError as error:
        return failed_by("host", error)
    drawn = settings.paths.seed.exists()
    seed = "configured" if settings.seed is not None else "drawn" if drawn else "not drawn yet"
    return ok("host", f"{variant} {version} on {os.uname().machine}, seed {seed}")


def permissions(paths: Paths, locks: Path = _LOCKS) -> Iterator[Check]:
    """Look at what an update will write, and at the file that all trust begins with."""
    yield _trusted_root(paths.trusted_root)
    for folder in (paths.state_dir, paths.migrations_dir, paths.metadata_cache_dir):
        yield _folder(folder)
    yield _lock(paths.lock, locks)


def _trusted_root(path: Path) -> Check:
    name = "trusted root"
    try:
        facts = path.stat()
    except FileNotFoundError:
        todo = "Install the repository's root.json there, or set paths.trusted_root."
        return fail(name, f"there is no {path}", todo, ConfigError)
    except OSError as error:
        return fail(name, f"{path} may not be read: {error.strerror}", _AS_ROOT, PermissionDenied)
    if not os.access(path, os.R_OK):
        return fail(name, f"{path} may not be read", _AS_ROOT, PermissionDenied)
    if facts.st_mode & stat.S_IWOTH:
        said = f"{path} can be written by everybody, and all trust begins with it"
        return fail(name, said, f"chmod o-w {path}", PermissionDenied)
    if facts.st_mode & stat.S_IWGRP:
        return warn(name, f"{path} can be written by its group", f"chmod g-w {path}")
    return ok(name, f"{path} is there and protected")


def _folder(path: Path) -> Check:
    existing = _existing(path)
    if not (existing.is_dir() and os.access(existing, os.W_OK | os.X_OK)):
        said = f"{path} cannot be written: {existing} is not ours, read-only, or no directory"
        return fail("permissions", said, _AS_ROOT, PermissionDenied)
    if existing != path:
        return ok("permissions", f"{path} will be made at first use")
    if path.stat().st_mode & stat.S_IWOTH:
        return warn("permissions", f"{path} can be written by everybody", f"chmod o-w {path}")
    free = room.free_bytes(path)
    if free is not None and free < room.SLACK:
        said = f"{path} can be written, but only {free} bytes are free there"
        return warn("permissions", said, "Make room: an update could not keep its notes.")
    return ok("permissions", f"{path} can be written")


def _lock(path: Path, locks: Path) -> Check:
    existing = _existing(path)
    wanted = os.W_OK if existing == path else os.W_OK | os.X_OK
    if path.is_symlink() or not os.access(existing, wanted):
        return fail("lock", f"{path} may not be locked by this user", _AS_ROOT, PermissionDenied)
    if existing == path and (holder := _holder(path, locks)):
        said = f"{path} is held by process {holder}: another run is at work"
        return warn("lock", said, "Wait until it is done.")
    return ok("lock", f"{path} is free")


def _holder(path: Path, locks: Path) -> str:
    """The process that holds a lock file, as the kernel tells, without touching the lock."""
    inode = f":{path.stat().st_ino}"
    try:
        table = locks.read_text()
    except OSError:
        return ""
    for entry in table.splitlines():
        # 1: FLOCK  ADVISORY  WRITE 4711 fd:01:131 0 EOF
        words = entry.split()
        if words[1:2] == ["FLOCK"] and words[5:6] and words[5].endswith(inode):
            return words[4]
    return ""


def _existing(path: Path) -> Path:
    """The path, or the nearest directory above it that is there."""
    return next((p for p in (path, *path.parents) if p.exists()), Path("/"))
