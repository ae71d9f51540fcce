"""One run of the client, in the steps and order of formats 5.5. Returns values, prints nothing.

The command line calls this today; anything else that updates a machine calls the same functions.
What a run needs stands in its `Environment`, so nothing here is global and nothing is looked up.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Protocol

from partitions.blockio import DeviceOpener
from partitions.bootcontrol import BootControl
from updog import install, manifest, migrations, select, staged
from updog.body import Fetcher
from updog.durable import read_small
from updog.errors import ConfigError, TargetMismatch
from updog.images import image_set
from updog.install import ImageSet, Progress, Receipt
from updog.jsontree import MAX_BYTES
from updog.lock import RunLock
from updog.manifest import Manifest, Update
from updog.overdue import overdue_lines
from updog.select import Chosen, Declined, Host, Policy, Verdict
from updog.session import RepositoryUrls, Session
from updog.settings import Settings
from updog.tufstore import MetadataStore
from updog.version import Version

log = logging.getLogger(__name__)

MANIFEST = "manifest.json"
ROOT_LIMIT = 1 << 20


def unwatched(_update: Update) -> None:
    """Nobody wants to know that an update starts."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What this run was asked for.

    Attributes:
        image: exactly this version, or None for what the configuration says.
        ignore_waves: take an update before this host's turn.
        force: update although the running boot is not confirmed (D8).
    """

    image: Version | None = None
    ignore_waves: bool = False
    force: bool = False


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
        starting: told which update is about to be installed.
        progress: told how far the images are.
    """

    settings: Settings
    host: Host
    now: datetime
    fetcher: Fetcher
    open_device: DeviceOpener
    control: BootControl
    grace: timedelta = timedelta(0)
    starting: Callable[[Update], None] = unwatched
    progress: Progress = install.silent


class Visitor(Protocol):
    """The part of an `Environment` that meets the repository."""

    @property
    def settings(self) -> Settings:
        """The configuration."""

    @property
    def host(self) -> Host:
        """Who asks."""

    @property
    def now(self) -> datetime:
        """The time of the whole run."""

    @property
    def fetcher(self) -> Fetcher:
        """The way to the repository."""

    @property
    def grace(self) -> timedelta:
        """How long past its expiry metadata is believed."""


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


def check(env: Environment, wish: Wish) -> Chosen | Declined:
    """Ask the repository which update this host should take now.

    Raises:
        UpdogError: see `connect` and `read_manifest`; BusyError while another run is at work.
    """
    with RunLock(env.settings.paths.lock):
        offered = read_manifest(connect(env))
        return select.choose(offered, env.host, policy(env, wish), env.now)


def available(env: Environment, wish: Wish) -> tuple[Update, ...]:
    """Ask the repository for every update that this host could take now, highest first.

    Raises:
        UpdogError: as for `check`.
    """
    with RunLock(env.settings.paths.lock):
        offered = read_manifest(connect(env))
        return select.applicable(offered, env.host, policy(env, wish), env.now)


def examine(env: Environment, wish: Wish) -> Examined:
    """Ask the repository for every update and what speaks for and against it.

    Raises:
        UpdogError: as for `check`.
    """
    with RunLock(env.settings.paths.lock):
        session = connect(env)
        offered = read_manifest(session)
        rules = policy(env, wish)
        return Examined(
            verdicts=select.explain(offered, env.host, rules, env.now),
            outcome=select.choose(offered, env.host, rules, env.now),
            versions=dict(session.versions()),
            expires=dict(session.expires()),
        )


def prepare(env: Environment, wish: Wish) -> Prepared | Declined:
    """Cache what the next boot into the chosen update needs; touches no disk and no boot bits.

    Raises:
        UpdogError: as for `check`; MigrationError, StorageError.
    """
    with RunLock(env.settings.paths.lock):
        session = connect(env)
        offered = read_manifest(session)
        outcome = select.choose(offered, env.host, policy(env, wish), env.now)
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
            install.activate(env.control)
        return result


