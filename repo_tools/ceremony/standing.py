"""Who has signed a draft, who may still, and what speaks against it. PURE.

A root must be signed by a threshold of its own root keys and, from version 2 on, by one of the root
before it. Keys are counted as the client counts them: distinct public keys, whatever their ids.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256

from securesystemslib.formats import encode_canonical
from securesystemslib.signer import Key
from tuf.api.metadata import Root

from repo_tools.ceremony.rootdraft import ROLES, RootDraft
from updog.tufkeys import count_signers, key_material

LONG = timedelta(days=2 * 366)


@dataclass(frozen=True, slots=True)
class Progress:
    """How far one root's threshold is met.

    Attributes:
        version: of the root whose keys and threshold these are.
        threshold: how many of its root keys must sign.
        count: how many different ones did.
        signed: the ids of those that did.
        waiting: the ids of those that did not.
    """

    version: int
    threshold: int
    count: int
    signed: tuple[str, ...]
    waiting: tuple[str, ...]

    @property
    def missing(self) -> int:
        """How many more must sign."""
        return max(0, self.threshold - self.count)

    @property
    def possible(self) -> bool:
        """Whether there are keys enough."""
        return len(self.signed) + len(self.waiting) >= self.threshold


@dataclass(frozen=True, slots=True)
class Standing:
    """How far a draft is signed.

    Attributes:
        own: by its own root keys.
        last: by those of the root before it; None for the first, or when that one is not at hand.
    """

    own: Progress
    last: Progress | None

    @property
    def missing(self) -> int:
        """How many more signatures at least; one key can count for both."""
        return max(self.own.missing, self.last.missing if self.last else 0)


def standing(draft: RootDraft, last: Root | None) -> Standing:
    """How far ``draft`` is signed by itself and by ``last``."""
    return Standing(progress(draft, draft.root), progress(draft, last) if last else None)


def progress(draft: RootDraft, judge: Root) -> Progress:
    """How far ``draft`` is signed by the root keys of ``judge``."""
    signatures = {signature.keyid: signature for signature in draft.signatures}
    role = judge.roles[Root.type]
    held = {keyid: judge.keys[keyid] for keyid in role.keyids if keyid in judge.keys}
    payload = draft.payload
    valid = [k for k, key in held.items() if count_signers({k: key}, signatures, payload)]
    return Progress(
        judge.version,
        role.threshold,
        count_signers(held, signatures, payload),
        tuple(sorted(valid)),
        tuple(sorted(set(held) - set(valid))),
    )


def faults(root: Root, last: Root | None, now: datetime) -> tuple[str, ...]:
    """What makes a root one that nobody may sign, each as a sentence."""
    return tuple(_faults(root, last, now))


def remarks(root: Root, now: datetime) -> tuple[str, ...]:
    """What a signer should think about once more, each as a sentence."""
    return tuple(_remarks(root, now))


def _faults(root: Root, last: Root | None, now: datetime) -> Iterator[str]:
    for role in ROLES:
        rule = root.roles[role]
        if len(_materials(root, role)) < rule.threshold:
            yield (
                f"{rule.threshold} {role} key(s) must sign, but the role has {len(rule.keyids)}."
            )
    if root.expires <= now:
        yield f"It expired at {root.expires:%Y-%m-%d %H:%M} UTC."
    if last is not None and root.version != last.version + 1:
        yield f"Its version is {root.version}; the root after version {last.version} comes next."
    if last is None and root.version != 1:
        yield f"Its version is {root.version}, so it needs the root before it beside it."


def _remarks(root: Root, now: datetime) -> Iterator[str]:
    rule = root.roles[Root.type]
    if rule.threshold == 1:
        yield "One root key alone can change who is trusted; a thief needs to steal only that one."
    if 1 < rule.threshold == len(rule.keyids):
        yield "Every root key must sign: if one is lost, no root can follow this one."
    if root.expires - now > LONG:
        yield f"It lasts until {root.expires:%Y-%m-%d}, more than two years."
    offline = _materials(root, Root.type)
    for role in ROLES[1:]:
        if offline & _materials(root, role):
            yield f"A root key is a {role} key too; root keys belong offline."
    for keyid, key in sorted(root.keys.items()):
        if keyid != usual_id(key):
            yield f"The id {keyid[:8]} is not the hash of its key; some clients refuse such a root."
    if not root.consistent_snapshot:
        yield "It asks for no consistent snapshots, and publishing here makes nothing else."


def usual_id(key: Key) -> str:
    """The id that upstream's client computes: SHA-256 of the key's canonical JSON (formats 6.2)."""
    return sha256(str(encode_canonical(key.to_dict())).encode()).hexdigest()


def _materials(root: Root, role: str) -> set[bytes]:
    keys = (root.keys[keyid] for keyid in root.roles[role].keyids if keyid in root.keys)
    return {found for found in map(key_material, keys) if found is not None}
