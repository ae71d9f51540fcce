"""One conversation with a repository: refresh what is trusted, then read what it vouches for.

The parts: `updog.trust` decides, `updog.refresh` walks from root to targets, `updog.remote` asks
for files, and this module speaks to the rest of the program. Nothing is read before a refresh, and
time stands still while it lasts. After it time goes on: a download may last longer than the
metadata that vouches for the next one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from updog.body import Body, Fetcher
from updog.clock import Clock
from updog.delegations import find_target
from updog.errors import (
    Expired,
    InternalError,
    NotThere,
    TrustError,
    UnreachableError,
    UpdogError,
)
from updog.refresh import ROOT_CHAIN_LIMIT, ROOT_LIMIT, Refresh
from updog.remote import Remote, RepositoryUrls
from updog.trust import NO_GRACE
from updog.tufcache import cache_metadata, cache_target, prune_targets
from updog.tuffiles import Target, Verified
from updog.tufnames import check_flat_name, role_file, target_file
from updog.tufroot import precedes
from updog.tufstore import MetadataStore

if TYPE_CHECKING:
    from updog.pipeline.source import RangeSource

__all__ = ["RepositoryUrls", "Session", "Target"]

T = TypeVar("T")

READ_LIMIT = 16 << 20


class Session:
    """A repository as seen at one moment.

    Args:
        urls: where it is.
        shipped_root: the root that came with the image: the beginning of all trust.
        store: what earlier runs trusted.
        fetcher: the way to the network.
        now: the time of the refresh, aware; it does not move while that lasts (5.1).
        root_chain_limit: how many new roots to take in one refresh.
        grace: how long past its expiry metadata is believed (`updog.trust`).

    Raises:
        TrustError: the shipped root is malformed or not signed by its own keys.
    """

    def __init__(
        self,
        urls: RepositoryUrls,
        shipped_root: bytes,
        store: MetadataStore,
        fetcher: Fetcher,
        now: datetime,
        *,
        root_chain_limit: int = ROOT_CHAIN_LIMIT,
        grace: timedelta = NO_GRACE,
    ) -> None:
        self._latest = now
        self._clock: Clock | None = None
        self._remote = remote = Remote(urls, fetcher)
        self._begin = partial(
            Refresh, shipped_root, store, remote.metadata, now, root_chain_limit, grace
        )
        self._refresh = self._begin()
        self._done = False
        self._chain: Mapping[int, bytes] | None = None

    @property
    def warnings(self) -> tuple[str, ...]:
        """What went wrong without stopping the run, for people."""
        return tuple(self._refresh.warnings)

    def follow(self, clock: Clock) -> None:
        """Let time go on by this clock, which is read before each target and nowhere else.

        Without one, time stands still for the whole session.
        """
        self._clock = clock

    def query(self, name: str, value: str) -> None:
        """Add a parameter to every address from now on (formats 7)."""
        self._remote.query[name] = value

    def refresh(self) -> None:
        """Bring the trusted metadata up to date; a second call does nothing.

        Raises:
            TrustError: a rule was broken; `Expired` and `RolledBack` are its children.
            UnreachableError: the repository did not answer; `NotThere`: a file is missing.
        """
        if not self._done:
            self._believed(self._walk)
            self._done = True

    def target(self, name: str) -> Target:
        """Return what the repository says about a target, delegated roles included.

        Raises:
            TrustError: it lists none of that name, or a delegated role breaks a rule.
            UnreachableError: a delegated role could not be fetched.
        """
        found = self.find(name)
        if found is None:
            raise TrustError(f"the repository lists no target {name!r}")
        return found

    def find(self, name: str) -> Target | None:
        """Return what the repository says about a target, or None if it lists none of that name.

        Raises:
            TrustError: a delegated role breaks a rule.
            UnreachableError: a delegated role could not be fetched.
        """
        self._require_refresh()
        found = self._believed(lambda: find_target(name, self._refresh.targets))
        return None if found is None else Target.of(found)

    def read(self, target: Target | str, *, max_bytes: int = READ_LIMIT) -> bytes:
        """Return the verified bytes of a target.

        Args:
            target: it, or its name.
            max_bytes: the most it may be signed to have.

        Raises:
            TargetMismatch: the bytes are not the signed ones.
            TrustError: it is not listed, or longer than `max_bytes`.
            UnreachableError: it could not be fetched.
        """
        target = self.target(target) if isinstance(target, str) else target
        if target.length > max_bytes:
            raise TrustError(
                f"target {target.name} is {target.length} bytes long; {max_bytes} are allowed here"
            )
        self.check_fresh()
        return self._believed(lambda: self._read(target))

    def stream(self, target: Target, *, offset: int = 0) -> Body:
        """Begin to read a target. The bytes are NOT verified: the caller counts and hashes them.

        A transfer that breaks off is taken up again where it stopped, a bounded number of times.

        Args:
            target: which.
            offset: where to begin; the body's own offset tells where it really begins.

        Raises:
            Expired: the metadata that vouches for it did.
            TargetMismatch: whoever sends it tells another length than was signed.
            UnreachableError: it could not be fetched.
        """
        self.check_fresh()
        return self._remote.stream(self.target_file(target), target, offset)

    def ranges(self, target: Target) -> RangeSource | None:
        """Return a target in ranges, or None where it can only be streamed. NOT verified either.

        Raises:
            NotThere, UnreachableError: a local one cannot be read.
        """
        from updog.pipeline.source import Guarded  # noqa: PLC0415 - start-up: images only

        found = self._remote.ranges(self.target_file(target), target)
        # A download may last longer than what vouches for it: each request asks again.
        return None if found is None else Guarded(found, self.check_fresh)

    def elsewhere(self, error: UpdogError) -> bool:
        """Whether a streamed target may be what was signed if it is read again (`updog.mirrors`).

        Args:
            error: what was wrong with it.

        Raises:
            TrustError: no server is left, and this is what was wrong with an earlier one.
        """
        return self._remote.elsewhere(error)

    def check_fresh(self) -> None:
        """Check that no metadata has expired by now, which never steps back (formats 6.1).

        Raises:
            Expired: one did.
        """
        if self._clock is not None:
            self._latest = max(self._latest, self._clock.now())
        for role, expires in self.expires().items():
            if self._refresh.trust.is_over(expires, self._latest):
                raise Expired(
                    f"{role}.json expired at {expires:%Y-%m-%dT%H:%M:%SZ}, while this run lasted",
                    hint="Run the command again: it begins with the newest metadata.",
                )

    def expires(self) -> Mapping[str, datetime]:
        """Return when each top-level role expires."""
        return {role: metadata.expires for role, metadata in self._top_level().items()}

    def versions(self) -> Mapping[str, int]:
        """Return the version of each top-level role."""
        return {role: metadata.signed.version for role, metadata in self._top_level().items()}

    def trusted(self) -> Mapping[str, bytes]:
        """Return the exact bytes of each top-level role."""
        return {role: metadata.raw for role, metadata in self._top_level().items()}

    def overdue(self) -> Mapping[str, datetime]:
        """Return the roles that are believed past their expiry, with that moment."""
        trust, top = self._refresh.trust, self._top_level()
        believed = {role: one.expires for role, one in (*top.items(), *trust.targets.items())}
        return {role: expires for role, expires in believed.items() if trust.now >= expires}

    def cache(self, names: Iterable[str], targets_dir: Path, metadata_dir: Path) -> None:
        """Put targets and metadata on disk for the next boot (formats 6.4).

        Older metadata goes, since only one set of it can be current; older targets stay until
        `prune`.

        Args:
            names: the targets.
            targets_dir: for them, each as ``HASH.NAME`` (``NAME`` without consistent snapshots).
            metadata_dir: for the metadata: the exact bytes verified, and each root there is.

        Raises:
            TrustError: a target is not listed, is not as signed, or has no plain name.
            UnreachableError: one could not be fetched.
            StorageError, PermissionDenied: the file system refused.
        """
        for name in names:
            self._cache_target(self.target(check_flat_name(name)), targets_dir)
        cache_metadata(metadata_dir, self.metadata_files())

    def prune(self, names: Iterable[str], targets_dir: Path) -> None:
        """Remove the cached targets that no set which may still boot needs (formats 6.4).

        To be called only when the inactive set was replaced: until then it can be fallen back to,
        and its way back may go over migrations that the new update does not need.

        Args:
            names: the targets to keep: those between the running and the new set.
            targets_dir: where `cache` put them.

        Raises:
            TrustError: a target is not listed.
            StorageError, PermissionDenied: the file system refused.
        """
        prune_targets(targets_dir, keep=[self.target_file(self.target(name)) for name in names])

    def target_file(self, target: Target) -> str:
        """Return the file name of a target below the targets' address.

        Raises:
            TrustError: the name is not safe to use as a path.
        """
        consistent = bool(self._refresh.trust.root.signed.consistent_snapshot)
        return target_file(target.name, target.hashes, consistent=consistent)

    def metadata_files(self) -> Mapping[str, bytes]:
        """Return all metadata believed so far, as a repository names it: the bytes verified.

        Each root that we hold or the server still has is among them. The order is that of writing:
        what makes the rest current comes last.
        """
        trust, name = self._refresh.trust, self._refresh.file_name
        files = {role_file("root", version): data for version, data in self._root_chain().items()}
        for role, metadata in trust.targets.items():
            files[name(role, metadata.signed.version)] = metadata.raw
        top = self._top_level()
        files[name("snapshot", top["snapshot"].signed.version)] = top["snapshot"].raw
        files["timestamp.json"] = top["timestamp"].raw
        return files

    # ---------------------------------------------------------------------------------------------
    def _believed(self, step: Callable[[], T]) -> T:
        """Do something that reads from the repository, from each of its servers if need be."""
        while True:
            try:
                return step()
            except (TrustError, NotThere) as error:
                if not self.elsewhere(error):
                    raise

    def _walk(self) -> None:
        """Walk from the root down; a walk that failed leaves what it trusted in the store."""
        try:
            self._refresh.run()
        except UpdogError:
            warnings, self._refresh = self._refresh.warnings, self._begin()
            self._refresh.warnings.extend(warnings)
            raise

    def _read(self, target: Target) -> bytes:
        data = self._remote.target(self.target_file(target), target.length)
        target.check(data)
        return data

    def _cache_target(self, target: Target, directory: Path) -> None:
        name = self.target_file(target)
        self.check_fresh()
        start = partial(self._remote.stream, name, target, 0)
        self._believed(lambda: cache_target(directory, name, target, start))

    def _root_chain(self) -> Mapping[int, bytes]:
        """Every root from the newest down to 1 that we hold or the server still has."""
        if self._chain is None:
            self._chain = self._sought_chain()
        return self._chain

    def _sought_chain(self) -> dict[int, bytes]:
        found = dict(self._refresh.roots)
        for version in range(min(found) - 1, 0, -1):
            older = self._older_root(version, found[version + 1])
            if older is None:
                break
            found[version] = older
        return found

    def _older_root(self, version: int, newer: bytes) -> bytes | None:
        """A root before the shipped one: nobody trusts it, but it has to lead to the next."""
        try:
            data = self._remote.metadata(role_file("root", version), ROOT_LIMIT)
            precedes(data, newer)
        except NotThere:
            return None
        except (TrustError, UnreachableError) as error:
            self._refresh.warnings.append(f"root version {version} is not cached: {error}")
            return None
        return data

    def _top_level(self) -> dict[str, Verified[Any]]:
        self._require_refresh()
        trust = self._refresh.trust
        if trust.timestamp is None or trust.snapshot is None:
            raise InternalError("a refresh ended without timestamp or snapshot")
        top: dict[str, Verified[Any]] = {"root": trust.root, "timestamp": trust.timestamp}
        return top | {"snapshot": trust.snapshot, "targets": trust.targets["targets"]}

    def _require_refresh(self) -> None:
        if not self._done:
            raise InternalError("the repository was read before a refresh")