def policy(env: Visitor, wish: Wish) -> Policy:
    """The rules of selection: the configuration, and what this run was asked for."""
    return Policy(
        version_lock=env.settings.version_lock,
        ignore_waves=env.settings.ignore_waves or wish.ignore_waves,
        forced=wish.image,
        blocked=env.settings.blocked_versions,
    )


def connect(env: Visitor) -> Session:
    """Load the repository's metadata from the image's root and the kept state (steps 2 and 3).

    Raises:
        ConfigError: there is no trusted root to start from.
        UnreachableError: the repository did not answer.
        TrustError: its metadata breaks a rule of TUF.
        StorageError: the kept state cannot be read or written.
    """
    paths = env.settings.paths
    urls = RepositoryUrls(env.settings.metadata_base_url, env.settings.targets_base_url)
    session = Session(
        urls,
        shipped_root(paths.trusted_root),
        MetadataStore(paths.tuf_dir),
        env.fetcher,
        env.now,
        grace=env.grace,
    )
    _tell(env, session, "version", str(env.host.version))
    _tell(env, session, "seed", str(env.host.seed))
    session.refresh()
    _log_warnings(session)
    for line in overdue_lines(session.overdue(), env.now, env.grace):
        log.warning("%s", line)
    return session


def read_manifest(session: Session) -> Manifest:
    """Read and parse the target ``manifest.json`` (step 4).

    Raises:
        UpdogError: it cannot be fetched, is not what was signed, or breaks its schema.
    """
    return manifest.parse(session.read(MANIFEST, max_bytes=MAX_BYTES))


def cache(env: Environment, session: Session, offered: Manifest, chosen: Update) -> tuple[str, ...]:
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
    session.cache(names, paths.migrations_dir, paths.metadata_cache_dir)
    _tell(env, session, "migrations", ",".join(names))
    _log_warnings(session, already)
    return names


def _install(env: Environment, wish: Wish) -> Installed | Declined:
    """Steps 2 to 10; the caller holds the lock."""
    session = connect(env)
    offered = read_manifest(session)
    outcome = select.choose(offered, env.host, policy(env, wish), env.now)
    if isinstance(outcome, Declined):
        return outcome
    # Asked before the download too, so that a refusal does not cost the network anything.
    install.refuse_unconfirmed(env.control, force=wish.force)
    env.starting(outcome.update)
    cache(env, session, offered, outcome.update)
    return Installed(outcome.update, _stage(env, session, outcome.update, force=wish.force))


def _stage(
    env: Environment, session: Session, chosen: Update, *, force: bool
) -> tuple[Receipt, ...]:
    images = image_set(session, chosen.images)
    slot = env.control.inactive_set().slot
    # The label goes first and comes back last: it never names a set that holds something else.
    staged.forget(env.settings.paths.staged)
    receipts = _write_images(env, session, images, force=force)
    for receipt in receipts:
        log.debug("%s", receipt)
    label = staged.StagedUpdate(slot, chosen.variant, chosen.arch, str(chosen.version))
    staged.remember(env.settings.paths.staged, label)
    return receipts


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
                progress=env.progress,
            )
        except TargetMismatch as error:
            # The set stays cleared until another server's bytes are what was signed.
            if not session.elsewhere(error):
                raise


def shipped_root(path: Path) -> bytes:
    """Read the root that came with the image: the beginning of all trust.

    Raises:
        ConfigError: there is none.
        StorageError, PermissionDenied: it cannot be read.
    """
    content = read_small(path, ROOT_LIMIT)
    if content is None:
        raise ConfigError(
            f"There is no trusted root {path}.",
            hint="Install the repository's root.json there, or set paths.trusted_root.",
        )
    return content


def _log_warnings(session: Session, already: int = 0) -> None:
    """Log what went wrong without stopping the run, from the warning `already` told on."""
    for warning in session.warnings[already:]:
        log.warning("%s", warning)


def _tell(env: Visitor, session: Session, name: str, value: str) -> None:
    """Add a query parameter to all further URLs, unless this host keeps to itself (formats 7)."""
    if env.settings.download.send_host_info:
        session.query(name, value)
