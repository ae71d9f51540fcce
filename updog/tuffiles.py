"""What one metadata or target file has to be: length, hashes, version; parsed and typed. PURE."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Generic, TypeVar

from tuf.api.metadata import (
    TOP_LEVEL_ROLE_NAMES,
    MetaFile,
    Root,
    Signed,
    Snapshot,
    TargetFile,
    Targets,
    Timestamp,
)

from updog.errors import RolledBack, TargetMismatch, TrustError
from updog.tufjson import (
    SHAPE_ERRORS,
    Envelope,
    check_file_facts,
    check_whole,
    malformed,
    take_expires,
)
from updog.tufkeys import usable_keys

KNOWN_HASHES = ("sha256", "sha512")
_SNAPSHOT_LIMIT = 2 << 20
_TARGETS_LIMIT = 10 << 20
# A listed length is a promise of an online key: beyond this it is not believed.
_LENGTH_LIMIT = 64 << 20

S = TypeVar("S", Root, Timestamp, Snapshot, Targets)


@dataclass(frozen=True, slots=True)
class Verified(Generic[S]):
    """Metadata whose signatures were checked.

    Attributes:
        role: the role's name.
        signed: what it says.
        expires: when it stops being true, with fractions of a second.
        raw: the exact bytes received.
    """

    role: str
    signed: S
    expires: datetime
    raw: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Target:
    """A file that the repository vouches for.

    Attributes:
        name: its name as signed.
        length: in bytes.
        hashes: hex digests in lower case by algorithm, at least one of `KNOWN_HASHES`.
        custom: what else was signed about it.
    """

    name: str
    length: int
    hashes: Mapping[str, str]
    custom: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, file: TargetFile) -> Target:
        """Return the target that a targets file describes.

        Raises:
            TrustError: it has no hash of a kind we can check.
        """
        if not set(file.hashes) & set(KNOWN_HASHES):
            raise TrustError(f"target {file.path} is signed without a SHA-256 or SHA-512 hash")
        custom = file.custom if isinstance(file.custom, dict) else {}
        return cls(file.path, file.length, _lower(file.hashes), custom)

    def check(self, data: bytes) -> None:
        """Check that `data` is this target.

        Raises:
            TargetMismatch: length or hash differ.
        """
        wrong = differs(data, self.length, self.hashes)
        if wrong:
            raise TargetMismatch(f"target {self.name}: {wrong}")


@dataclass(frozen=True, slots=True)
class Wanted:
    """The one version of a metadata file that the metadata above it lists.

    Attributes:
        role: the role's name.
        version: the version it must have.
        length: its length in bytes, where listed.
        hashes: its hex digests in lower case by algorithm, where listed.
    """

    role: str
    version: int
    length: int | None
    hashes: Mapping[str, str]

    @classmethod
    def of(cls, role: str, meta: MetaFile) -> Wanted:
        """Return what a timestamp's or snapshot's entry asks for."""
        return cls(role, meta.version, meta.length, _lower(meta.hashes or {}))

    @property
    def max_bytes(self) -> int:
        """The most bytes to fetch (formats 6.1)."""
        default = _SNAPSHOT_LIMIT if self.role == Snapshot.type else _TARGETS_LIMIT
        return default if self.length is None else min(self.length, _LENGTH_LIMIT)

    def check(self, data: bytes) -> None:
        """Check length and hashes; the version shows after parsing.

        Raises:
            TrustError: they differ, or no listed hash is of a kind we can check.
        """
        if self.hashes and not set(self.hashes) & set(KNOWN_HASHES):
            raise TrustError(f"{self.role}.json is listed without a SHA-256 or SHA-512 hash")
        wrong = differs(data, self.length, self.hashes)
        if wrong:
            raise TrustError(f"{self.role}.json is not the listed file: {wrong}")


def _lower(hashes: Mapping[str, str]) -> Mapping[str, str]:
    """Digests as hashlib writes them: the specification leaves the case of hex digits open."""
    return {algorithm: digest.lower() for algorithm, digest in hashes.items()}


def differs(data: bytes, length: int | None, hashes: Mapping[str, str]) -> str:
    """Return how `data` differs from the listed length and known hashes, or an empty string.

    The hashes are in lower case.
    """
    if length is not None and len(data) != length:
        return f"{len(data)} bytes long instead of {length}"
    for algorithm in KNOWN_HASHES:
        told = hashes.get(algorithm)
        if told is not None and hashlib.new(algorithm, data).hexdigest() != told:
            return f"its {algorithm} is not the signed one"
    return ""


def check_version(what: str, version: int, wanted: int) -> None:
    """Check that a file has the one version that is due.

    Raises:
        RolledBack: an older one.
        TrustError: a newer one.
    """
    check_not_older(what, version, wanted)
    if version != wanted:
        raise TrustError(f"{what} is version {version} where {wanted} was due")


def check_not_older(what: str, version: int, known: int) -> None:
    """Check that a version did not go down.

    Raises:
        RolledBack: it did.
    """
    if version < known:
        raise RolledBack(
            f"{what} went back to version {version} after {known}",
            hint="The server or a mirror serves old metadata; try another, or ask its operator.",
        )


def parse(kind: type[S], role: str, raw: bytes, envelope: Envelope) -> Verified[S]:
    """Return the content of a file whose signatures the caller has checked or is about to.

    Raises:
        TrustError: another type of metadata, or malformed.
    """
    signed = envelope.signed
    try:
        if signed["_type"] != kind.type:
            raise TrustError(f"{role}.json holds {signed['_type']!r} metadata, not {kind.type}")
        check_whole(signed["version"], "version", least=1)
        # tuf.api would take null for "the newest".
        if not isinstance(signed["spec_version"], str):
            raise TrustError(f"{role}.json does not say which specification it follows")
        expires = take_expires(signed)
        _PREPARE[kind](signed)
        return Verified(role, kind.from_dict(signed), expires, raw)
    except SHAPE_ERRORS as error:
        raise malformed(f"{role}.json", error) from error


def _prepare_root(signed: dict[str, Any]) -> None:
    if type(signed.get("consistent_snapshot", False)) is not bool:
        raise ValueError("consistent_snapshot is neither true nor false")
    signed["keys"] = usable_keys(signed["keys"])
    # The specification knows a fifth role, mirrors, that nothing here uses.
    roles = {name: signed["roles"][name] for name in sorted(TOP_LEVEL_ROLE_NAMES)}
    for name, role in roles.items():
        _check_role(role, name)
    signed["roles"] = roles


def _prepare_timestamp(signed: dict[str, Any]) -> None:
    _check_meta(signed["meta"], "snapshot.json")


def _prepare_snapshot(signed: dict[str, Any]) -> None:
    _check_meta(signed["meta"], "targets.json")


def _prepare_targets(signed: dict[str, Any]) -> None:
    for name, facts in signed["targets"].items():
        check_whole(facts["length"], f"{name}: length", least=0)
        check_file_facts(facts, name)
    delegations = signed.get("delegations")
    if not delegations:
        # Written by tough as an empty object; it means the same as none.
        signed.pop("delegations", None)
        return
    delegations["keys"] = usable_keys(delegations["keys"])
    for role in delegations.get("roles") or ():
        _check_role(role, role["name"])
        if type(role["name"]) is not str or type(role["terminating"]) is not bool:
            raise ValueError(f"the delegation {role['name']!r} is not as it should be")
    if delegations.get("succinct_roles") is not None:
        _check_role(delegations["succinct_roles"], "succinct_roles")
        check_whole(delegations["succinct_roles"]["bit_length"], "bit_length", least=1)


def _check_role(role: dict[str, Any], name: str) -> None:
    check_whole(role["threshold"], f"{name}: threshold", least=1)
    if not isinstance(role["keyids"], list) or not all(type(k) is str for k in role["keyids"]):
        raise ValueError(f"{name}: keyids is not an array of strings")


def _check_meta(meta: dict[str, Any], needed: str) -> None:
    if needed not in meta:
        raise KeyError(needed)
    for name, facts in meta.items():
        check_whole(facts["version"], f"{name}: version", least=1)
        check_file_facts(facts, name)


_PREPARE: Mapping[type[Signed], Callable[[dict[str, Any]], None]] = {
    Root: _prepare_root,
    Timestamp: _prepare_timestamp,
    Snapshot: _prepare_snapshot,
    Targets: _prepare_targets,
}
