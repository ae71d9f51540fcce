"""A root that is not yet signed by everybody who must: as read, as written, as edited. PURE.

A draft is an ordinary ``root.json`` whose signatures are not complete, so that any TUF tool can
read and sign it too. What was received is kept as it was received, because the signatures are over
its canonical form; an edit makes a new body, and the signatures over the old one are gone.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from copy import deepcopy
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from securesystemslib.formats import encode_canonical
from securesystemslib.signer import Key
from tuf.api.metadata import TOP_LEVEL_ROLE_NAMES, Role, Root, Signature

from repo_tools.errors import RootError
from repo_tools.signing import SPEC_VERSION, whole_second
from updog.tufjson import SHAPE_ERRORS, malformed, read_envelope, take_expires
from updog.tufkeys import key_material

ROLES = ("root", "targets", "snapshot", "timestamp")
# What every client of such repositories can check; another key makes a root unreadable to some.
SCHEMES = {"ed25519": "ed25519", "ecdsa": "ecdsa-sha2-nistp256", "rsa": "rsassa-pss-sha256"}
SHORTEST_PREFIX = 4


@dataclass(frozen=True, slots=True)
class RootDraft:
    """One state of a draft.

    Attributes:
        root: what it says.
        body: the ``signed`` member as received or as it will be written.
        signatures: over the canonical form of ``body``, valid or not; one a key id.
    """

    root: Root
    body: Mapping[str, Any]
    signatures: tuple[Signature, ...] = ()

    @classmethod
    def of(cls, root: Root) -> RootDraft:
        """An unsigned draft that says what ``root`` says."""
        return cls(root, root.to_dict())

    @property
    def payload(self) -> bytes:
        """The bytes that are signed."""
        return str(encode_canonical(dict(self.body))).encode()

    @property
    def data(self) -> bytes:
        """The bytes of its file: pretty JSON that ends with a newline, as everything we publish."""
        document = {"signatures": [one.to_dict() for one in self.signatures], "signed": self.body}
        return json.dumps(document, indent=2, sort_keys=True).encode() + b"\n"

    def signed_by(self, signature: Signature) -> RootDraft:
        """The same with one signature more, in place of an earlier one by that key."""
        others = (one for one in self.signatures if one.keyid != signature.keyid)
        return RootDraft(self.root, self.body, (*others, signature))


def parse(data: bytes, what: str) -> RootDraft:
    """Read a root, signed or not, by the client's own strict rules for JSON.

    Args:
        data: the file.
        what: its name, for messages.

    Raises:
        TrustError: not JSON, a member twice, not the shape of a root.
        RootError: other metadata than a root.
    """
    envelope = read_envelope(data, what)
    kind = envelope.signed.get("_type", Root.type)
    if kind != Root.type:
        raise RootError(f"{what} is {kind} metadata, not a root.")
    body = deepcopy(envelope.signed)
    try:
        take_expires(envelope.signed)
        root = Root.from_dict(envelope.signed)
    except SHAPE_ERRORS as error:
        raise malformed(what, error) from error
    return RootDraft(root, body, envelope.signatures)


def empty(expires: datetime) -> Root:
    """Version 1 without any key: thresholds of 1, consistent snapshots."""
    return Root(
        version=1,
        spec_version=SPEC_VERSION,
        expires=whole_second(expires),
        keys={},
        roles={role: Role([], 1) for role in ROLES},
        consistent_snapshot=True,
    )


def next_after(last: Root, expires: datetime) -> Root:
    """The version after ``last``: the same keys and thresholds, a new expiry."""

    def renew(root: Root) -> None:
        root.version += 1
        root.expires = whole_second(expires)

    return _edited(last, renew)


def expire(root: Root, expires: datetime) -> Root:
    """The same with another expiry."""

    def change(copy: Root) -> None:
        copy.expires = whole_second(expires)

    return _edited(root, change)


def add_keys(root: Root, role: str, added: Iterable[Key]) -> Root:
    """Give keys to a role.

    Raises:
        RootError: not a role, the key is there already, or a kind that some clients cannot check.
    """
    _check_role(role)

    def change(copy: Root) -> None:
        for key in added:
            _check_new(copy, role, key)
            copy.add_key(key, role)

    return _edited(root, change)


def remove_key(root: Root, role: str, keyid: str) -> Root:
    """Take a key away from a role.

    Args:
        root: the draft.
        role: one of the four.
        keyid: the key id or the beginning of one.

    Raises:
        RootError: the role has no such key, or several.
    """
    _check_role(role)
    found = matching(root, role, keyid)

    def change(copy: Root) -> None:
        copy.revoke_key(found, role)

    return _edited(root, change)


def matching(root: Root, role: str, keyid: str) -> str:
    """The one key id of a role that begins with ``keyid``.

    Raises:
        RootError: there is none, there are several, or too few digits were given.
    """
    found = [each for each in root.roles[role].keyids if each.startswith(keyid)]
    if len(keyid) < SHORTEST_PREFIX or len(found) != 1:
        listed = ", ".join(each[:8] for each in root.roles[role].keyids) or "none"
        raise RootError(
            f"{keyid!r} is not the beginning of exactly one {role} key.",
            hint=f"The {role} keys are: {listed}. Give at least {SHORTEST_PREFIX} digits.",
        )
    return found[0]


def set_threshold(root: Root, role: str, threshold: int) -> Root:
    """Say how many keys of a role must sign. Whether there are as many is asked when signing.

    Raises:
        RootError: not a role, or a number below 1.
    """
    _check_role(role)
    if threshold < 1:
        raise RootError(f"A threshold of {threshold} would let anybody sign; the least is 1.")

    def change(copy: Root) -> None:
        copy.roles[role].threshold = threshold

    return _edited(root, change)


def _edited(root: Root, change: Callable[[Root], None]) -> Root:
    copy = Root.from_dict(deepcopy(root.to_dict()))
    change(copy)
    return copy


def _check_role(role: str) -> None:
    if role not in TOP_LEVEL_ROLE_NAMES:
        raise RootError(f"{role!r} is no role.", hint=f"The roles are {', '.join(ROLES)}.")


def _check_new(root: Root, role: str, key: Key) -> None:
    """Refuse what a client would count for nothing, or not at all."""
    material = key_material(key)
    if SCHEMES.get(key.keytype) != key.scheme or material is None:
        raise RootError(
            f"A key of type {key.keytype} with {key.scheme} is not one that every client checks.",
            hint="Use ed25519, ECDSA on P-256, or RSA-PSS with SHA-256 from 2048 bits.",
        )
    held = (root.keys[keyid] for keyid in root.roles[role].keyids)
    if any(key_material(each) == material for each in held):
        raise RootError(f"The key {key.keyid[:8]} is a {role} key already.")
    if key.keyid in root.keys and key_material(root.keys[key.keyid]) != material:
        raise RootError(f"Another key stands under the id {key.keyid[:8]}.")
