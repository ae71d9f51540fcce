"""Draft to published repository, in an order that leaves clients a valid one at every instant.

    published/targets/<sha256>.NAME                     all editions' target files
    published/VARIANT/ARCH/V.targets.json               what there is
    published/VARIANT/ARCH/V.snapshot.json              which targets.json is meant
    published/VARIANT/ARCH/N.root.json                  who may sign
    published/VARIANT/ARCH/timestamp.json               which snapshot is meant: the switch

The files are written from top to bottom, each of them whole or not at all, and the targets of all
editions before the first metadata. Until the last one is in
place every client is still led to the files of the publish before, and none of those is ever
changed or removed. A publish that was killed is completed by running it again; its half-written
version number is passed over, because somebody may have seen a file of it.

New roots go out just before the timestamp and not first: if one of them changes an online key, the
timestamp that is still in place is signed by the old one, and that window should be short.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import TypeAlias

from repo_tools import plan as planning
from repo_tools import released, root, signing, storage
from repo_tools.draft import Edition
from repo_tools.errors import PublishedError, RootError
from repo_tools.plan import Item, published_name
from repo_tools.repository import Repository
from repo_tools.root import SignedRoot
from repo_tools.signing import Signers

Report: TypeAlias = Callable[[str], None]
ROOT_WARNING = timedelta(days=30)
HASHED_UP_TO = 1 << 20
"""Published files up to this many bytes, the manifest above all, are compared byte for byte."""


_RENEW = "Renew it with the offline root keys at hand: updog-repo renew-root DIR"


def quiet(_message: str) -> None:
    """Report nothing."""


@dataclass(frozen=True, slots=True)
class Lifetimes:
    """How long signed metadata is believed (formats 13.4 has the same spans)."""

    targets: timedelta = timedelta(weeks=2)
    snapshot: timedelta = timedelta(weeks=2)
    timestamp: timedelta = timedelta(weeks=1)

    def spans(self) -> tuple[timedelta, timedelta, timedelta]:
        """The three of them, in the order in which the files are signed."""
        return self.targets, self.snapshot, self.timestamp


_USUAL = Lifetimes()


@dataclass(frozen=True, slots=True)
class Release:
    """One edition's metadata of one publish.

    Attributes:
        version: of targets, snapshot and timestamp alike.
        expires: the earliest of the three expiries and that of the root.
    """

    edition: Edition
    version: int
    expires: datetime


def publish(
    repository: Repository,
    *,
    now: datetime,
    editions: Iterable[Edition] | None = None,
    lifetimes: Lifetimes = _USUAL,
    report: Report = quiet,
) -> tuple[Release, ...]:
    """Publish drafts: all of them are checked and signed before the first file is written.

    Args:
        repository: whose drafts.
        now: the moment from which the lifetimes count.
        editions: which ones; None: all.
        lifetimes: of the new metadata.
        report: told each step just before it is taken.

    Raises:
        PublisherBusy: another publisher or editor is at work.
        DraftError: a draft has faults; nothing was written.
        RootError: the root history is broken or its newest version has expired.
        KeyFileError: too few keys to sign; nothing was written.
    """
    with _running(repository, now, lifetimes, report) as run:
        chosen = tuple(editions) if editions is not None else repository.select()
        return run.put_out([run.sign(edition, run.planned(edition)) for edition in chosen])


def refresh(
    repository: Repository,
    *,
    now: datetime,
    editions: Iterable[Edition] | None = None,
    lifetimes: Lifetimes = _USUAL,
    report: Report = quiet,
) -> tuple[Release, ...]:
    """Sign again what is published, with new expiries; drafts do not matter.

    Raises:
        PublishedError: what is published is damaged or not signed by us; it is left as it is.
        PublisherBusy: another publisher or editor is at work.
        RootError: the root history is broken or its newest version has expired.
        KeyFileError: too few keys to sign; nothing was written.
    """
    with _running(repository, now, lifetimes, report) as run:
        chosen = tuple(editions) if editions is not None else repository.select()
        return run.put_out([run.sign(edition, run.published(edition)) for edition in chosen])


@contextmanager
def _running(
    repository: Repository, now: datetime, lifetimes: Lifetimes, report: Report
) -> Iterator[_Run]:
    """Hold the repository's lock for one run, which has its roots checked and its keys at hand."""
    with repository.locked():
        yield _begin(repository, now, lifetimes, report)


def _begin(repository: Repository, now: datetime, lifetimes: Lifetimes, report: Report) -> _Run:
    roots = root.history(repository.roots)
    newest = roots[-1].root
    left = newest.expires - now
    if left <= timedelta(0):
        raise RootError(f"The root expired at {newest.expires:%Y-%m-%d %H:%M} UTC.", hint=_RENEW)
    if left < ROOT_WARNING:
        report(f"Warning: the root expires in {left.days} days. {_RENEW}")
    return _Run(repository, roots, repository.signers(newest), now, lifetimes, report)


