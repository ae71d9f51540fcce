"""Asking the repository: what it offers, and which update is for this host. Installs nothing.

`connect` is the full refresh that every installation begins with (formats 5.5). A mere question is
asked more often, on many hosts in vain. Where nothing has changed since the last one,
`updog.unchanged` answers it without reading a signature, and without the start-up time of the code
that does.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from updog import manifest, select
from updog.body import Fetcher
from updog.clock import Clock
from updog.durable import read_small
from updog.errors import ConfigError, NotThere, PermissionDenied, StorageError, TrustError
from updog.health.bad import bad_versions
from updog.jsontree import MAX_BYTES
from updog.lock import RunLock
from updog.manifest import Manifest, Update
from updog.select import Chosen, Declined, Host, Policy
from updog.settings import Settings
from updog.tufnames import url
from updog.tufstore import MetadataStore
from updog.unchanged import MANIFEST, ROLES, Asked, Known, Memory
from updog.version import Version

if TYPE_CHECKING:
    from updog.session import Session

log = logging.getLogger(__name__)

ROOT_LIMIT = 1 << 20
TIMESTAMP_LIMIT = 1 << 20


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
class Seen:
    """What one look at the repository told.

    Attributes:
        available: every update that this host could take now, highest first.
        outcome: the one that it should take.
    """

    available: tuple[Update, ...]
    outcome: Chosen | Declined


class Visitor(Protocol):
    """The part of an `updog.update.Environment` that meets the repository."""

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

    @property
    def clock(self) -> Clock | None:
        """For what takes long (`updog.session`); None where time stands still."""


def check(env: Visitor, wish: Wish) -> Chosen | Declined:
    """Ask the repository which update this host should take now.

    Raises:
        UpdogError: see `connect` and `read_manifest`; BusyError while another run is at work.
    """
    with RunLock(env.settings.paths.lock):
        offered = _offered(env)
        return select.choose(offered, env.host, policy(env, wish, offered), env.now)


def available(env: Visitor, wish: Wish) -> tuple[Update, ...]:
    """Ask the repository for every update that this host could take now, highest first.

    Raises:
        UpdogError: as for `check`.
    """
    with RunLock(env.settings.paths.lock):
        offered = _offered(env)
        return select.applicable(offered, env.host, policy(env, wish, offered), env.now)


def see(env: Visitor, wish: Wish) -> Seen:
    """Both of them, from one look at the repository.

    Raises:
        UpdogError: as for `check`.
    """
    with RunLock(env.settings.paths.lock):
        offered = _offered(env)
        rules = policy(env, wish, offered)
        return Seen(
            select.applicable(offered, env.host, rules, env.now),
            select.choose(offered, env.host, rules, env.now),
        )


def policy(env: Visitor, wish: Wish, offered: Manifest | None = None) -> Policy:
    """The rules of selection: configuration, what failed here, and what this run was asked for.

    Args:
        env: who asks.
        wish: what this run was asked for.
        offered: what the repository offers, where that is known; for the soak.

    Raises:
        StorageError, PermissionDenied: what failed here cannot be read.
    """
    settings = env.settings
    return Policy(
        version_lock=settings.version_lock,
        ignore_waves=settings.ignore_waves or wish.ignore_waves,
        forced=wish.image,
        blocked=settings.blocked_versions,
        bad=bad_versions(settings.paths.health),
        soak=settings.soak,
        seen=_seen(env, offered) if settings.soak and offered is not None else {},
    )


def _seen(env: Visitor, offered: Manifest) -> Mapping[Version, datetime]:
    """When this host was first offered each of its versions."""
    from updog.seen import first_seen  # noqa: PLC0415 - start-up: few soak

    who = (env.host.variant, env.host.arch)
    mine = [each.version for each in offered.updates if (each.variant, each.arch) == who]
    return first_seen(env.settings.paths.seen, mine, env.now)


def connect(env: Visitor, fetcher: Fetcher | None = None) -> Session:
    """Load the repository's metadata from the image's root and the kept state (steps 2 and 3).

    Args:
        env: who asks.
        fetcher: the way to the repository, instead of the visitor's own.

    Raises:
        ConfigError: there is no trusted root to start from.
        UnreachableError: the repository did not answer.
        TrustError: its metadata breaks a rule of TUF.
        StorageError: the kept state cannot be read or written.
    """
    from updog.overdue import overdue_lines  # noqa: PLC0415 - start-up: the same
    from updog.session import RepositoryUrls, Session  # noqa: PLC0415 - start-up: imports tuf

    paths = env.settings.paths
    session = Session(
        RepositoryUrls(*_addresses(env.settings)),
        shipped_root(paths.trusted_root),
        MetadataStore(paths.tuf_dir),
        fetcher or env.fetcher,
        env.now,
        grace=env.grace,
    )
    if env.clock is not None:
        session.follow(env.clock)
    for name, value in _introduction(env).items():
        session.query(name, value)
    session.refresh()
    log_warnings(session)
    for line in overdue_lines(session.overdue(), env.now, env.grace):
        log.warning("%s", line)
    return session


def read_manifest(session: Session) -> Manifest:
    """Read and parse the target ``manifest.json`` (step 4).

    Raises:
        UpdogError: it cannot be fetched, is not what was signed, or breaks its schema.
    """
    return manifest.parse(session.read(MANIFEST, max_bytes=MAX_BYTES))


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


def log_warnings(session: Session, already: int = 0) -> None:
    """Log what went wrong without stopping the run, from the warning `already` told on."""
    for warning in session.warnings[already:]:
        log.warning("%s", warning)


def _offered(env: Visitor) -> Manifest:
    """What the repository offers: as remembered if nothing has changed, or after a full refresh."""
    paths, asked = env.settings.paths, Asked(env.fetcher)
    memory = Memory(paths.unchanged, shipped_root(paths.trusted_root), _addresses(env.settings))
    stored = _stored(MetadataStore(paths.tuf_dir))
    # A grace is for carried metadata, and its rules are the session's.
    known = None if env.grace else memory.recall(stored, env.now)
    if known is not None and _is_current(env, asked, known, stored["timestamp"]):
        log.debug("the repository has not changed since the last check")
        return manifest.parse(known.manifest)
    session, content = _verified(env, asked)
    offered = manifest.parse(content)
    _remember(memory, session, content, env.now)
    return offered


def _verified(env: Visitor, asked: Asked) -> tuple[Session, bytes]:
    """Refresh and read the manifest, with what was asked already if that leads to an end."""
    if asked.anything:
        try:
            session = connect(env, asked)
            return session, session.read(MANIFEST, max_bytes=MAX_BYTES)
        except (TrustError, NotThere) as error:
            # Of several servers another one may do better, and only their own fetcher knows them.
            log.debug("asking again from the start: %s", error)
    session = connect(env)
    return session, session.read(MANIFEST, max_bytes=MAX_BYTES)


def _is_current(env: Visitor, asked: Asked, known: Known, timestamp: bytes) -> bool:
    """Ask the server in the order of the specification (5.3, 5.4); whether all is as stored."""
    base, query = env.settings.metadata_base_url, _introduction(env)
    address = url(base, "timestamp.json", query)
    try:
        if asked.ask(url(base, known.next_root, query), max_bytes=ROOT_LIMIT) is not None:
            return False
        return asked.ask(address, max_bytes=TIMESTAMP_LIMIT) == timestamp
    except TrustError:
        return False  # longer than it may be: the full refresh decides what to make of that


def _stored(store: MetadataStore) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    for role in ROLES:
        try:
            content = store.load(role)
        except (StorageError, PermissionDenied):
            continue  # the full refresh will say so
        if content is not None:
            found[role] = content
    return found


def _remember(memory: Memory, session: Session, content: bytes, now: datetime) -> None:
    try:
        memory.keep(session.trusted(), content, now)
    except (StorageError, PermissionDenied) as error:
        # Nothing but time is lost: the next check verifies everything again.
        log.debug("not remembered: %s", error)


def _addresses(settings: Settings) -> tuple[str, str]:
    return settings.metadata_base_url, settings.targets_base_url


def _introduction(env: Visitor) -> dict[str, str]:
    """The parameters of all URLs, unless this host keeps to itself (formats 7)."""
    if not env.settings.download.send_host_info:
        return {}
    return {"version": str(env.host.version), "seed": str(env.host.seed)}
