"""One publish or refresh: everything is signed in memory, then written in the order that matters.

    targets/<sha256>.NAME               all editions' target files
    VARIANT/ARCH/V.targets.json         what there is
    VARIANT/ARCH/V.snapshot.json        which targets.json is meant
    VARIANT/ARCH/N.root.json            who may sign
    VARIANT/ARCH/timestamp.json         which snapshot is meant: the switch

The files are written from top to bottom, each of them whole or not at all, and the targets of all
editions before the first metadata. Until the last one is in place every client is still led to the
files of the publish before, and none of those is ever changed or removed. A publish that was killed
is completed by running it again; its half-written version number is passed over, because somebody
may have seen a file of it.

New roots go out just before the timestamp and not first. If one of them changes an online key, the
old key signs once more beside the new one, and the root goes out just after the timestamp; see
`repo_tools.publishing.handover`, also for what happens where the old key is gone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from typing import TypeAlias

from repo_tools import plan as planning
from repo_tools import released, signing
from repo_tools.draft import MANIFEST, Edition
from repo_tools.errors import PublishedError
from repo_tools.ownwork import OwnWork
from repo_tools.plan import Item
from repo_tools.publishing.handover import Handover, handover
from repo_tools.publishing.vouching import Vouching
from repo_tools.released import TIMESTAMP, Released
from repo_tools.repository import Repository
from repo_tools.root import SignedRoot
from repo_tools.signing import Signers
from repo_tools.stores.place import Lifetimes
from repo_tools.stores.store import Store
from updog import manifest as manifest_format
from updog.errors import ManifestError
from updog.manifest import Manifest
from waves.duration import format_moment

Report: TypeAlias = Callable[[str], None]
HASHED_UP_TO = 1 << 20
"""Published files up to this many bytes, the manifest above all, are compared byte for byte."""
TARGETS = "targets"


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


def published_tree(releases: Iterable[Release]) -> dict[str, object]:
    """Releases for programs; docs/schemas/published.json describes it."""
    told = [
        {
            "variant": one.edition.variant,
            "arch": one.edition.arch,
            "metadata_version": one.version,
            "expires": format_moment(one.expires),
        }
        for one in releases
    ]
    return {"releases": told}


@dataclass(frozen=True, slots=True)
class Signed:
    """Everything to be written for one edition, in memory.

    Attributes:
        handover: how its new roots go out.
    """

    release: Release
    items: Sequence[Item]
    targets: bytes
    snapshot: bytes
    timestamp: bytes
    handover: Handover


@dataclass(frozen=True, slots=True)
class Run:
    """One publish or refresh, under the locks of the repository and of the store."""

    repository: Repository
    store: Store
    roots: Sequence[SignedRoot]
    signers: Signers
    now: datetime
    lifetimes: Lifetimes
    report: Report
    _sizes: dict[str, int] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        self._sizes.update(self.store.sizes(TARGETS))

    def planned(self, edition: Edition) -> tuple[Item, ...]:
        """What the draft of an edition asks for."""
        plan = planning.make(self.repository.draft(edition), self._sizes)
        for note in plan.notes:
            self.report(f"Note: {note}")
        return plan.items

    def released(self, edition: Edition) -> Released:
        """What clients of an edition are led to, if it may be signed again.

        Raises:
            PublishedError: see `Vouching.ours`.
        """
        return self._vouching().ours(folder_of(edition), self._own_work(edition))

    def seen(self, edition: Edition) -> Released | None:
        """What clients of an edition are led to, whichever root vouches for it; None: nothing."""
        return self._vouching().any(folder_of(edition))

    def _vouching(self) -> Vouching:
        return Vouching(self.store.read, self.roots)

    def _own_work(self, edition: Edition) -> OwnWork:
        return OwnWork(self.repository.draft(edition).folder)

    def published(self, edition: Edition) -> tuple[Item, ...]:
        """What an edition has published already, every file of it still being there."""
        listed = self.released(edition).targets.targets
        # The bytes are in place; an item is only looked up by its name.
        items = tuple(Item(target, b"") for _, target in sorted(listed.items()))
        for item in items:
            if not self._is_there(item):
                raise PublishedError(
                    f"{TARGETS}/{item.file_name} is missing or has other bytes.",
                    hint="Publish again from the draft: updog-repo publish DIR",
                )
        return items

    def manifest_in(self, found: Released | None) -> Manifest | None:
        """The manifest among what clients are led to; None if there is none that can be read."""
        listed = found.targets.targets.get(MANIFEST) if found else None
        data = listed and self.store.read(f"{TARGETS}/{planning.published_name(listed)}")
        try:
            return manifest_format.parse(data) if data else None
        except ManifestError:
            return None

    def was_published(self, edition: Edition) -> bool:
        """Whether there is, or ought to be, something that clients of an edition are led to."""
        if self.repository.draft(edition).last_version():
            return True
        return TIMESTAMP in self.store.sizes(folder_of(edition))

    def news(self, edition: Edition) -> bool:
        """Whether there is a root that this edition has not published yet."""
        there = self.store.sizes(folder_of(edition))
        return any(one.name not in there for one in self.roots)

    def sign(self, edition: Edition, items: Sequence[Item]) -> Signed:
        """The three metadata files of an edition, each naming the one before."""
        folder = folder_of(edition)
        files = self.store.sizes(folder)
        self._check_roots(folder, files)
        # Read for its own sake: the store then replaces this one, not a newer one of somebody else.
        self.store.read(f"{folder}/{TIMESTAMP}")
        version = 1 + max(
            released.highest_version(files), self.repository.draft(edition).last_version()
        )
        ends = [self.now + span for span in self.lifetimes.spans()]
        listed = [item.target for item in items]
        change = handover(self.repository, self.roots, self.signers, files)
        if change.warning:
            self.report(f"Warning: {edition}: {change.warning}.")
        sign = change.signers.sign
        targets = sign(signing.targets_of(listed, version, ends[0]))
        snapshot = sign(signing.snapshot_of(targets, version, ends[1]))
        timestamp = sign(signing.timestamp_of(snapshot, version, ends[2]))
        earliest = signing.whole_second(min([*ends, self.signers.root.expires]))
        release = Release(edition, version, earliest)
        return Signed(release, items, targets, snapshot, timestamp, change)

    def put_out(self, everything: Sequence[Signed]) -> tuple[Release, ...]:
        """Write what was signed: every target of every edition before the first metadata."""
        self.store.prepare(TARGETS)
        for signed in everything:
            for item in signed.items:
                self._put_target(item)
        for signed in everything:
            self._put_metadata(signed)
        return tuple(signed.release for signed in everything)

    def _put_metadata(self, signed: Signed) -> None:
        """The order that keeps clients served; see the top of this file."""
        edition, version = signed.release.edition, signed.release.version
        folder = folder_of(edition)
        self.store.prepare(folder)
        # Noted before the first file carries it: whatever happens, the number is never used again.
        self.repository.draft(edition).note_version(version)
        own = None if self.repository.rehearse else self._own_work(edition)
        if own:
            own.begin(version, signed.targets)
        self._put(f"{folder}/{version}.targets.json", signed.targets)
        self._put(f"{folder}/{version}.snapshot.json", signed.snapshot)
        change = signed.handover
        if not change.roots_last:
            self._put_roots(folder, change.roots)
        # From here on, and not before, clients are led to the new files.
        self._put(f"{folder}/{TIMESTAMP}", signed.timestamp, new=False)
        if change.roots_last:
            self._put_roots(folder, change.roots)
        if own:
            own.complete(version)

    def _put_roots(self, folder: str, roots: Sequence[SignedRoot]) -> None:
        for one in roots:
            self._put(f"{folder}/{one.name}", one.data)

    def _put_target(self, item: Item) -> None:
        if self._is_there(item):
            return
        name = f"{TARGETS}/{item.file_name}"
        self._tell(name)
        if isinstance(item.content, bytes):
            self.store.put(name, item.content)
        else:
            self.store.send(name, item.content, item.target.hashes["sha256"])
        self._sizes[item.file_name] = item.target.length

    def _put(self, name: str, data: bytes, *, new: bool = True) -> None:
        self._tell(name)
        self.store.put(name, data, new=new)

    def _tell(self, name: str) -> None:
        if self.repository.rehearse is None:
            self.report(f"Writing {name}")

    def _is_there(self, item: Item) -> bool:
        """Tell whether a published file is in place, with the right bytes as far as that is cheap.

        A large file is known by its length: its name is its hash, it was hashed while it was
        copied, and it came into place in one step, so only later damage could change it. Reading
        every image ever published again for each refresh would take minutes; clients compare the
        hash anyway.
        """
        if self._sizes.get(item.file_name) != item.target.length:
            return False
        if item.target.length > HASHED_UP_TO:
            return True
        data = self.store.read(f"{TARGETS}/{item.file_name}")
        return data is not None and sha256(data).hexdigest() == item.target.hashes["sha256"]

    def _check_roots(self, folder: str, files: Mapping[str, int]) -> None:
        """A root in place is never replaced, so it has to be ours."""
        for one in self.roots:
            name = f"{folder}/{one.name}"
            if one.name in files and self.store.read(name) != one.data:
                raise PublishedError(
                    f"{name} at {self.store.where} is not the {one.name} of this repository.",
                    hint="Find out who put it there; then remove it and publish again.",
                )


def folder_of(edition: Edition) -> str:
    """The folder of an edition within a store."""
    return f"{edition.variant}/{edition.arch}"
