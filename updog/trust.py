"""The TUF client workflow as a state machine over bytes: it decides, and fetches nothing. PURE.

Metadata comes in this order, and each step refuses to be taken before the one above it:

    root chain → `end_roots` → timestamp → snapshot → targets → delegated targets

`recall_…` takes what an earlier run had stored: it may be expired or outdated, must be signed by
today's keys, and then sets the versions below which nothing new is accepted. `add_…` takes what the
repository sent, checks everything of the TUF specification 5.3 to 5.6, and either accepts it or
raises and changes nothing. Whether to store the accepted bytes is the caller's business.

Three checks are absent on purpose. An intermediate root may be expired (5.3.6); only the last one
must not be, and `end_roots` asks. Recalled metadata may be expired: its versions still hold. And a
recalled snapshot need not match the timestamp's hashes, because it is an older one as a rule.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import Enum

from tuf.api.metadata import Key, Role, Root, Snapshot, Targets, Timestamp

from updog.delegations import VISIT_LIMIT
from updog.errors import Expired, InternalError, RolledBack, TrustError
from updog.tuffiles import S, Target, Verified, Wanted, check_not_older, check_version, parse
from updog.tufjson import read_envelope
from updog.tufkeys import check_threshold
from updog.tufroot import check_self_signed, rotates, self_signed_root

__all__ = ["NO_GRACE", "VISIT_LIMIT", "RootStep", "Target", "TrustedMetadata", "Wanted"]

NO_GRACE = timedelta(0)


class RootStep(Enum):
    """What a root file did to the chain."""

    ADDED = "added"
    ROTATED = "rotated"
    """Added, and keys of timestamp or snapshot were taken away: forget both files (5.3.11)."""
    SAME = "same"
    """The version we have already: nothing to do, and the chain ends (5.3.5)."""


class TrustedMetadata:
    """Everything believed so far in one refresh.

    Args:
        root: the trusted root to start from; its expiry does not matter yet (5.2).
        now: the fixed time of this refresh, aware (5.1).
        grace: how long past its expiry metadata is still believed: nothing, unless the operator
            allowed it for what was carried here by hand.

    Raises:
        TrustError: the root is malformed or not signed by its own keys.
    """

    def __init__(self, root: bytes, now: datetime, grace: timedelta = NO_GRACE) -> None:
        self.now = now
        self.grace = grace
        self.root = self_signed_root(root)
        self.timestamp: Verified[Timestamp] | None = None
        self.snapshot: Verified[Snapshot] | None = None
        self.targets: dict[str, Verified[Targets]] = {}
        self._roots_ended = False
        self._snapshot_final = False
        self._delegators: set[tuple[str, str]] = set()

    # 5.3 root ------------------------------------------------------------------------------------
    def add_root(self, data: bytes) -> RootStep:
        """Take the next root: signed by the thresholds of the old and of the new one, version + 1.

        Raises:
            RolledBack: an older version.
            TrustError: not signed as required, malformed, or a version was skipped.
        """
        self._require(not self._roots_ended, "a root after the end of the root chain")
        old = self.root.signed
        what = f"{old.version + 1}.root.json"
        new = self._verified(Root, "root", data, old.roles["root"], old.keys, what)
        check_self_signed(new, what)
        if new.signed.version == old.version:
            return RootStep.SAME
        check_version(what, new.signed.version, old.version + 1)
        self.root = new
        return RootStep.ROTATED if rotates(old, new.signed) else RootStep.ADDED

    def end_roots(self) -> None:
        """End the root chain: from here on the last root speaks (5.3.10).

        Raises:
            Expired: it is too old to.
        """
        self._check_expiry(self.root, f"root.json (version {self.root.signed.version})")
        self._roots_ended = True

    # 5.4 timestamp -------------------------------------------------------------------------------
    def recall_timestamp(self, data: bytes) -> None:
        """Take the timestamp of an earlier run.

        Raises:
            TrustError: not signed by today's keys, or malformed; go on without it.
        """
        self._require(self._roots_ended, "a timestamp before the end of the root chain")
        self.timestamp = self._top_level(Timestamp, data)

    def add_timestamp(self, data: bytes) -> bool:
        """Take the repository's timestamp.

        Returns:
            Whether it is a new one; False where the version is the one we had, which stays (5.4.3).

        Raises:
            RolledBack: its version, or that of the snapshot it lists, went down.
            Expired: it did, or the equal version that we hold did.
            TrustError: not signed as required, or malformed.
        """
        self._require(self._roots_ended, "a timestamp before the end of the root chain")
        self._require(not self._snapshot_final, "a timestamp after the snapshot")
        new, old = self._top_level(Timestamp, data), self.timestamp
        if old is not None and new.signed.version == old.signed.version:
            self._check_expiry(old, "timestamp.json")
            return False
        if old is not None:
            check_not_older("timestamp.json", new.signed.version, old.signed.version)
            listed = old.signed.snapshot_meta.version
            check_not_older("snapshot.json", new.signed.snapshot_meta.version, listed)
        self._check_expiry(new, "timestamp.json")
        self.timestamp = new
        return True

    # 5.5 snapshot --------------------------------------------------------------------------------
    def recall_snapshot(self, data: bytes) -> bool:
        """Take the snapshot of an earlier run.

        Returns:
            Whether it is the very file that the timestamp lists and still valid: nothing to fetch.

        Raises:
            TrustError: not signed by today's keys, or malformed; go on without it.
            RolledBack: the repository's timestamp lists an older one.
        """
        wanted = self.wanted_snapshot()
        stored = self._top_level(Snapshot, data)
        # The specification compares with the stored timestamp only. That file may be lost while
        # this one is not, and then an older timestamp must not pass.
        check_not_older("snapshot.json", wanted.version, stored.signed.version)
        self.snapshot = stored
        self._snapshot_final = self._is(wanted, stored)
        return self._snapshot_final

    def wanted_snapshot(self) -> Wanted:
        """Return what the timestamp lists."""
        if self.timestamp is None:
            raise InternalError("a snapshot was asked for before a timestamp")
        return Wanted.of(Snapshot.type, self.timestamp.signed.snapshot_meta)

    def add_snapshot(self, data: bytes) -> None:
        """Take the snapshot that the timestamp lists.

        Raises:
            RolledBack: a role it listed is gone, or its version went down.
            Expired: it did.
            TrustError: not the listed file, not signed as required, or malformed.
        """
        wanted = self.wanted_snapshot()
        wanted.check(data)
        new = self._top_level(Snapshot, data)
        check_version("snapshot.json", new.signed.version, wanted.version)
        if self.snapshot is not None:
            _check_no_role_went_back(self.snapshot.signed, new.signed)
        self._check_expiry(new, "snapshot.json")
        self.snapshot, self._snapshot_final = new, True

    # 5.6 targets, top-level and delegated --------------------------------------------------------
    def holds(self, role: str, delegator: str) -> bool:
        """Whether a targets role is here, verified against the role that delegates to it."""
        return (role, delegator) in self._delegators

    def recall_targets(self, role: str, delegator: str, data: bytes) -> bool:
        """Take a targets file of an earlier run if it is the listed one and still valid.

        Returns:
            Whether it is; otherwise it is of no use, since the snapshot guards the versions.

        Raises:
            TrustError: not signed by today's keys, or malformed; go on without it.
        """
        stored = self._targets(role, delegator, data)
        if not self._is(self.wanted_targets(role), stored):
            return False
        self._accept(role, delegator, stored)
        return True

    def wanted_targets(self, role: str) -> Wanted:
        """Return what the snapshot lists for a targets role.

        Raises:
            TrustError: it lists no such role.
        """
        if self.snapshot is None or not self._snapshot_final:
            raise InternalError("targets were asked for before a snapshot")
        meta = self.snapshot.signed.meta.get(f"{role}.json")
        if meta is None:
            raise TrustError(f"snapshot.json does not list the role {role!r}")
        return Wanted.of(role, meta)

    def add_targets(self, role: str, delegator: str, data: bytes) -> None:
        """Take a targets file that the snapshot lists.

        Raises:
            Expired: it did.
            TrustError: not the listed file, not signed as the delegator asks, or malformed.
        """
        wanted = self.wanted_targets(role)
        wanted.check(data)
        new = self._targets(role, delegator, data)
        check_version(f"{role}.json", new.signed.version, wanted.version)
        self._check_expiry(new, f"{role}.json")
        self._accept(role, delegator, new)

    # ---------------------------------------------------------------------------------------------
    def is_over(self, expires: datetime, now: datetime | None = None) -> bool:
        """Whether what expires then is no longer believed, now or at a later time of the run."""
        return (now or self.now) - self.grace >= expires

    def _accept(self, role: str, delegator: str, new: Verified[Targets]) -> None:
        self.targets[role] = new
        self._delegators.add((role, delegator))

    def _is(self, wanted: Wanted, stored: Verified[Snapshot] | Verified[Targets]) -> bool:
        """Whether stored metadata is exactly the listed file and still valid."""
        if stored.signed.version != wanted.version or self.is_over(stored.expires):
            return False
        try:
            wanted.check(stored.raw)
        except TrustError:
            return False
        return True

    def _top_level(self, kind: type[S], data: bytes) -> Verified[S]:
        root = self.root.signed
        return self._verified(kind, kind.type, data, root.roles[kind.type], root.keys)

    def _targets(self, role: str, delegator: str, data: bytes) -> Verified[Targets]:
        if delegator == Root.type:
            return self._top_level(Targets, data)
        above = self.targets[delegator].signed
        try:
            rule = above.get_delegated_role(role)
        except ValueError as error:
            raise TrustError(f"{delegator} does not delegate to {role!r}") from error
        keys = above.delegations.keys if above.delegations else {}
        return self._verified(Targets, role, data, rule, keys, of=f"role {delegator}")

    def _verified(
        self,
        kind: type[S],
        role: str,
        data: bytes,
        rule: Role,
        keys: Mapping[str, Key],
        what: str = "",
        *,
        of: str = "",
    ) -> Verified[S]:
        what = what or f"{role}.json"
        envelope = read_envelope(data, what)
        of = of or f"root version {self.root.signed.version}"
        check_threshold(what, envelope, rule, keys, of=of)
        return parse(kind, role, data, envelope)

    def _check_expiry(self, metadata: Verified[S], what: str) -> None:
        if self.is_over(metadata.expires):
            raise Expired(
                f"{what} expired at {metadata.expires:%Y-%m-%dT%H:%M:%SZ}",
                hint="Check this machine's clock; if it is right, the repository was not renewed.",
            )

    def _require(self, condition: object, what: str) -> None:
        if not condition:
            raise InternalError(f"out of order: {what}")


def _check_no_role_went_back(old: Snapshot, new: Snapshot) -> None:
    for name, known in old.meta.items():
        if name not in new.meta:
            raise RolledBack(f"snapshot.json no longer lists {name}")
        check_not_older(name, new.meta[name].version, known.version)
