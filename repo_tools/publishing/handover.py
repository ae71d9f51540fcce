"""From old online keys to new ones without a moment in which devices refuse what is published.

A device that has fetched the new root refuses a timestamp of the old keys, and one that has not
refuses a timestamp of the new keys. What both kinds of keys have signed satisfies both, so it goes
out first, and the new root after it. That needs the old keys once more.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from tuf.api.metadata import Root

from repo_tools.keyring import CONFIG, RETIRED
from repo_tools.repository import Repository
from repo_tools.root import SignedRoot
from repo_tools.signing import ONLINE_ROLES, Signers


@dataclass(frozen=True, slots=True)
class Handover:
    """How one edition gets the roots that it has not published yet.

    Attributes:
        signers: who signs.
        roots: to be written, in order.
        roots_last: they come after the timestamp, which both old and new keys have signed.
        warning: what devices will meet, if they cannot be spared; empty if they can.
    """

    signers: Signers
    roots: tuple[SignedRoot, ...]
    roots_last: bool = False
    warning: str = ""


def handover(
    repository: Repository,
    roots: Sequence[SignedRoot],
    signers: Signers,
    published: Collection[str],
) -> Handover:
    """Work out how new roots go out.

    Args:
        repository: whose old keys may be at hand.
        roots: all there are.
        signers: of the newest.
        published: names of the files that the edition's folder holds.
    """
    waiting = tuple(one for one in roots if one.name not in published)
    known = [one for one in roots if one.name in published]
    if not (known and waiting):
        return Handover(signers, waiting)
    between = [known[-1], *(one for one in waiting if one.root.version > known[-1].root.version)]
    earlier = [one for one in between[:-1] if _online(one.root) != _online(signers.root)]
    if not earlier:
        return Handover(signers, waiting)
    before = [found for one in earlier if (found := repository.signers_before(one.root))]
    if len(before) < len(earlier):
        return Handover(
            signers,
            waiting,
            warning=f"online keys that {earlier[0].name} knows are not at hand in"
            f" {repository.keys / RETIRED} or under [{RETIRED}] in {CONFIG}, so devices refuse the"
            f" repository while {waiting[0].name} is there and the new timestamp.json is not",
        )
    return Handover(replace(signers, before=tuple(before)), waiting, roots_last=True)


def _online(root: Root) -> dict[str, tuple[frozenset[str], int]]:
    found = {role: root.roles[role] for role in ONLINE_ROLES}
    return {role: (frozenset(one.keyids), one.threshold) for role, one in found.items()}
