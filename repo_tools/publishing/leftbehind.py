"""Releases that what is published leads on, and that a draft would strand.

A draft is whole in itself without the releases before it. Their hosts are in the field all the
same: what is published knows them, by its updates and by its migrations.
"""

from __future__ import annotations

from collections.abc import Iterator

from repo_tools.draft import names_in
from repo_tools.validate.reach import Known, Start, reach, starts
from updog.manifest import Manifest


def left_behind(published: Manifest, draft: Manifest) -> Iterator[str]:
    """What to tell before a draft takes the place of what is published, a line for each release.

    A release that is stranded already is not told again: this publish does not do that to it.

    Args:
        published: what devices see; an empty one if that is nothing yet.
        draft: what they would see.
    """
    old, new = frozenset(names_in(published)), frozenset(names_in(draft))
    for start in _in_the_field(published, draft):
        if start in _stranded(published, old):
            continue
        found = reach(draft, new, start)
        if found.stranded:
            yield f"{start.place} would be stranded: {'; '.join(found.missing)}"


def _in_the_field(published: Manifest, draft: Manifest) -> Iterator[Start]:
    """What is published counts in full; of the draft only its releases, not its old migrations."""
    known = {start.place: start for start in starts(published)}
    yield from known.values()
    for start in starts(draft):
        if start.known is Known.MANIFEST and start.place not in known:
            yield start


def _stranded(published: Manifest, targets: frozenset[str]) -> frozenset[Start]:
    found = (reach(published, targets, start) for start in starts(published))
    return frozenset(each.start for each in found if each.stranded)
