"""One run of the client, in the steps and order of formats 5.5. Returns values, prints nothing.

The command line calls this today; anything else that updates a machine calls the same functions.
What a run needs stands in its `Environment`, so nothing here is global and nothing is looked up.
What only asks, and changes nothing, stands in `updog.visit`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from partitions import verity
from partitions.blockio import Access, DeviceOpener
from partitions.bootcontrol import BootControl
from partitions.errors import PartitionError
from updog import events, install, kept, migrations, room, select, staged
from updog.activation import activate
from updog.body import Fetcher
from updog.clock import Clock
from updog.errors import PermissionDenied, StorageError, TargetMismatch
from updog.images import image_set
from updog.install import ImageSet, Receipt
from updog.lock import RunLock
from updog.manifest import Manifest, Update
from updog.migrate.rehearsal import before_update
from updog.moving import Progress, Watch, silent
from updog.pipeline.cancel import Cancel
from updog.pipeline.columns import Slices
from updog.select import Chosen, Declined, Host, Verdict
from updog.session import Session
from updog.settings import Settings
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

log = logging.getLogger(__name__)

ROOT_HASH_START = 8192
"""Bytes at the start of a hash image that its root hash depends on."""

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
    "shipped_root",
    "update",
    "update_image",
]


def unwatched(_update: Update) -> None:
    """Nobody wants to know that an update starts."""


@dataclass(frozen=True, slots=True)
class Environment:
    """Everything that one run touches.

    Attributes:
        settings: the configuration.
        host: who asks.
        now: the time of the whole run.
        fetcher: the way to the repository.
        open_device: the way to the partitions.
        control: the way to the boot bits.
        grace: how long past its expiry metadata is believed (`updog.trust`).
        clock: for what takes long (`updog.session`); None where time stands still.
        starting: told which update is about to be installed.
        progress: told how far the images are.
        cancel: ends an installation when it is given.
    """

    settings: Settings
    host: Host
    now: datetime
    fetcher: Fetcher
    open_device: DeviceOpener
    control: BootControl
    grace: timedelta = timedelta(0)
    clock: Clock | None = None
    starting: Callable[[Update], None] = unwatched
    progress: Progress = silent
    cancel: Cancel | None = None


@dataclass(frozen=True, slots=True)
class Installed:
    """An update that stands on the inactive set, with the proof for each image."""

    update: Update
    receipts: tuple[Receipt, ...]


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
        if isinstance(result, Installed):
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
    _require_room(session, names, paths.migrations_dir)
    session.cache(names, paths.migrations_dir, paths.metadata_cache_dir)
    _tell(env, session, "migrations", ",".join(names))
    log_warnings(session, already)
    return names


def _require_room(session: Session, names: tuple[str, ...], folder: Path) -> None:
    """See that the caches fit before the first of them is written."""
    targets = [session.target(name) for name in names]
    missing = [one for one in targets if not (folder / session.target_file(one)).exists()]
    room.require(folder, sum(one.length for one in missing), "migrations and manifest")


def _install(env: Environment, wish: Wish) -> Installed | Declined:
    """Steps 2 to 10; the caller holds the lock."""
    session = connect(env)
    offered = read_manifest(session)
    outcome = select.choose(offered, env.host, policy(env, wish, offered), env.now)
    if isinstance(outcome, Declined):
        return outcome
    # Asked before the download too, so that a refusal does not cost the network anything.
    install.refuse_unconfirmed(env.control, force=wish.force)
    env.starting(outcome.update)
    events.tell(events.STARTED, version=outcome.update.version)
    names = cache(env, session, offered, outcome.update)
    if env.settings.rehearse:
        # A boot that cannot migrate the settings falls back: find out before the old set goes.
        before_update(env.settings.paths, env.host.version, outcome.update.version, env.now)
    receipts = _stage(env, session, outcome.update, force=wish.force)
    # Only now can nothing but the running and the new set boot: before, a fallback to the old one
    # could have found its migrations gone.
    _may_fail(lambda: session.prune(names, env.settings.paths.migrations_dir))
    return Installed(outcome.update, receipts)


def _stage(
    env: Environment, session: Session, chosen: Update, *, force: bool
) -> tuple[Receipt, ...]:
    images = image_set(session, chosen.images, running_release(env.control, env.open_device))
    paths, slot = env.settings.paths, env.control.inactive_set().slot
    receipts = _write_images(env, session, images, force=force)
    for receipt in receipts:
        log.debug("%s", receipt)
    label = staged.StagedUpdate(slot, chosen.variant, chosen.arch, str(chosen.version))
    _may_fail(lambda: staged.remember(paths.staged, label))
    _may_fail(lambda: _remember_blocks(paths.kept_hashes, slot, receipts))
    events.tell(events.INSTALLED, version=chosen.version, slot=slot)
    return receipts


def running_release(control: BootControl, open_device: DeviceOpener) -> str | None:
    """The root hash of the running release, by which deltas are named; None where it has none."""
    try:
        with open_device(control.active_set().hash, Access.READ) as device:
            return verity.read_root_hash(device.pread(0, min(ROOT_HASH_START, device.size)))
    except PartitionError as error:
        log.debug("the running release has no root hash: %s", error)
        return None


def _remember_blocks(folder: Path, slot: str, receipts: Sequence[Receipt]) -> None:
    for role, receipt in zip(kept.ROLES, receipts, strict=True):
        if receipt.hashes is not None:
            kept.remember(folder, slot, role, receipt.hashes)


@dataclass(frozen=True, slots=True)
class _Kept:
    """What this host remembers about its sets (see `updog.beside.Ledger`)."""

    env: Environment

    def cleared(self) -> None:
        """What is known about a set goes before the first write to it, and comes back at the end.

        So it never tells of what is not there, and a refused update leaves it alone.
        """
        paths, slot = self.env.settings.paths, self.env.control.inactive_set().slot
        _may_fail(lambda: staged.forget(paths.staged))
        _may_fail(lambda: kept.forget(paths.kept_hashes, slot))

    def hashes(self, slot: str, role: str) -> Slices | None:
        """The kept hashes of a partition."""
        return kept.Kept(self.env.settings.paths.kept_hashes).hashes(slot, role)


def _write_images(
    env: Environment, session: Session, images: ImageSet, *, force: bool
) -> tuple[Receipt, ...]:
    while True:
        try:
            return install.stage(
                images,
                env.control,
                env.open_device,
                tries=env.settings.boot.tries,
                force=force,
                watch=Watch(env.progress, env.cancel),
                ledger=_Kept(env),
            )
        except TargetMismatch as error:
            # The set stays cleared until another server's bytes are what was signed.
            if not session.elsewhere(error):
                raise


def _may_fail(step: Callable[[], None]) -> None:
    """Take a step of bookkeeping: one that fails is said, and is no reason to go without an update.

    What a set holds and whether it may boot is decided by its bytes and bits alone.
    """
    try:
        step()
    except (StorageError, PermissionDenied) as error:
        log.warning("%s", error)


def _tell(env: Visitor, session: Session, name: str, value: str) -> None:
    """Add a query parameter to all further URLs, unless this host keeps to itself (formats 7)."""
    if env.settings.download.send_host_info:
        session.query(name, value)
