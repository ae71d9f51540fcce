"""A migration: steps, and what keeps them from losing anything. PURE.

Going up and down again must give back every setting, also those that the newer release has no
place for. So after running its steps a migration runs them backwards as well, and compares. Where
that does not give what was there, both are kept, as metadata of the tree that comes out:

    there:   T -up-> R        U = down(R)        kept: U[c] and T[c], for each cell c where U != T
    back:    R -down-> U      a cell that is U[c] now becomes T[c]

A cell that is not U[c] on the way back was changed in between, by somebody who knew the newer
release: that is newer than what was kept, and stays. The same holds for down and up again.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from updog.datastore.errors import StoreError
from updog.datastore.keys import Key
from updog.datastore.tree import Cell, Datum, Store, Tree, changes
from updog.migrationkit.steps import Step

KEEPER = Key(("updog",))
"""The setting, without a value, whose metadata tells what migrations keep."""


class Direction(StrEnum):
    """Which way a migration runs."""

    FORWARD = "forward"
    BACKWARD = "backward"

    @property
    def other(self) -> Direction:
        """The way back."""
        return Direction.BACKWARD if self is Direction.FORWARD else Direction.FORWARD


class Kept(NamedTuple):
    """A cell that the steps alone do not restore.

    Attributes:
        cell: which.
        undone: what they make of it on the way back.
        before: what it was.
    """

    cell: Cell
    undone: Datum | None
    before: Datum | None


@dataclass(frozen=True, slots=True)
class Migration:
    """What one release changed in the settings.

    Attributes:
        name: unique among all migrations; under it is kept what the steps would lose.
        steps: in the order of going up.
    """

    name: str
    steps: Sequence[Step]

    def run(self, direction: Direction, store: Store) -> Store:
        """Convert a store: the live settings and every open transaction, each by itself.

        Raises:
            StoreError: a step's key is none, or a setting would have a value and settings inside.
        """
        pending = {name: self.convert(direction, tree) for name, tree in store.pending.items()}
        return Store(self.convert(direction, store.live), pending)

    def convert(self, direction: Direction, tree: Tree) -> Tree:
        """Convert one tree.

        Raises:
            StoreError: as for `run`.
        """
        keeper = Cell(KEEPER, f"kept-{self.name}")
        # What was kept on the way in this direction is of an earlier journey, and tells nothing.
        kept = _recalled(tree.get(keeper), direction.other)
        tree = tree.without([keeper])
        result = _restored(self._steps(direction, tree), kept)
        if conflict := result.conflict():
            raise StoreError(f"{self.name}: {conflict} would have a value and settings inside it")
        lost = _lost(tree, self._steps(direction.other, result))
        note = Datum.of(_told(direction, lost)) if lost else None
        return result.having({keeper: note})

    def _steps(self, direction: Direction, tree: Tree) -> Tree:
        if direction is Direction.FORWARD:
            for step in self.steps:
                tree = step.up(tree)
            return tree
        for step in reversed(self.steps):
            tree = step.down(tree)
        return tree


def _lost(tree: Tree, undone: Tree) -> tuple[Kept, ...]:
    return tuple(Kept(cell, now, before) for cell, before, now in changes(tree, undone))


def _restored(tree: Tree, kept: Sequence[Kept]) -> Tree:
    """The tree with what was kept, except where somebody has put something else meanwhile."""
    back = {cell: before for cell, undone, before in kept if tree.get(cell) == undone}
    restored = tree.having(back)
    while (conflict := restored.conflict()) and (
        clashing := [cell for cell in back if back[cell] and _touches(cell, conflict)]
    ):
        for cell in clashing:
            del back[cell]
        restored = tree.having(back)
    return restored


def _touches(cell: Cell, conflict: Key) -> bool:
    if cell.key == conflict:
        return not cell.metadata
    return cell.key.is_at_or_below(conflict)


def _told(direction: Direction, kept: Sequence[Kept]) -> str:
    """One JSON string, because metadata holds no objects."""
    rows = [
        [str(cell.key), cell.metadata, undone and undone.text, before and before.text]
        for cell, undone, before in kept
    ]
    return json.dumps({"went": direction, "cells": rows}, ensure_ascii=False)


def _recalled(note: Datum | None, went: Direction) -> tuple[Kept, ...]:
    """What a note keeps from going that way; a damaged note is as good as none."""
    if note is None:
        return ()
    try:
        said = json.loads(str(note.value))
        return tuple(_rows(said["cells"])) if said["went"] == went else ()
    except (ValueError, TypeError, KeyError, StoreError):
        return ()


def _rows(cells: list[list[str | None]]) -> Iterator[Kept]:
    for key, metadata, undone, before in cells:
        cell = Cell(Key.parse(str(key)), str(metadata))
        yield Kept(cell, _datum(undone), _datum(before))


def _datum(text: str | None) -> Datum | None:
    return None if text is None else Datum(text)
