"""Calling a release back: which version hosts go back to.

Withdrawing is lowering the maximum version: hosts above it move down to the highest release left
there, and nobody else takes the one withdrawn (formats 4). Nothing is deleted: hosts on their
way back still need the migrations.
"""

from __future__ import annotations

from repo_tools.draft import Edition
from updog.errors import UsageError
from updog.manifest import Manifest
from updog.version import Version


def below(manifest: Manifest, edition: Edition, bad: Version, goal: Version | None) -> Version:
    """The new maximum version: ``goal``, or the highest release below the bad one.

    Raises:
        UsageError: there is no such release, nothing below it to go back to, or ``goal`` is not a
            release below it.
    """
    mine = (edition.variant, edition.arch)
    there = {update.version for update in manifest.updates if (update.variant, update.arch) == mine}
    if bad not in there:
        known = ", ".join(map(str, sorted(there))) or "nothing"
        raise UsageError(
            f"{bad} of {edition} is not published, so nothing was withdrawn.",
            hint=f"Published is: {known}",
        )
    left = {version for version in there if version < bad}
    if not left or (goal is not None and goal not in left):
        known = ", ".join(map(str, sorted(left))) or "none"
        raise UsageError(
            f"Hosts of {edition} cannot go back from {bad} to {goal or 'an older release'}.",
            hint=f"Older releases: {known}. Their images must be there to go back to.",
        )
    return goal or max(left)
