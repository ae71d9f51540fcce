"""How many nodes may be unavailable at once. PURE."""

from __future__ import annotations

from typing import NamedTuple

HUNDRED = 100


class Budget(NamedTuple):
    """A limit for a fleet of any size.

    Attributes:
        nodes: most nodes; None for no such limit.
        percent: most nodes of a hundred; None for no such limit.
    """

    nodes: int | None = None
    percent: int | None = None

    def of(self, total: int) -> int:
        """How many of so many nodes; a share above 0 allows at least one."""
        if self.percent is not None:
            return max(total * self.percent // HUNDRED, 1) if self.percent else 0
        return total if self.nodes is None else self.nodes

    def __str__(self) -> str:
        if self.percent is not None:
            return f"{self.percent}%"
        return "unlimited" if self.nodes is None else str(self.nodes)


UNLIMITED = Budget()


def parse(text: str) -> Budget:
    """Read ``3``, ``10%`` or ``unlimited``.

    Raises:
        ValueError: it is none of these.
    """
    said = text.strip().lower()
    if said == "unlimited":
        return UNLIMITED
    number = said.removesuffix("%")
    if not (number.isascii() and number.isdigit()):
        raise ValueError(
            f"{text!r} is no budget; write a number, a share such as 10%, or unlimited"
        )
    if said == number:
        return Budget(nodes=int(number))
    if int(number) > HUNDRED:
        raise ValueError(f"{text!r} is more than all")
    return Budget(percent=int(number))
