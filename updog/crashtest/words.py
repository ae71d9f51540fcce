"""A counterexample, made as small as it gets and told in words. PURE."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from updog.crashtest.doubt import Atom, Doubt
from updog.crashtest.moments import mask_of
from updog.crashtest.regions import DiskMap
from updog.crashtest.writelog import Event, step_at

_LISTED = 3


@dataclass(frozen=True, slots=True)
class Counterexample:
    """A disk that a power cut could leave, and the promise it breaks.

    Attributes:
        operation: what was running.
        step: what it was doing.
        sector: bytes that the medium writes whole or not at all; 0 where the power was not cut.
        in_doubt: sectors written and not flushed, at that moment.
        places: what reached the disk and what did not, one line a place.
        problem: the promise that is broken.
        rank: simpler ones are lower.
    """

    operation: str
    step: str
    sector: int
    in_doubt: int
    places: tuple[str, ...]
    problem: str
    rank: tuple[int, ...] = field(repr=False)

    def __str__(self) -> str:
        if not self.sector:
            return f"{self.operation}, during the step '{self.step}': {self.problem.rstrip('.')}."
        lines = (
            f"{self.operation}: the power is cut during the step '{self.step}'.",
            f"{self.in_doubt} sectors of {self.sector} bytes were written and not flushed:",
            *(f"  - {place}" for place in self.places),
            f"Then {self.problem.rstrip('.')}.",
        )
        return "\n".join(lines)


def without_power_cut(operation: str, step: str, position: int, error: str) -> Counterexample:
    """Tell of a run that failed after another one had been killed, the power being on."""
    problem = f"the process is killed there, and the next run fails: {error}"
    return Counterexample(operation, step, 0, 0, (), problem, (0, 0, position, 0))


def smallest(mask: int, doubt: Doubt, fails: Callable[[int], bool]) -> int:
    """Make a failing subset simpler: fewer sectors landed, or fewer lost, whichever is less."""
    lost = doubt.everything & ~mask
    if mask.bit_count() <= lost.bit_count():
        return _thinned(mask, fails)
    return doubt.everything & ~_thinned(lost, lambda less: fails(doubt.everything & ~less))


def _thinned(mask: int, fails: Callable[[int], bool]) -> int:
    """Drop bits as long as it still fails; large parts first, then one by one."""
    bits = [bit for bit in range(mask.bit_length()) if mask >> bit & 1]
    step = max(1, len(bits) // 2)
    while True:
        at = 0
        while at < len(bits):
            fewer = bits[:at] + bits[at + step :]
            if fails(mask_of(fewer)):
                bits = fewer
            else:
                at += step
        if step == 1:
            return mask_of(bits)
        step //= 2


def rank(mask: int, doubt: Doubt) -> tuple[int, ...]:
    """How simple a subset is to tell; lower is simpler."""
    landed = mask.bit_count()
    few = min(landed, len(doubt.atoms) - landed)
    return few, len(doubt.atoms), doubt.moment.position, mask


def places(mask: int, doubt: Doubt, where: DiskMap) -> tuple[str, ...]:
    """Say for each part of the disk what reached it."""
    found: dict[str, tuple[list[Atom], list[Atom]]] = {}
    for bit, atom in enumerate(doubt.atoms):
        landed, lost = found.setdefault(where.name_at(atom.start), ([], []))
        (landed if mask >> bit & 1 else lost).append(atom)
    return tuple(_place(name, landed, lost) for name, (landed, lost) in found.items())


def _place(name: str, landed: list[Atom], lost: list[Atom]) -> str:
    total = len(landed) + len(lost)
    if not lost:
        return f"{name}: all {total} reached the disk"
    if not landed:
        return f"{name}: none of {total} reached the disk"
    if len(landed) <= len(lost):
        return f"{name}: of {total}, only {_count(landed)} reached the disk"
    return f"{name}: of {total}, all but {_count(lost)} reached the disk"


def _count(atoms: list[Atom]) -> str:
    if len(atoms) > _LISTED:
        return str(len(atoms))
    return f"{len(atoms)} (byte {', '.join(str(start) for start in _starts(atoms))})"


def _starts(atoms: Iterable[Atom]) -> list[int]:
    return [atom.start for atom in atoms]


def step_of(doubt: Doubt, log: tuple[Event, ...]) -> str:
    """What the operation was doing at a moment."""
    return step_at(log, doubt.moment.position)
