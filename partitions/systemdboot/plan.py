"""From the entries that are there to those that are wanted, step by step. PURE.

Each step is made durable before the next one. In which order, and why a power cut between any two
leaves something whole to boot:

1. Of the sets that go on being started, those that lose rank come first: the one that wins is
   raised last, and no two sets claim the same rank. A set that is taken out comes after them.
2. For each set the new entry is put before the old one is dropped. In between it has two, and both
   start the same, whole set.
3. A set that is to have no entry at all just loses those it has.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import NamedTuple

from partitions.bootflags import BootFlags
from partitions.systemdboot.entries import EntryName, counted_best


class Step(NamedTuple):
    """One change of one entry.

    Attributes:
        put: make it; else drop it.
        name: the entry.
    """

    put: bool
    name: EntryName


def plan(present: Collection[EntryName], wanted: Mapping[str, BootFlags]) -> tuple[Step, ...]:
    """Say how to get from one state to another.

    Args:
        present: the entries that there are.
        wanted: the boot bits of each set, by the stem of its entries.
    """
    steps: list[Step] = []
    for stem in sorted(wanted, key=lambda stem: _turn(present, stem, wanted[stem])):
        steps += _of_one(present, stem, wanted[stem])
    return tuple(steps)


def name_for(present: Collection[EntryName], stem: str, flags: BootFlags) -> EntryName | None:
    """The name of an entry with these boot bits; None if the set is to have none.

    A good entry has no counter, so that tries which are left are forgotten with it.
    """
    if flags == BootFlags():
        return None
    if flags.successful:
        return EntryName(stem, flags.priority)
    before = counted_best(present, stem)
    same_life = before is not None and before.left == flags.tries_left
    done = before.done if before is not None and same_life else 0
    return EntryName(stem, flags.priority, flags.tries_left, done)


def _of_one(present: Collection[EntryName], stem: str, flags: BootFlags) -> Iterator[Step]:
    name = name_for(present, stem, flags)
    if name is not None and name not in present:
        yield Step(put=True, name=name)
    for other in sorted(present, key=lambda each: each.file):
        if other.stem == stem and other != name:
            yield Step(put=False, name=other)


def _turn(present: Collection[EntryName], stem: str, flags: BootFlags) -> tuple[bool, int]:
    before = counted_best(present, stem)
    return flags.priority == 0, flags.priority - (0 if before is None else before.rank)
