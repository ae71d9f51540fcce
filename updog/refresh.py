"""The walk from root to targets: fetch, let `updog.trust` decide, store (TUF 5.3 to 5.6).

Stored metadata that is missing, damaged or signed by yesterday's keys is normal: it is left out
with a warning, and the walk starts from the root that came with the image. A store that cannot be
written is no reason to go without an update either; that is said, and the run goes on.

Each file is stored as soon as it is trusted: what was once seen must not be shown older later, even
if the next step fails.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial

from tuf.api.metadata import Root, Targets

from updog.errors import NotThere, PermissionDenied, RolledBack, StorageError, TrustError
from updog.trust import NO_GRACE, RootStep, TrustedMetadata
from updog.tuffiles import check_not_older
from updog.tufnames import role_file
from updog.tufroot import related, rotates, self_signed_root
from updog.tufstore import MetadataStore

ROOT_LIMIT = 1 << 20
TIMESTAMP_LIMIT = 1 << 20
ROOT_CHAIN_LIMIT = 1024


class Refresh:
    """One refresh of the trusted metadata.

    Args:
        shipped_root: the root that came with the image: the beginning of all trust.
        store: what earlier runs trusted.
        fetch: gets a metadata file by its name, up to so many bytes.
        now: the fixed time of the refresh, aware.
        root_chain_limit: how many new roots to take.
        grace: how long past its expiry metadata is believed (`updog.trust`).

    Raises:
        TrustError: the shipped root is malformed or not signed by its own keys.

    Attributes:
        trust: everything believed so far.
        roots: the bytes of each root of the chain by version, from the shipped one on.
        warnings: what went wrong without stopping the walk, for people.
    """

    def __init__(
        self,
        shipped_root: bytes,
        store: MetadataStore,
        fetch: Callable[[str, int], bytes],
        now: datetime,
        root_chain_limit: int = ROOT_CHAIN_LIMIT,
        grace: timedelta = NO_GRACE,
    ) -> None:
        self.trust = TrustedMetadata(shipped_root, now, grace)
        self.roots = {self.trust.root.signed.version: shipped_root}
        self.warnings: list[str] = []
        self._store = store
        self._fetch = fetch
        self._root_chain_limit = root_chain_limit
        self._forgotten: frozenset[str] = frozenset()

    def run(self) -> None:
        """Bring root, timestamp, snapshot and targets up to date.

        Raises:
            TrustError: a rule was broken; `Expired` and `RolledBack` are its children.
            UnreachableError: the repository did not answer; `NotThere`: a file is missing.
        """
        self._roots()
        self._timestamp()
        self._snapshot()
        self.targets("targets", "root")

    # 5.3 -----------------------------------------------------------------------------------------
    def _roots(self) -> None:
        stored = self._load("root")
        known = self._parsed_root(stored)
        # A newer image may bring a root that took keys away while no run was looking.
        if known and known.version < self._root.version and rotates(known, self._root):
            self._forget()
        self._recall_roots()
        self._fetch_roots(seen=known.version if known else 0)
        if known:
            self._check_not_behind(known)
        if stored != self.trust.root.raw:
            self._save_root()
        self.trust.end_roots()

    def _recall_roots(self) -> None:
        """Walk the kept chain, which spares fetching it and survives a server that dropped it."""
        for _ in range(self._root_chain_limit):
            version = self._root.version + 1
            data = self._try(partial(self._store.load_root, version))
            if data is None or not self._recall_root(version, data):
                return
            self.roots[version] = data

    def _recall_root(self, version: int, data: bytes) -> bool:
        try:
            return self.trust.add_root(data) is not RootStep.SAME
        except TrustError as error:
            self.warnings.append(f"stored root ignored: {error}")
            self._try(partial(self._store.delete_root, version))
            return False

    def _fetch_roots(self, *, seen: int) -> None:
        for _ in range(self._root_chain_limit):
            version = self._root.version + 1
            try:
                data = self._fetch(role_file("root", version), ROOT_LIMIT)
            except NotThere:
                return
            step = self.trust.add_root(data)
            if step is RootStep.SAME:
                return
            # Forget first, store the root then: after a power cut in between, the next run sees the
            # rotation again. The other way round the poisoned versions would stay for ever.
            if step is RootStep.ROTATED and version > seen:
                self._forget()
            self.roots[version] = data
            self._save_root()

    def _check_not_behind(self, known: Root) -> None:
        """Refuse a server that withholds roots which an earlier run trusted.

        The newest stored root alone gives no trust: whoever can write to the store could put any
        there. It only tells how far the chain went. A store of another repository tells nothing.
        """
        if known.version > self._root.version and related(known, self._root):
            check_not_older("root.json", self._root.version, known.version)

    def _forget(self) -> None:
        """Drop what keys signed that were since taken away (5.3.11)."""
        self._forgotten = frozenset({"timestamp", "snapshot"})
        for role in sorted(self._forgotten):
            self._try(partial(self._store.delete, role))

    def _save_root(self) -> None:
        root = self.trust.root
        self._try(partial(self._store.save_root, root.signed.version, root.raw))

    def _parsed_root(self, data: bytes | None) -> Root | None:
        """The newest root of an earlier run, used only to tell what that run had seen."""
        try:
            return self_signed_root(data).signed if data is not None else None
        except TrustError as error:
            self.warnings.append(f"stored root.json ignored: {error}")
            return None

    # 5.4, 5.5 ------------------------------------------------------------------------------------
    def _timestamp(self) -> None:
        self._recall("timestamp", self.trust.recall_timestamp)
        data = self._fetch("timestamp.json", TIMESTAMP_LIMIT)
        if self.trust.add_timestamp(data):
            self._save("timestamp", data)

    def _snapshot(self) -> None:
        if self._recall("snapshot", self.trust.recall_snapshot):
            return
        wanted = self.trust.wanted_snapshot()
        data = self._fetch(self.file_name("snapshot", wanted.version), wanted.max_bytes)
        self.trust.add_snapshot(data)
        self._save("snapshot", data)

    # 5.6 -----------------------------------------------------------------------------------------
    def targets(self, role: str, delegator: str) -> Targets:
        """Return a targets role, verified against the role that delegates to it.

        Raises:
            TrustError: a rule was broken.
            UnreachableError: the repository did not answer; `NotThere`: the file is missing.
        """
        if not self.trust.holds(role, delegator) and not self._recall(
            role, lambda data: self.trust.recall_targets(role, delegator, data)
        ):
            wanted = self.trust.wanted_targets(role)
            data = self._fetch(self.file_name(role, wanted.version), wanted.max_bytes)
            self.trust.add_targets(role, delegator, data)
            self._save(role, data)
        return self.trust.targets[role].signed

    def file_name(self, role: str, version: int) -> str:
        """Return a role's file name on the server: versioned in consistent snapshots."""
        return role_file(role, version if self._root.consistent_snapshot else None)

    # ---------------------------------------------------------------------------------------------
    @property
    def _root(self) -> Root:
        return self.trust.root.signed

    def _recall(self, role: str, take: Callable[[bytes], bool | None]) -> bool:
        """Offer the stored bytes of a role to `take`; whether it wants no others."""
        data = self._load(role)
        if data is None:
            return False
        try:
            return bool(take(data))
        except RolledBack:
            # Not the stored file is at fault here, but the repository.
            raise
        except TrustError as error:
            self.warnings.append(f"stored metadata ignored: {error}")
            return False

    def _load(self, role: str) -> bytes | None:
        if role in self._forgotten:
            return None
        return self._try(partial(self._store.load, role))

    def _save(self, role: str, data: bytes) -> None:
        self._try(partial(self._store.save, role, data))

    def _try(self, step: Callable[[], bytes | None]) -> bytes | None:
        """Take a step in the store; one that fails is a warning, said once."""
        try:
            return step()
        except (StorageError, PermissionDenied) as error:
            if str(error) not in self.warnings:
                self.warnings.append(str(error))
            return None
