"""Boot loader entries: what their names say, and which of them systemd-boot starts. PURE.

A name is ``STEM-RANK[+LEFT[-DONE]].conf``. The counter is that of the Boot Loader Specification:
systemd-boot takes one from LEFT and adds one to DONE when it starts the entry; without a counter,
the entry is good. RANK is ours: the priority of the set. It stands in the name, so that no entry
is ever written over by another one of the same name, and in the entry's sort key, by which
systemd-boot orders them. An entry of rank 0 is kept where systemd-boot does not look.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

from partitions.bootflags import MAX_PRIORITY, MAX_TRIES, BootFlags
from partitions.slot import Slot

_NAME = re.compile(
    r"(?P<stem>[^+]+)-(?P<rank>\d{1,2})(?:\+(?P<left>\d+)(?:-(?P<done>\d+))?)?\.conf"
)


class EntryName(NamedTuple):
    """The name of an entry, taken apart.

    Attributes:
        stem: which set it starts.
        rank: the priority of the set; 0 is never started.
        left: tries left; None in an entry that has proven to be good.
        done: tries spent.
    """

    stem: str
    rank: int
    left: int | None = None
    done: int = 0

    @property
    def file(self) -> str:
        """The file name."""
        if self.left is None:
            counter = ""
        else:
            counter = f"+{self.left}" + (f"-{self.done}" if self.done else "")
        return f"{self.stem}-{self.rank}{counter}.conf"

    @property
    def bad(self) -> bool:
        """Whether its tries are spent: systemd-boot puts it behind all others."""
        return self.left == 0

    @property
    def flags(self) -> BootFlags:
        """The same as boot bits."""
        return BootFlags(self.rank, min(self.left or 0, MAX_TRIES), self.left is None)


def parse(file: str, stems: Iterable[str]) -> EntryName | None:
    """Take a file name apart; None if it is no entry of ours.

    Letters of either case are the same on a FAT file system, and here.
    """
    found = _NAME.fullmatch(file.lower())
    if found is None or found["stem"] not in stems or int(found["rank"]) > MAX_PRIORITY:
        return None
    left = None if found["left"] is None else int(found["left"])
    return EntryName(found["stem"], int(found["rank"]), left, int(found["done"] or 0))


def in_order(names: Iterable[EntryName]) -> list[EntryName]:
    """Sort entries as systemd-boot does; it starts the first one.

    Those without tries left go last; then the sort key decides; then the names, in reverse.
    """
    by_name = sorted(names, key=lambda name: name.file, reverse=True)
    return sorted(by_name, key=lambda name: (name.bad, -name.rank))


def started_first(names: Iterable[EntryName]) -> EntryName | None:
    """The entry of ours that systemd-boot starts; None if there is none."""
    ranked = in_order(name for name in names if name.rank)
    return ranked[0] if ranked else None


def after_start(name: EntryName) -> EntryName:
    """The name that systemd-boot gives an entry before it starts it."""
    if not name.left:
        return name
    return name._replace(left=name.left - 1, done=name.done + 1)


def counted_best(names: Iterable[EntryName], stem: str) -> EntryName | None:
    """The one name of a set that counts, where a power cut has left two; None if it has none."""
    own = [name for name in names if name.stem == stem]
    return max(own, key=lambda name: (name.rank, not name.bad, name.left is None), default=None)


def text(name: EntryName, slot: Slot, program: str) -> str:
    """The content of an entry.

    Args:
        name: its name.
        slot: the set it starts.
        program: path of the EFI program on the EFI system partition.
    """
    # The sort key first: an entry that lost its end has no program, and is passed over.
    return (
        f"sort-key updog-{MAX_PRIORITY - name.rank:02}\ntitle Partition set {slot}\nefi {program}\n"
    )
