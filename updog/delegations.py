"""Which role speaks for a target: the search of TUF specification 5.6.7. PURE."""

from __future__ import annotations

from collections.abc import Callable

from tuf.api.metadata import TargetFile, Targets

VISIT_LIMIT = 32
"""Delegated roles looked into for one target: more would let a signer waste our time."""

_TOP = ("targets", "root")


def find_target(
    name: str, load: Callable[[str, str], Targets], *, limit: int = VISIT_LIMIT
) -> TargetFile | None:
    """Search the delegations in preorder, depth first.

    Args:
        name: the target's name.
        load: returns a role's metadata, verified against the role that delegates to it:
            ``load("a", "targets")``. What it raises ends the search.
        limit: delegated roles to visit at most; beyond it the target counts as not listed.

    Returns:
        What the first role in order says about the target; None if none does.
    """
    visited: set[str] = set()
    waiting = [_TOP]
    while waiting and len(visited) <= limit:
        role, delegator = waiting.pop()
        if role in visited:
            continue
        targets = load(role, delegator)
        visited.add(role)
        if name in targets.targets:
            return targets.targets[name]
        children, final = _children(role, targets, name)
        # A terminating delegation ends the search of everything that stands after it.
        waiting = children if final else waiting + children
    return None


def _children(role: str, targets: Targets, name: str) -> tuple[list[tuple[str, str]], bool]:
    """The roles to visit, last one first, and whether a terminating delegation cut the list."""
    found: list[tuple[str, str]] = []
    delegations = targets.delegations
    for child, terminating in delegations.get_roles_for_target(name) if delegations else ():
        found.append((child, role))
        if terminating:
            return found[::-1], True
    return found[::-1], False
