"""What the next boot finds on disk: targets and metadata for the offline check (formats 6.4).

Everything written was verified in this run, so that the set fits together. The order makes a power
cut harmless: targets, then metadata with the timestamp last, and only then are old files removed.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from updog.body import Body
from updog.durable import Sync, make_folder, sync_folder, write_durably
from updog.errors import PermissionDenied, StorageError, TargetMismatch
from updog.tuffiles import KNOWN_HASHES, Target

_OURS = re.compile(r"[0-9a-f]{64}\..+|\.updog-draft-.+", re.DOTALL)
_METADATA = re.compile(r"\d+\.(?:root|snapshot|targets)\.json|(?:timestamp|snapshot|targets)\.json")


def cache_target(
    directory: Path,
    file_name: str,
    target: Target,
    start: Callable[[], Body],
    sync: Sync = os.fsync,
) -> Path:
    """Put one target into `directory` unless it is there already; return its path.

    Args:
        directory: where; made if missing.
        file_name: the name to give it, already known to be a plain one.
        target: what it has to be.
        start: begins the transfer.
        sync: how a file or folder gets to stable storage.

    Raises:
        TargetMismatch: what came is not the signed file; nothing of it stays.
        StorageError, PermissionDenied: the file system refused.
        UnreachableError: the transfer failed.
    """
    path = directory / file_name
    if _matches(path, target):
        return path
    draft = directory / f".updog-draft-{hashlib.sha256(file_name.encode()).hexdigest()[:32]}"
    try:
        make_folder(directory, sync)
        with start() as body:
            _write_checked(draft, body, target, sync)
        draft.replace(path)
        sync_folder(directory, sync)
    except OSError as error:
        raise _storage(error, path) from error
    finally:
        _remove(draft)
    return path


def cache_metadata(directory: Path, files: Mapping[str, bytes]) -> None:
    """Write metadata files in the given order and remove those of older versions.

    Raises:
        StorageError, PermissionDenied: the file system refused.
    """
    for name, data in files.items():
        write_durably(directory / name, data)
    prune(directory, _METADATA, keep=files)


def prune_targets(directory: Path, keep: Iterable[str]) -> None:
    """Remove targets of earlier updates; files that were not named by us stay.

    Raises:
        StorageError, PermissionDenied: the file system refused.
    """
    prune(directory, _OURS, keep=keep)


def prune(directory: Path, ours: re.Pattern[str], keep: Iterable[str]) -> None:
    """Remove the files of `directory` whose whole name `ours` matches, except those to keep.

    Raises:
        StorageError, PermissionDenied: the file system refused.
    """
    kept = set(keep)
    try:
        for path in directory.iterdir() if directory.is_dir() else ():
            if ours.fullmatch(path.name) and path.name not in kept and not path.is_dir():
                path.unlink()
    except OSError as error:
        raise _storage(error, directory) from error


def _write_checked(path: Path, chunks: Iterable[bytes], target: Target, sync: Sync) -> None:
    digests = {name: hashlib.new(name) for name in KNOWN_HASHES if name in target.hashes}
    length = 0
    with path.open("wb") as file:
        for chunk in chunks:
            length += len(chunk)
            if length > target.length:
                break
            for digest in digests.values():
                digest.update(chunk)
            file.write(chunk)
        file.flush()
        sync(file.fileno())
    if length != target.length:
        raise TargetMismatch(f"target {target.name} is not {target.length} bytes long as signed")
    for name, digest in digests.items():
        if digest.hexdigest() != target.hashes[name]:
            raise TargetMismatch(f"target {target.name}: its {name} is not the signed one")


def _matches(path: Path, target: Target) -> bool:
    algorithm = next(name for name in KNOWN_HASHES if name in target.hashes)
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, algorithm).hexdigest()
            length = file.tell()
    except OSError:
        return False
    return length == target.length and digest == target.hashes[algorithm]


def _remove(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError:
        # The next run removes it; the error that led here says more.
        return


def _storage(error: OSError, path: Path) -> StorageError | PermissionDenied:
    if isinstance(error, PermissionError):
        return PermissionDenied(f"{path} may not be written.", hint="Run as root.")
    return StorageError(f"{path} cannot be written: {error.strerror}.")