@dataclass(frozen=True, slots=True)
class _Signed:
    """Everything to be written for one edition, in memory."""

    release: Release
    items: Sequence[Item]
    targets: bytes
    snapshot: bytes
    timestamp: bytes


@dataclass(frozen=True, slots=True)
class _Run:
    """One publish or refresh, under the lock."""

    repository: Repository
    roots: Sequence[SignedRoot]
    signers: Signers
    now: datetime
    lifetimes: Lifetimes
    report: Report

    def planned(self, edition: Edition) -> tuple[Item, ...]:
        """What the draft of an edition asks for."""
        plan = planning.make(self.repository.draft(edition), self.repository.published_targets)
        for note in plan.notes:
            self.report(f"Note: {note}")
        return plan.items

    def published(self, edition: Edition) -> tuple[Item, ...]:
        """What an edition has published already, every file of it still being there."""
        folder = self.repository.published_targets
        listed = released.targets(edition.below(self.repository.published), self.signers.root)
        files = [target for _, target in sorted(listed.targets.items())]
        items = tuple(Item(target, folder / published_name(target)) for target in files)
        for item in items:
            if not _is_there(folder / item.file_name, item):
                raise PublishedError(
                    f"{folder / item.file_name} is missing or has other bytes.",
                    hint="Publish again from the draft: updog-repo publish DIR",
                )
        return items

    def sign(self, edition: Edition, items: Sequence[Item]) -> _Signed:
        """The three metadata files of an edition, each naming the one before."""
        folder = edition.below(self.repository.published)
        _check_published_roots(folder, self.roots)
        version = 1 + max(
            released.highest_version(folder), self.repository.draft(edition).last_version()
        )
        ends = [self.now + span for span in self.lifetimes.spans()]
        files = [item.target for item in items]
        targets = self.signers.sign(signing.targets_of(files, version, ends[0]))
        snapshot = self.signers.sign(signing.snapshot_of(targets, version, ends[1]))
        timestamp = self.signers.sign(signing.timestamp_of(snapshot, version, ends[2]))
        earliest = signing.whole_second(min([*ends, self.signers.root.expires]))
        return _Signed(Release(edition, version, earliest), items, targets, snapshot, timestamp)

    def put_out(self, everything: Sequence[_Signed]) -> tuple[Release, ...]:
        """Write what was signed: every target of every edition before the first metadata."""
        self._prepare(self.repository.published_targets)
        for signed in everything:
            for item in signed.items:
                self._put_target(item)
        for signed in everything:
            self._put_metadata(signed)
        return tuple(signed.release for signed in everything)

    def _put_metadata(self, signed: _Signed) -> None:
        """The order that keeps clients served; see the top of this file."""
        edition, version = signed.release.edition, signed.release.version
        folder = edition.below(self.repository.published)
        self._prepare(folder)
        # Noted before the first file carries it: whatever happens, the number is never used again.
        self.repository.draft(edition).note_version(version)
        self._put(folder / f"{version}.targets.json", signed.targets)
        self._put(folder / f"{version}.snapshot.json", signed.snapshot)
        for one in self.roots:
            if not (folder / one.name).exists():
                self._put(folder / one.name, one.data)
        # Last: from here on, and not before, clients are led to the new files.
        self._put(folder / released.TIMESTAMP, signed.timestamp)

    def _prepare(self, folder: Path) -> None:
        storage.make_folder(folder)
        storage.sweep(folder)

    def _put_target(self, item: Item) -> None:
        destination = self.repository.published_targets / item.file_name
        if _is_there(destination, item):
            return
        self.report(f"Writing targets/{item.file_name}")
        if isinstance(item.content, bytes):
            storage.write(destination, item.content)
        else:
            storage.copy(item.content, destination, expected=item.target.hashes["sha256"])

    def _put(self, path: Path, data: bytes) -> None:
        self.report(f"Writing {path.relative_to(self.repository.published)}")
        storage.write(path, data)


def _is_there(path: Path, item: Item) -> bool:
    """Tell whether a published file is in place, with the right bytes as far as that is cheap.

    A large file is known by its length: its name is its hash, it was hashed while it was copied,
    and it came into place in one step, so only later damage could change it. Reading every image
    ever published again for each refresh would take minutes; clients compare the hash anyway.
    """
    if not path.is_file() or path.stat().st_size != item.target.length:
        return False
    if item.target.length > HASHED_UP_TO:
        return True
    return sha256(path.read_bytes()).hexdigest() == item.target.hashes["sha256"]


def _check_published_roots(folder: Path, roots: Sequence[SignedRoot]) -> None:
    """A root in place is never replaced, so it has to be ours."""
    for one in roots:
        path = folder / one.name
        if path.exists() and path.read_bytes() != one.data:
            raise PublishedError(
                f"{path} is not the {one.name} of this repository.",
                hint="Find out who put it there; then remove it and publish again.",
            )
