"""The same migrations on a copy, there and back, before anything depends on them."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from updog.datastore.links import Chain, read_chain
from updog.datastore.reader import read_store
from updog.errors import DataError, MigrationError, PermissionDenied, StorageError
from updog.migrate.cached import CachedRepository
from updog.migrate.conversion import Tools, converting
from updog.migrate.letters import random_letters
from updog.migrate.outcome import Journey, Rehearsed, differences
from updog.migrate.switching import Repository, plan, refusals_told
from updog.settings import Paths
from updog.version import Version

log = logging.getLogger(__name__)


def rehearse(
    current: Path,
    goal: Version,
    repository: Callable[[], Repository],
    now: datetime,
    tools: Tools,
) -> Rehearsed:
    """Run the migrations to a version and back on a copy, and compare.

    Args:
        current: the first link of the chain; neither it nor the store is touched.
        goal: the version to come.
        repository: opens the cached repository; called only if there is a store of another version.
        now: to tell what has expired.
        tools: what to work with.

    Raises:
        MigrationError: no chain leads there, or a migration failed on the way there or back.
        StoreError: the links or the store are damaged.
        TrustError: the cached repository is not whole, or not what was signed.
        StorageError, PermissionDenied: the file system refused.
    """
    with refusals_told(current):
        chain = read_chain(current)
        if chain is None or chain.version == goal:
            return Rehearsed(Journey(chain and chain.version, goal), (), ())
        source = repository()
        journey = plan(chain, goal, source, now)
        if not journey.migrations:
            return Rehearsed(journey, (), ())
        return _there_and_back(chain, source, journey, tools)


def _there_and_back(chain: Chain, source: Repository, journey: Journey, tools: Tools) -> Rehearsed:
    before = read_store(chain.folder)
    with converting(chain.folder, source, tools) as conversion:
        conversion.run(journey.migrations, journey.way)
        there = read_store(conversion.result)
        conversion.run(tuple(reversed(journey.migrations)), journey.way.back)
        back = read_store(conversion.result)
    return Rehearsed(
        journey.remarking(*conversion.remarks),
        tuple(differences(before, there)),
        tuple(differences(before, back)),
    )


def before_update(
    paths: Paths, start: Version, goal: Version, now: datetime, tools: Tools | None = None
) -> None:
    """Rehearse what the next boot will do, with the very files that were cached for it.

    Where this machine cannot (no data store, one of another version, no room), that is logged and
    the update goes on.

    Args:
        paths: where the data store and the caches are.
        start: the running version.
        goal: the version that is about to be installed.
        now: the time of the run.
        tools: what to work with, if not the usual.

    Raises:
        MigrationError: the migrations would fail at the next boot, or on the way back from there.
    """
    tools = tools or Tools(random_letters)
    try:
        chain = read_chain(paths.datastore)
        if chain is None or chain.version != start:
            log.debug("no rehearsal: %s holds no settings of %s", paths.datastore, start)
            return
        done = rehearse(paths.datastore, goal, lambda: cached(paths), now, tools)
    except (OSError, StorageError, PermissionDenied) as error:
        log.warning("The migrations cannot be rehearsed here: %s", error)
        return
    except DataError as error:
        raise MigrationError(
            f"the settings of this machine cannot be migrated to {goal}: {error}",
            hint="Tell the publisher. With policy.rehearse = false this is found out at boot.",
        ) from error
    _tell(done)


def cached(paths: Paths) -> CachedRepository:
    """The repository in the caches of a configuration.

    Raises:
        UpdogError: see `CachedRepository`.
    """
    return CachedRepository(paths.trusted_root, paths.metadata_cache_dir, paths.migrations_dir)


def _tell(done: Rehearsed) -> None:
    count = len(done.journey.migrations)
    if count:
        log.info("Rehearsed %d migrations: %d values change", count, len(done.changed))
    if done.not_restored:
        log.warning(
            "After a way back %d values would differ; 'updog migrate --rehearse' shows them",
            len(done.not_restored),
        )
    for remark in done.journey.remarks:
        log.debug("rehearsal: %s", remark)
