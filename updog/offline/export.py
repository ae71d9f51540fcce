"""``updog bundle export``: one version with all that installing it takes, as one file."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from updog.lock import RunLock
from updog.manifest import Update
from updog.moving import Moving, Phase, Progress, silent
from updog.offline import contents
from updog.offline.carried import TARGETS, metadata_folder, path_of
from updog.offline.tarwriter import TarWriter
from updog.session import Session
from updog.stream import Tally, algorithms_in, cap, moved
from updog.tuffiles import Target
from updog.update import Visitor, connect, read_manifest
from updog.version import Version


@dataclass(frozen=True, slots=True)
class Exported:
    """A bundle that was written.

    Attributes:
        path: where.
        update: what it carries.
        length: bytes of the whole file.
    """

    path: Path
    update: Update
    length: int


def export(
    env: Visitor,
    path: Path,
    *,
    version: Version | None = None,
    replace: bool = False,
    progress: Progress = silent,
) -> Exported:
    """Write a bundle, verifying each byte on its way; memory stays bounded.

    Args:
        env: whose kind of system, and the way to the repository.
        path: the file to make.
        version: exactly this one.
        replace: whether a file that is there may be replaced.
        progress: told how far each target is.

    Raises:
        UsageError: there is something at `path`.
        DataError: there is no such version, or the repository breaks a rule of TUF.
        UnreachableError: a file could not be fetched.
        BusyError: another run is at work.
        StorageError, PermissionDenied: the file system refused.
    """
    # The draft comes first: an unwritable place should not cost a download.
    with RunLock(env.settings.paths.lock), TarWriter(path, replace=replace) as bundle:
        session = connect(env)
        offered = read_manifest(session)
        chosen = contents.choose(offered, env, version)
        targets = contents.targets(session, offered, chosen)
        folder = metadata_folder(chosen.variant, chosen.arch)
        for name, data in session.metadata_files().items():
            bundle.add(f"{folder}/{path_of(name)}", len(data), [data])
        for target in targets:
            name = f"{TARGETS}/{session.target_file(target)}"
            bundle.add(name, target.length, _verified(session, target, progress))
    return Exported(path, chosen, bundle.length)


def _verified(session: Session, target: Target, progress: Progress) -> Iterator[bytes]:
    """The bytes of a target; ends in an error where they are not the signed ones."""
    tally = Tally(algorithms_in(target.hashes, target.name))
    with session.stream(target) as body:
        capped = tally.through(cap(body, target.length, target.name))
        yield from moved(capped, lambda done: progress(_at(target, done)))
    tally.check(target.name, target.length, target.hashes)


def _at(target: Target, done: int) -> Moving:
    phase = Phase.DONE if done == target.length else Phase.TRANSFER
    return Moving(target.name, phase, done, target.length, received=done, written=done)
