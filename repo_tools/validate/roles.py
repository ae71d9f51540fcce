"""Timestamp, snapshot and targets: signed by enough different keys, and as listed. PURE."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from tuf.api.metadata import Root, Snapshot, Targets, Timestamp

from repo_tools.findings import Check, Finding
from repo_tools.validate.expiry import expiry_findings, order_findings
from repo_tools.validate.files import Files, signed_part
from repo_tools.validate.roots import key_ids
from updog.errors import TrustError
from updog.tuffiles import Verified, Wanted, check_version, parse
from updog.tufjson import read_envelope
from updog.tufkeys import check_threshold
from updog.tufroot import self_signed_root

_KINDS: dict[str, Any] = {"timestamp": Timestamp, "snapshot": Snapshot, "targets": Targets}


@dataclass(slots=True)
class Roles:
    """What the three files say, as far as they can be read at all.

    Attributes:
        parsed: by role; what is in here need not be rightly signed.
    """

    findings: list[Finding] = field(default_factory=list)
    parsed: dict[str, Verified[Any]] = field(default_factory=dict)

    @property
    def targets(self) -> Targets | None:
        """What the repository lists."""
        found = self.parsed.get("targets")
        return None if found is None else found.signed


def check_roles(files: Files, now: datetime, given: bytes | None = None) -> Roles:
    """Everything that is wrong with the three files.

    Args:
        files: what there is.
        now: the time.
        given: the root that devices have; it counts where the repository has no newer one.
    """
    roles, root = Roles(), _newest_root(files, given)
    for role in _KINDS:
        data = getattr(files, role)
        if data is not None:
            roles.findings += _one(roles, files, root, role, now)
    expires = {role: one.expires for role, one in roles.parsed.items()}
    if root is not None:
        expires["root"] = root.expires
    roles.findings += order_findings(expires)
    return roles


def _newest_root(files: Files, given: bytes | None) -> Verified[Root] | None:
    known = dict(files.roots)
    version = signed_part(given).get("version")
    if given is not None and type(version) is int:
        known.setdefault(version, given)
    try:
        return self_signed_root(known[max(known)]) if known else None
    except TrustError:
        return None


def _one(
    roles: Roles, files: Files, root: Verified[Root] | None, role: str, now: datetime
) -> Iterator[Finding]:
    data, place = getattr(files, role), files.names[role]
    at = Check("signed", place)
    try:
        envelope = read_envelope(data, place)
        if root is not None:
            yield from _signatures(at, envelope, root, role)
        # Parsing may consume what it reads, so it comes last.
        verified = parse(_KINDS[role], role, data, envelope)
    except TrustError as error:
        yield at.error(str(error))
        return
    roles.parsed[role] = verified
    yield from expiry_findings(place, data, verified.expires, now)
    yield from key_ids(data, place)
    yield from _listing(Check("listed", place), roles, role, data)


def _signatures(at: Check, envelope: Any, root: Verified[Root], role: str) -> Iterator[Finding]:  # noqa: ANN401
    try:
        check_threshold(
            at.place,
            envelope,
            root.signed.roles[role],
            root.signed.keys,
            of=f"root version {root.signed.version}",
        )
    except TrustError as error:
        yield at.error(str(error))


def _listing(at: Check, roles: Roles, role: str, data: bytes) -> Iterator[Finding]:
    """Whether a file is the one that the file above it means."""
    if role == "snapshot" and "timestamp" in roles.parsed:
        meta = roles.parsed["timestamp"].signed.snapshot_meta
    elif role == "targets" and "snapshot" in roles.parsed:
        meta = roles.parsed["snapshot"].signed.meta["targets.json"]
    else:
        return
    wanted = Wanted.of(role, meta)
    try:
        wanted.check(data)
        check_version(at.place, roles.parsed[role].signed.version, wanted.version)
    except TrustError as error:
        yield at.error(str(error))
