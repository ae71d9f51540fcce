"""Who asks a repository, and the full refresh that every installation begins with (formats 5.5)."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from updog import manifest
from updog.body import Fetcher
from updog.clock import Clock
from updog.durable import read_small
from updog.errors import ConfigError
from updog.jsontree import MAX_BYTES
from updog.manifest import Manifest
from updog.select import Host
from updog.settings import Settings
from updog.tufstore import MetadataStore
from updog.unchanged import MANIFEST
from updog.version import Version

if TYPE_CHECKING:
    from updog.session import Session

log = logging.getLogger(__name__)

ROOT_LIMIT = 1 << 20


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
        RepositoryUrls(*addresses(env.settings)),
        shipped_root(paths.trusted_root),
        MetadataStore(paths.tuf_dir),
        fetcher or env.fetcher,
        env.now,
        grace=env.grace,
    )
    if env.clock is not None:
        session.follow(env.clock)
    for name, value in introduction(env).items():
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


def addresses(settings: Settings) -> tuple[str, str]:
    """Where the repository is: its metadata, and its targets."""
    return settings.metadata_base_url, settings.targets_base_url


def introduction(env: Visitor) -> dict[str, str]:
    """The parameters of all URLs, unless this host keeps to itself (formats 7)."""
    if not env.settings.download.send_host_info:
        return {}
    return {"version": str(env.host.version), "seed": str(env.host.seed)}
