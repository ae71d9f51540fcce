"""One run of the client, in the steps and order of formats 5.5. Returns values, prints nothing.

The command line calls this today; anything else that updates a machine calls the same functions.
What a run needs stands in its `Environment`, so nothing here is global and nothing is looked up.
What only asks, and changes nothing, stands in `updog.visit`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from updog import events, install, migrations, room, select
from updog.activation import activate
from updog.environment import Environment
from updog.install import Receipt
from updog.lock import RunLock
from updog.manifest import Manifest, Update
from updog.migrate.rehearsal import before_update
from updog.select import Chosen, Declined, Verdict
from updog.session import Session
from updog.settings import Paths
from updog.staging import may_fail, running_release, stage
from updog.standing import stands_whole
from updog.unchanged import MANIFEST
from updog.visit import (
    Visitor,
    Wish,
    available,
    check,
    connect,
    log_warnings,
    policy,
    read_manifest,
    shipped_root,
)

__all__ = [
    "MANIFEST",
    "Environment",
    "Examined",
    "Installed",
    "Prepared",
    "Visitor",
    "Wish",
    "available",
    "check",
    "connect",
    "examine",
    "policy",
    "prepare",
    "read_manifest",
    "running_release",
    "shipped_root",
    "update",
    "update_image",
]


@dataclass(frozen=True, slots=True)
class Installed:
    """An update that stands on the inactive set.

    Attributes:
        update: which.
        receipts: the proof for each image that this run wrote; empty if none was.
        already: it stood there whole before this run, which wrote nothing to it.
    """

    update: Update
    receipts: tuple[Receipt, ...]
    already: bool = False


@dataclass(frozen=True, slots=True)
class Prepared:
    """An update whose migrations and metadata wait in their caches; the disk is untouched."""

    update: Update
    cached: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Examined:
    """What the repository offers and what the rules say about each update."""

    verdicts: tuple[Verdict, ...]
    outcome: Chosen | Declined
    versions: dict[str, int]
    expires: dict[str, datetime]


def examine(env: Visitor, wish: Wish) -> Examined:
    """Ask the repository for every update and what speaks for and against it.

    Raises:
        UpdogError: as for `check`.
    """
    with RunLock(env.settings.paths.lock):
        session = connect(env)
        offered = read_manifest(session)
        rules = policy(env, wish, offered)
        return Examined(
            verdicts=select.explain(offered, env.host, rules, env.now),
            outcome=select.choose(offered, env.host, rules, env.now),
            versions=dict(session.versions()),
            expires=dict(session.expires()),
        )


def prepare(env: Visitor, wish: Wish) -> Prepared | Declined:
    """Cache what the next boot into the chosen update needs; touches no disk and no boot bits.

    Nothing is removed from the caches: the set that this update would replace may still boot.

    Raises:
        UpdogError: as for `check`; MigrationError, StorageError.
    """
    with RunLock(env.settings.paths.lock):
        session = connect(env)
        offered = read_manifest(session)
        outcome = select.choose(offered, env.host, policy(env, wish, offered), env.now)
        if isinstance(outcome, Declined):
            return outcome
        return Prepared(outcome.update, cache(env, session, offered, outcome.update))


def update_image(env: Environment, wish: Wish) -> Installed | Declined:
    """Write the chosen update to the inactive set and mark it valid; the next boot stays as it is.

    Raises:
        UpdogError: as for `prepare`, and UnconfirmedBoot, TargetMismatch.
        PartitionError: the disk failed or refused.
    """
    with RunLock(env.settings.paths.lock):
        return _install(env, wish)


def update(env: Environment, wish: Wish) -> Installed | Declined:
    """Like `update_image`, and let the bootloader choose the new set.

    Raises:
        UpdogError: as for `update_image`.
        PartitionError: the disk failed or refused.
    """
    with RunLock(env.settings.paths.lock):
        result = _install(env, wish)
        if isinstance(result, Installed) and not (result.already and _boots_next(env)):
            activate(env.settings, env.control, str(result.update.version))
            following = env.control.status().next
            events.tell(events.ACTIVATED, slot=following, version=result.update.version)
        return result


def cache(env: Visitor, session: Session, offered: Manifest, chosen: Update) -> tuple[str, ...]:
    """Keep migrations, manifest and metadata for the next boot (steps 6 and 7).

    All are kept even when no migration is needed: the migrator reads the manifest to see that.

    Raises:
        MigrationError: no chain leads from the running version to the chosen one.
        UpdogError: a target cannot be fetched or kept.
    """
    already = len(session.warnings)
    _tell(env, session, "target", str(chosen.version))
    names = (*migrations.path(offered.migrations, env.host.version, chosen.version), MANIFEST)
    paths = env.settings.paths
    _require_room(session, names, paths)
    session.cache(names, paths.migrations_dir, paths.metadata_cache_dir)
    _tell(env, session, "migrations", ",".join(names))
    log_warnings(session, already)
    return names


def _require_room(session: Session, names: tuple[str, ...], paths: Paths) -> None:
    """See that what the next boot needs fits, before the first of it is written.

    Nothing else may refuse an update for want of room: kept metadata, notes and hashes may fail
    (`may_fail`), and a map goes on in memory (`updog.pipeline.scratch`).
    """
    targets = {session.target_file(one): one.length for one in map(session.target, names)}
    metadata = {name: len(data) for name, data in session.metadata_files().items()}
    # A cached target that is right stays as it is; metadata is written anew each time.
    missing = room.absent(paths.migrations_dir, targets)
    needs = (
        (paths.migrations_dir, missing, "migrations and manifest"),
        (paths.metadata_cache_dir, metadata, "metadata for the next boot"),
    )
    room.require(room.Need(to, room.peak(to, files), what) for to, files, what in needs)


def _install(env: Environment, wish: Wish) -> Installed | Declined:
    """Steps 2 to 10; the caller holds the lock."""
    session = connect(env)
    offered = read_manifest(session)
    outcome = select.choose(offered, env.host, policy(env, wish, offered), env.now)
    if isinstance(outcome, Declined):
        return outcome
    # Asked before the download too, so that a refusal does not cost the network anything.
    install.refuse_unconfirmed(env.control, force=wish.force)
    if stands_whole(env, session, outcome.update):
        # What the next boot needs may be gone, or older than the update; it costs a look.
        cache(env, session, offered, outcome.update)
        return Installed(outcome.update, (), already=True)
    env.starting(outcome.update)
    events.tell(events.STARTED, version=outcome.update.version)
    names = cache(env, session, offered, outcome.update)
    if env.settings.rehearse:
        # A boot that cannot migrate the settings falls back: find out before the old set goes.
        before_update(env.settings.paths, env.host.version, outcome.update.version, env.now)
    receipts = stage(env, session, outcome.update, force=wish.force)
    # Only now can nothing but the running and the new set boot: before, a fallback to the old one
    # could have found its migrations gone.
    may_fail(lambda: session.prune(names, env.settings.paths.migrations_dir))
    return Installed(outcome.update, receipts)


def _boots_next(env: Environment) -> bool:
    status = env.control.status()
    return status.next is not None and status.next != status.active


def _tell(env: Visitor, session: Session, name: str, value: str) -> None:
    """Add a query parameter to all further URLs, unless this host keeps to itself (formats 7)."""
    if env.settings.download.send_host_info:
        session.query(name, value)
