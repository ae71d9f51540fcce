"""How many instances may be away at once, and whose claims those are. PURE."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from updog.fleet.budget import HUNDRED, Budget
from updog.fleet.ecs.marks import Mark, Phase

_AMOUNT = re.compile(r"([0-9]{1,6})(%?)", re.ASCII)


def parse_amount(text: str) -> Budget:
    """The amount written as ``N`` or ``N%``, at least 1 and at most 100 %.

    Raises:
        ValueError: it is written otherwise.
    """
    match = _AMOUNT.fullmatch(text)
    if match is None or not int(match[1]) or (match[2] and int(match[1]) > HUNDRED):
        raise ValueError(f"{text[:20]!r} is neither a number from 1 nor a part such as 10%")
    return Budget(percent=int(match[1])) if match[2] else Budget(nodes=int(match[1]))


def granted(claims: Mapping[str, Mark], instance: str, limit: int) -> bool:
    """Whether a claim lies within the limit, if each run goes by the same rule.

    Whoever is ahead stays ahead: what is drained counts before what is only claimed, then the
    older claim counts first.

    Args:
        claims: all of all runs, by instance.
        instance: whose claim is asked about.
        limit: how many there may be.
    """
    return instance in _ranked(claims)[:limit]


def _ranked(claims: Mapping[str, Mark]) -> list[str]:
    def rank(name: str) -> tuple[bool, str, str, str]:
        mark = claims[name]
        return (mark.phase is Phase.CLAIMED, mark.since.isoformat(), mark.run, name)

    return sorted(claims, key=rank)


def room(held: Iterable[str], limit: int) -> int:
    """How many more instances may be taken.

    Args:
        held: the instances that are away because of updaters.
        limit: how many there may be.
    """
    return max(0, limit - len(set(held)))
