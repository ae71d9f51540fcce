"""What a root changes against the one before it, as values and in plain words. PURE.

Keys are compared by what they are, not by their ids: another key under an old id is a key taken
away and a key added, and an old key under a new id is said to be one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from securesystemslib.signer import Key
from tuf.api.metadata import Root

from repo_tools.ceremony.rootdraft import ROLES
from updog.tufkeys import key_material
from waves.duration import format_moment

SHORT = 8


class Kind(StrEnum):
    """Kinds of change, as JSON names them."""

    FIRST = "first-root"
    VERSION = "version"
    EXPIRES = "expires"
    KEY_ADDED = "key-added"
    KEY_REMOVED = "key-removed"
    KEY_RENAMED = "key-renamed"
    THRESHOLD = "threshold"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Change:
    """One difference.

    Attributes:
        kind: which sort.
        text: a sentence for the person who signs.
        role: whose, where it is one role's.
        key: the id of the key, where it is about one.
    """

    kind: Kind
    text: str
    role: str | None = None
    key: str | None = None


def changes(last: Root | None, new: Root) -> tuple[Change, ...]:
    """Everything in which ``new`` differs from ``last``, or from nothing."""
    if last is None:
        return tuple(_first(new))
    return tuple(_all(last, new))


def named(key: Key) -> str:
    """A key as people read it: its type and the beginning of its id."""
    return f"{key.keytype} {key.keyid[:SHORT]}"


def _first(new: Root) -> Iterator[Change]:
    yield Change(Kind.FIRST, "This is the first root: whoever trusts it trusts all of the below.")
    yield Change(Kind.EXPIRES, f"It expires at {format_moment(new.expires)}.")
    for role in ROLES:
        for keyid in new.roles[role].keyids:
            yield _added(role, new.keys[keyid])
        yield Change(Kind.THRESHOLD, f"{new.roles[role].threshold} {role} key(s) must sign.", role)


def _all(last: Root, new: Root) -> Iterator[Change]:
    if new.version != last.version:
        yield Change(Kind.VERSION, f"The version goes from {last.version} to {new.version}.")
    if new.expires != last.expires:
        before, after = format_moment(last.expires), format_moment(new.expires)
        sense = "later" if new.expires > last.expires else "EARLIER"
        yield Change(Kind.EXPIRES, f"It expires {sense}: at {after} instead of {before}.")
    for role in ROLES:
        yield from _keys(role, last, new)
        yield from _threshold(role, last, new)
    yield from _others(last, new)


def _keys(role: str, last: Root, new: Root) -> Iterator[Change]:
    before, after = _held(last, role), _held(new, role)
    for material in sorted(before.keys() - after.keys()):
        key = before[material]
        text = f"The {role} key {named(key)} is TAKEN AWAY: what it signs counts no more."
        yield Change(Kind.KEY_REMOVED, text, role, key.keyid)
    for material in sorted(after.keys() - before.keys()):
        yield _added(role, after[material])
    for material in sorted(before.keys() & after.keys()):
        old, key = before[material], after[material]
        if old.keyid != key.keyid:
            text = f"The {role} key {named(old)} stays, under the id {key.keyid[:SHORT]}."
            yield Change(Kind.KEY_RENAMED, text, role, key.keyid)


def _added(role: str, key: Key) -> Change:
    return Change(Kind.KEY_ADDED, f"The {role} key {named(key)} is ADDED.", role, key.keyid)


def _threshold(role: str, last: Root, new: Root) -> Iterator[Change]:
    before, after = last.roles[role].threshold, new.roles[role].threshold
    if before != after:
        text = f"{after} {role} key(s) must sign instead of {before}."
        yield Change(Kind.THRESHOLD, text, role)


def _others(last: Root, new: Root) -> Iterator[Change]:
    """Members that no ceremony command touches; a change of one was made by other hands."""
    before, after = _rest(last), _rest(new)
    for member in sorted(before.keys() | after.keys()):
        if before.get(member) != after.get(member):
            text = f"{member} becomes {after.get(member)!r} instead of {before.get(member)!r}."
            yield Change(Kind.OTHER, text)


def _rest(root: Root) -> Mapping[str, Any]:
    known = {"version", "expires", "keys", "roles"}
    return {name: value for name, value in root.to_dict().items() if name not in known}


def _held(root: Root, role: str) -> dict[bytes, Key]:
    """The keys of a role by what they are; one that cannot be read stands for its own text."""
    keys = (root.keys[keyid] for keyid in root.roles[role].keyids if keyid in root.keys)
    return {key_material(key) or repr(key.to_dict()).encode(): key for key in keys}
