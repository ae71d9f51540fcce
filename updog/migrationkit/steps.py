"""The changes that a migration is made of. PURE.

Each says what the newer release does to a tree, ``up``, and what takes that back on a tree about
which nothing else is known, ``down``. A step need not remember what it loses: `Migration` compares
the trees and keeps what a step cannot restore.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Protocol

from updog.datastore.keys import Key
from updog.datastore.tree import Cell, Datum, Json, Tree


class Step(Protocol):
    """One change."""

    def up(self, tree: Tree) -> Tree:
        """What the newer release makes of a tree."""

    def down(self, tree: Tree) -> Tree:
        """What the older release makes of a tree."""


_NO_METADATA: Mapping[str, Json] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Add:
    """The newer release knows a setting that the older one does not.

    Attributes:
        key: its name.
        value: set where there is none yet; None leaves that to the release's own defaults.
        metadata: notes about it, set likewise.
    """

    key: str
    value: Json = None
    metadata: Mapping[str, Json] = field(default_factory=lambda: _NO_METADATA)

    def up(self, tree: Tree) -> Tree:
        """Set what is not set."""
        key = Key.parse(self.key)
        wanted = {Cell(key, name): value for name, value in self.metadata.items()}
        if self.value is not None:
            wanted[Cell(key)] = self.value
        return tree.having(
            {cell: tree.get(cell) or Datum.of(value) for cell, value in wanted.items()}
        )

    def down(self, tree: Tree) -> Tree:
        """Take the setting away, whoever set it."""
        return _without_setting(tree, Key.parse(self.key))


@dataclass(frozen=True, slots=True)
class AddBelow:
    """The newer release knows a whole group of settings; its defaults fill it."""

    key: str

    def up(self, tree: Tree) -> Tree:
        """Leave all as it is."""
        return tree

    def down(self, tree: Tree) -> Tree:
        """Take the group away."""
        return tree.without(tree.at_or_below(Key.parse(self.key)))


@dataclass(frozen=True, slots=True)
class Remove:
    """The newer release does not know a setting any more."""

    key: str

    def up(self, tree: Tree) -> Tree:
        """Take it away with its metadata."""
        return _without_setting(tree, Key.parse(self.key))

    def down(self, tree: Tree) -> Tree:
        """Leave all as it is; what was taken away is restored by the migration."""
        return tree


@dataclass(frozen=True, slots=True)
class RemoveBelow:
    """The newer release does not know a whole group of settings any more."""

    key: str

    def up(self, tree: Tree) -> Tree:
        """Take the group away."""
        return tree.without(tree.at_or_below(Key.parse(self.key)))

    def down(self, tree: Tree) -> Tree:
        """Leave all as it is."""
        return tree


@dataclass(frozen=True, slots=True)
class Rename:
    """The newer release calls a setting, with its metadata and all inside it, by another name."""

    old: str
    new: str

    def up(self, tree: Tree) -> Tree:
        """Move it; what has the new name already stays."""
        return _moved(tree, Key.parse(self.old), Key.parse(self.new))

    def down(self, tree: Tree) -> Tree:
        """Move it back."""
        return _moved(tree, Key.parse(self.new), Key.parse(self.old))


@dataclass(frozen=True, slots=True)
class ReplaceValue:
    """The newer release has another default; what somebody chose is left alone."""

    key: str
    old: Json
    new: Json

    def up(self, tree: Tree) -> Tree:
        """Replace the old default."""
        return _replaced(tree, Cell(Key.parse(self.key)), self.old, self.new)

    def down(self, tree: Tree) -> Tree:
        """Replace the new default."""
        return _replaced(tree, Cell(Key.parse(self.key)), self.new, self.old)


@dataclass(frozen=True, slots=True)
class AddMetadata:
    """The newer release notes something about a setting, in place of what was noted so far."""

    key: str
    name: str
    value: Json

    def up(self, tree: Tree) -> Tree:
        """Note it."""
        return tree.having({Cell(Key.parse(self.key), self.name): Datum.of(self.value)})

    def down(self, tree: Tree) -> Tree:
        """Take the note away."""
        return tree.without([Cell(Key.parse(self.key), self.name)])


@dataclass(frozen=True, slots=True)
class RemoveMetadata:
    """The newer release does not note something about a setting any more."""

    key: str
    name: str

    def up(self, tree: Tree) -> Tree:
        """Take the note away."""
        return tree.without([Cell(Key.parse(self.key), self.name)])

    def down(self, tree: Tree) -> Tree:
        """Leave all as it is."""
        return tree


@dataclass(frozen=True, slots=True)
class ReplaceMetadata:
    """The newer release notes something else about a setting."""

    key: str
    name: str
    old: Json
    new: Json

    def up(self, tree: Tree) -> Tree:
        """Replace the old note."""
        return _replaced(tree, Cell(Key.parse(self.key), self.name), self.old, self.new)

    def down(self, tree: Tree) -> Tree:
        """Replace the new note."""
        return _replaced(tree, Cell(Key.parse(self.key), self.name), self.new, self.old)


def _without_setting(tree: Tree, key: Key) -> Tree:
    return tree.without(cell for cell in tree.cells if cell.key == key)


def _moved(tree: Tree, old: Key, new: Key) -> Tree:
    moving = {cell: tree.cells[cell] for cell in tree.at_or_below(old)}
    rest = tree.without(moving)
    places = {cell: Cell(cell.key.moved(old, new), cell.metadata) for cell in moving}
    return rest.having({place: rest.get(place) or moving[cell] for cell, place in places.items()})


def _replaced(tree: Tree, cell: Cell, old: Json, new: Json) -> Tree:
    found = tree.get(cell)
    # Compared as text of one form: in Python True equals 1, in settings it does not.
    if found is None or Datum.of(found.value) != Datum.of(old):
        return tree
    return tree.having({cell: Datum.of(new)})
