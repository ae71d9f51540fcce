"""Roots by themselves and in pairs: what may be said about them outside of a refresh. PURE."""

from __future__ import annotations

from tuf.api.metadata import Root, Snapshot, Timestamp

from updog.tuffiles import Verified, check_version, parse
from updog.tufjson import read_envelope
from updog.tufkeys import check_threshold, key_set


def self_signed_root(data: bytes) -> Verified[Root]:
    """Return a root that meets its own threshold.

    Raises:
        TrustError: it does not, or is malformed.
    """
    root = parse(Root, Root.type, data, read_envelope(data, "root.json"))
    check_self_signed(root, "root.json")
    return root


def check_self_signed(root: Verified[Root], what: str) -> None:
    """Check a root against its own threshold.

    Raises:
        TrustError: too few of its keys signed it.
    """
    envelope = read_envelope(root.raw, what)
    check_threshold(what, envelope, root.signed.roles["root"], root.signed.keys, of="it itself")


def precedes(data: bytes, newer: bytes) -> None:
    """Check that a root leads to the one after it: signed by itself, and its keys sign the next.

    That makes it the file the newer one was derived from as far as bytes can tell; it gives the
    older one no trust.

    Raises:
        TrustError: it does not.
    """
    old = self_signed_root(data)
    what = f"{old.signed.version + 1}.root.json"
    envelope = read_envelope(newer, what)
    of = f"root version {old.signed.version}"
    check_threshold(what, envelope, old.signed.roles["root"], old.signed.keys, of=of)
    check_version(what, parse(Root, "root", newer, envelope).signed.version, old.signed.version + 1)


def rotates(old: Root, new: Root) -> bool:
    """Whether a key of timestamp or snapshot was taken away between two roots.

    An attacker who held that key may have driven the versions up to where no honest file can follow
    (a fast-forward attack), so what was stored under it must be forgotten. A key that was added, or
    another threshold, gives no reason to give up the protection against rollback.
    """
    return any(
        key_set(old.roles[role], old.keys) - key_set(new.roles[role], new.keys)
        for role in (Timestamp.type, Snapshot.type)
    )


def related(one: Root, other: Root) -> bool:
    """Whether two roots have a root key in common, and so belong to one repository."""
    keys = (key_set(root.roles["root"], root.keys) for root in (one, other))
    return bool(next(keys) & next(keys))
