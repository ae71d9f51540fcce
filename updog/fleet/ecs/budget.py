"""How many instances may be away at once, and whose claims those are. PURE."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from updog.fleet.ecs.marks import Mark, Phase

WHOLE = 100
_AMOUNT = re.compile(r"([0-9]{1,6})(%?)", re.ASCII)


@dataclass(frozen=True, slots=True)
class Amount:
    """A number of instances, or a part of all.

    Attributes:
        value: the number, or percent.
        percent: whether `value` is a part.
    """

    value: int
    percent: bool = False

    def of(self, total: int) -> int:
        """The number of instances: percent are rounded down, but never to none.

        Args:
            total: how many there are.
        """
        return max(1, total * self.value // WHOLE) if self.percent else self.value

    def __str__(self) -> str:
        return f"{self.value}{'%' if self.percent else ''}"


def parse_amount(text: str) -> Amount:
    """The amount written as ``N`` or ``N%``, at least 1 and at most 100 %.

    Raises:
        ValueError: it is written otherwise.
    """
    match = _AMOUNT.fullmatch(text)
    if match is None or not int(match[1]) or (match[2] and int(match[1]) > WHOLE):
        raise ValueError(f"{text[:20]!r} is neither a number from 1 nor a part such as 10%")
    return Amount(int(match[1]), percent=bool(match[2]))


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
