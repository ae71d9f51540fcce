"""The migration at boot: settings of the version that ran become settings of the one that runs.

At every moment the links lead to a whole store on stable storage: the old one until the flip, the
new one from it on. A run that is cut short anywhere is simply made again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Protocol

from updog import migrations
from updog.datastore.collecting import collect
from updog.datastore.copying import Dress, copy_store
from updog.datastore.links import Chain, flip, numbers, read_chain, store_name, told_version
from updog.errors import PermissionDenied, StorageError
from updog.manifest import Manifest
from updog.migrate.conversion import Programs, Tools, converting
from updog.migrate.outcome import Journey, Migrated
from updog.overdue import in_words
from updog.version import Version


class Repository(Programs, Protocol):
    """Where the manifest and the migrations come from."""

    def manifest(self) -> Manifest:
        """The manifest, which says which migrations there are."""

    def expired(self, now: datetime) -> Mapping[str, timedelta]:
        """The roles whose time is over, and for how long."""


def migrate(
    current: Path,
    goal: Version,
    repository: Callable[[], Repository],
    now: datetime,
    tools: Tools,
) -> Migrated:
    """Bring the data store to a version.

    Args:
        current: the first link of the chain.
        goal: the version that runs.
        repository: opens the cached repository; called only if the versions differ.
        now: to tell what has expired.
        tools: what to work with.

    Raises:
        MigrationError: no chain leads there, or a migration failed; the old store is in use.
        StoreError: the links or the store are damaged.
        TrustError: the cached repository is not whole, or not what was signed.
        StorageError, PermissionDenied: the file system refused.
    """
    with refusals_told(current):
        chain = read_chain(current)
        if chain is None:
            return Migrated(Journey(None, goal), None)
        if chain.version == goal:
            return Migrated(Journey(goal, goal), chain.folder)
        source = repository()
        journey = plan(chain, goal, source, now)
        if not journey.migrations and _links_suffice(chain, goal):
            flip(current, goal, chain.folder.name, tools.files)
            return Migrated(journey, chain.folder)
        return _convert(current, chain, source, journey, tools)


def plan(chain: Chain, goal: Version, source: Repository, now: datetime) -> Journey:
    """Which migrations are to run.

    Raises:
        MigrationError: no chain leads there.
        TrustError, ManifestError: the manifest cannot be believed or understood.
    """
    names = migrations.path(source.manifest().migrations, chain.version, goal)
    expired = source.expired(now).items()
    remarks = [f"the cached {role}.json expired {in_words(past)} ago" for role, past in expired]
    return Journey(chain.version, goal, names, tuple(remarks))


def _links_suffice(chain: Chain, goal: Version) -> bool:
    """Whether the store, under its old name, can be told to be of the new version.

    The links carry three numbers only. A pre-release that linked to a store of another name would
    be taken for the release, or the other way round, and be migrated again at each boot.
    """
    return told_version(f"v{numbers(goal)}", chain.folder.name) == goal


def _convert(
    current: Path, chain: Chain, source: Repository, journey: Journey, tools: Tools
) -> Migrated:
    new = current.with_name(store_name(journey.end, tools.letters()))
    with converting(chain.folder, source, tools) as conversion:
        conversion.run(journey.migrations, journey.way)
        # Copied, not renamed: what migrations made belongs to them, and they could have kept it
        # open. Nothing leads to the copy until all of it is on stable storage.
        dress = Dress.like(chain.folder)
        copy_store(conversion.result, new, dress, tools.files, durable=True)
    flip(current, journey.end, new.name, tools.files)
    journey = journey.remarking(*conversion.remarks)
    return _collected(current, Migrated(journey, new, chain.folder), tools)


def _collected(current: Path, done: Migrated, tools: Tools) -> Migrated:
    """Remove the stores before the one we came from. Those two stay, whatever comes next."""
    keep = {path.name for path in (done.store, done.kept) if path is not None}
    try:
        gone = collect(current, keep, tools.files)
    except OSError as error:
        # The settings are in place: a boot must not fail over old ones.
        remark = f"old data stores cannot be removed: {error.strerror}"
        return Migrated(done.journey.remarking(remark), done.store, done.kept)
    return Migrated(done.journey, done.store, done.kept, gone)


@contextmanager
def refusals_told(path: Path) -> Iterator[None]:
    """Tell what a file system refuses in our own words.

    Raises:
        PermissionDenied: this user may not.
        StorageError: anything else.
    """
    try:
        yield
    except PermissionError as error:
        where = error.filename or path
        raise PermissionDenied(f"{where} may not be used.", hint="Run as root.") from error
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        message = f"the data store {path}: {where}{error.strerror}."
        raise StorageError(message, hint="The links lead to a whole store; try again.") from error
