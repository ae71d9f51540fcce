"""The chain of roots: complete, each signed by the one before, with the right key ids. PURE."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from hashlib import sha256
from typing import Any

from securesystemslib.exceptions import FormatError
from securesystemslib.formats import encode_canonical
from tuf.api.metadata import TOP_LEVEL_ROLE_NAMES, Root

from repo_tools.findings import Check, Finding
from repo_tools.validate.expiry import expiry_findings
from repo_tools.validate.files import signed_part
from updog.errors import TrustError
from updog.tufkeys import key_set
from updog.tufroot import precedes, self_signed_root

CHAIN = "roots"


def check_roots(roots: Mapping[int, bytes], now: datetime) -> Iterator[Finding]:
    """Everything that is wrong with the roots, by the version in their name."""
    if not roots:
        yield Check(CHAIN, "1.root.json").error("there is no root at all")
        return
    yield from _holes(roots)
    for version, data in sorted(roots.items()):
        yield from _one(version, data)
        yield from key_ids(data, f"{version}.root.json")
        if version - 1 in roots:
            yield from _step(roots[version - 1], data, version)
    yield from _newest(roots[max(roots)], f"{max(roots)}.root.json", now)


def key_ids(data: bytes, place: str) -> Iterator[Finding]:
    """Keys whose id is not the one that upstream's client works out (formats 6.2)."""
    signed = signed_part(data)
    delegations = signed.get("delegations")
    for holder in (signed, delegations if isinstance(delegations, dict) else {}):
        keys = holder.get("keys")
        for told, key in (keys if isinstance(keys, dict) else {}).items():
            made = _key_id(key)
            if made != told:
                yield Check("key-id", place).error(
                    f"the key {told} has the id {made} for upstream's client, which refuses the"
                    " whole file for that"
                )


def _key_id(key: Any) -> str:  # noqa: ANN401 - JSON as it came
    try:
        return sha256(str(encode_canonical(key)).encode()).hexdigest()
    except (FormatError, ValueError, TypeError):
        return "none at all"


def _holes(roots: Mapping[int, bytes]) -> Iterator[Finding]:
    first = min(roots)
    if first > 1:
        yield Check(CHAIN, "1.root.json").warning(
            f"roots below {first} are gone: devices that trust only those are stranded, and"
            " upstream's client cannot prepare an update"
        )
    for version in range(first, max(roots)):
        if version not in roots:
            yield Check(CHAIN, f"{version}.root.json").error(
                f"it is missing: devices with an older root never get to {max(roots)}.root.json"
            )


def _one(version: int, data: bytes) -> Iterator[Finding]:
    at = Check(CHAIN, f"{version}.root.json")
    try:
        root = self_signed_root(data).signed
    except TrustError as error:
        yield at.error(str(error))
        return
    if root.version != version:
        yield at.error(f"it says that it is version {root.version}")
    for role in sorted(TOP_LEVEL_ROLE_NAMES):
        distinct = len(key_set(root.roles[role], root.keys))
        if distinct < root.roles[role].threshold:
            yield at.error(
                f"{role} needs {root.roles[role].threshold} signers, but has {distinct} different"
                " keys: nothing can ever be signed"
            )


def _step(old: bytes, new: bytes, version: int) -> Iterator[Finding]:
    try:
        precedes(old, new)
    except TrustError as error:
        yield Check(CHAIN, f"{version}.root.json").error(
            f"it does not follow version {version - 1}: {error}"
        )


def _newest(data: bytes, place: str, now: datetime) -> Iterator[Finding]:
    try:
        verified = self_signed_root(data)
    except TrustError:
        return
    yield from expiry_findings(place, data, verified.expires, now)
    yield from _habits(verified.signed, Check("roots", place))


def _habits(root: Root, at: Check) -> Iterator[Finding]:
    """What works, but gives away what the roles are for."""
    if root.roles["root"].threshold == 1:
        yield at.warning("one stolen root key takes the repository over: the threshold is 1")
    offline = key_set(root.roles["root"], root.keys)
    for role in sorted(TOP_LEVEL_ROLE_NAMES - {"root"}):
        if offline & key_set(root.roles[role], root.keys):
            yield at.warning(f"{role} signs with a key of the root, which belongs offline")
    if not root.consistent_snapshot:
        yield at.warning("no consistent snapshots: a publish in the middle of a download breaks it")
