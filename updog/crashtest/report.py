"""The proof as a table for people and as JSON for programs. PURE."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields

from updog.crashtest.words import Counterexample


@dataclass(frozen=True, slots=True)
class Row:
    """What was explored of one operation.

    Attributes:
        operation: its name.
        sector: bytes that the medium writes whole or not at all.
        moments: stretches between flushes.
        complete: those of which every possible disk was explored.
        states: disks that a power cut could leave, explored and checked.
        tables: different partition tables among them, both copies taken together.
        leaning: those with a damaged primary copy.
        recoveries: disks on which the real recovery was run.
        cut_again: disks explored for a second power cut in the middle of a recovery.
        failures: disks that break a promise.
    """

    operation: str
    sector: int
    moments: int
    complete: int
    states: int
    tables: int
    leaning: int
    recoveries: int
    cut_again: int
    failures: int

    @property
    def disks(self) -> int:
        """All disks explored."""
        return self.states + self.cut_again


@dataclass(frozen=True, slots=True)
class Proof:
    """Everything that was explored.

    Attributes:
        rows: by operation and size of sector.
        counterexample: the simplest disk that breaks a promise; None if none does.
    """

    rows: tuple[Row, ...]
    counterexample: Counterexample | None = None

    @property
    def disks(self) -> int:
        """All disks explored."""
        return sum(row.disks for row in self.rows)

    @property
    def failures(self) -> int:
        """All disks that break a promise."""
        return sum(row.failures for row in self.rows)

    @property
    def holds(self) -> bool:
        """Whether something was explored, and nothing broke."""
        return bool(self.disks) and not self.failures


_HEADINGS = (
    "operation",
    "sector",
    "moments",
    "complete",
    "states",
    "tables",
    "leaning",
    "recoveries",
    "cut again",
    "failures",
)
_LEGEND = """
states      disks that a power cut in the operation could leave; each was checked
moments     stretches between two flushes; of the complete ones every possible disk was checked
tables      different partition tables among the states; leaning: the bootloader must repair the
            primary copy before the kernel can use it
recoveries  the real code booted, confirmed and updated again on this many of them, and
cut again   the power was cut a second time while it did so, leaving this many disks
"""


def as_text(proof: Proof) -> str:
    """The proof for people."""
    table = _aligned([_HEADINGS, *(_cells(row) for row in proof.rows)])
    return f"{table}\n{_LEGEND}\n{_verdict(proof)}"


def as_json(proof: Proof) -> str:
    """The proof for programs."""
    found = proof.counterexample
    said = {
        "disks": proof.disks,
        "failures": proof.failures,
        "operations": [asdict(row) for row in proof.rows],
        "counterexample": None if found is None else _without_rank(found),
    }
    return json.dumps(said, indent=2)


def _without_rank(found: Counterexample) -> dict[str, object]:
    return {key: value for key, value in asdict(found).items() if key != "rank"}


def _verdict(proof: Proof) -> str:
    if proof.counterexample is None:
        return f"{proof.disks} disks explored, {proof.failures} failures."
    return (
        f"{proof.disks} disks explored, {proof.failures} of them break a promise."
        f" The simplest one:\n\n{proof.counterexample}"
    )


def _cells(row: Row) -> tuple[str, ...]:
    return tuple(str(getattr(row, field.name)) for field in fields(row))


def _aligned(lines: Sequence[tuple[str, ...]]) -> str:
    widths = [max(len(cell) for cell in column) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join([line[0].ljust(widths[0]), *map(str.rjust, line[1:], widths[1:])]).rstrip()
        for line in lines
    )
