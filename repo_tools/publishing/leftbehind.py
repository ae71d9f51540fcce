"""Releases that what is published leads on, and that a draft would strand.

A draft is whole in itself without the releases before it. Their hosts are in the field all the
same: what is published knows them, by its updates and by its migrations.
"""

from __future__ import annotations

from collections.abc import Iterator

from repo_tools.draft import names_in
from repo_tools.validate.reach import reach, starts
from updog.manifest import Manifest


def left_behind(published: Manifest, draft: Manifest) -> Iterator[str]:
    """What to tell before a draft takes the place of what is published, a line for each release.

    Args:
        published: what devices see.
        draft: what they would see.
    """
    old, new = frozenset(names_in(published)), frozenset(names_in(draft))
    for start in starts(published):
        if reach(published, old, start).stranded:
            continue
        found = reach(draft, new, start)
        if found.stranded:
            yield f"{start.place} would be stranded: {'; '.join(found.missing)}"
