"""The repository under the trust of an update, but with a memory that nothing is added to."""

from __future__ import annotations

import json
import platform
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

from updog import host, manifest, network, select
from updog.body import Fetcher
from updog.doctor.check import Check, failed_by, ok, warn
from updog.errors import UpdogError
from updog.jsontree import MAX_BYTES
from updog.overdue import in_words
from updog.select import Host, Policy
from updog.session import RepositoryUrls, Session
from updog.settings import Settings
from updog.tuffiles import Target
from updog.tufstore import MetadataStore
from updog.update import MANIFEST, shipped_root
from waves.duration import format_moment

SOON = timedelta(days=2)
_ROLES = ("root", "timestamp", "snapshot", "targets")


class Glance(MetadataStore):
    """A store that gives what there is and keeps nothing new."""

    def save(self, role: str, data: bytes) -> None:
        """Keep nothing."""

    def delete(self, role: str) -> None:
        """Forget nothing."""

    def save_root(self, version: int, data: bytes) -> None:
        """Keep nothing."""

    def delete_root(self, version: int) -> None:
        """Forget nothing."""


def repository(settings: Settings, now: datetime) -> Iterator[Check]:
    """Load the metadata, tell each file's version and expiry, and read a part of one target."""
    once = settings._replace(download=settings.download._replace(retries=0))
    try:
        fetcher = network.fetcher(once)
    except UpdogError as error:
        yield failed_by("tuf", error)
        return
    try:
        yield from _visit(settings, fetcher, now)
    finally:
        fetcher.close()


def _visit(settings: Settings, fetcher: Fetcher, now: datetime) -> Iterator[Check]:
    urls = RepositoryUrls(settings.metadata_base_url, settings.targets_base_url)
    store = Glance(settings.paths.tuf_dir)
    try:
        root = shipped_root(settings.paths.trusted_root)
        session = Session(urls, root, store, fetcher, now)
        session.refresh()
    except UpdogError as error:
        yield failed_by("tuf", error)
        yield from kept(settings.paths.tuf_dir)
        return
    yield from (warn("tuf", warning) for warning in session.warnings)
    for role, expires in session.expires().items():
        yield _role(role, session.versions()[role], expires, now)
    yield from _targets(session, settings, now)


def _role(role: str, version: int, expires: datetime, now: datetime) -> Check:
    name, left = f"{role}.json", expires - now
    said = f"version {version}, expires {format_moment(expires)}, in {in_words(left)}"
    if left < SOON:
        return warn(name, said, "Ask the publisher to sign it again.")
    return ok(name, said)


def kept(folder: Path) -> Iterator[Check]:
    """Tell what earlier runs kept, unverified: to see how far this machine once came."""
    for role in _ROLES:
        try:
            signed = json.loads((folder / f"{role}.json").read_bytes())["signed"]
            said = f"kept by an earlier run: version {signed['version']}, to {signed['expires']}"
        except (OSError, ValueError, LookupError, TypeError, RecursionError):
            continue
        yield ok(f"{role}.json", said)


def _targets(session: Session, settings: Settings, now: datetime) -> Iterator[Check]:
    try:
        offered = manifest.parse(session.read(MANIFEST, max_bytes=MAX_BYTES))
        yield ok(MANIFEST, f"{len(offered.updates)} updates")
        yield _range(session, _largest(session, offered, settings, now))
    except UpdogError as error:
        yield failed_by("target", error)


def _largest(
    session: Session, offered: manifest.Manifest, settings: Settings, now: datetime
) -> Target:
    """The root image that this host might take; the manifest where there is none."""
    version, variant = host.read_identity(settings.paths.os_release)
    who = Host(variant, platform.machine(), version, settings.seed or 0)
    found = select.applicable(offered, who, Policy(ignore_waves=True), now)
    return session.target(found[0].images.root if found else MANIFEST)


def _range(session: Session, target: Target) -> Check:
    """Ask for the second half of a target, and read no more than its beginning."""
    middle = target.length // 2
    with session.stream(target, offset=middle) as body:
        got = len(next(iter(body), b""))
        began = body.offset
    if began != middle:
        said = f"{target.name}: the server sends it from byte {began} instead of {middle}"
        return warn("target", said, "Without ranges, a transfer that broke off starts afresh.")
    return ok("target", f"{target.name}: {got} bytes came from byte {middle} on, as asked")
