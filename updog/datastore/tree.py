"""The content of a data store as values: what is set, and what is noted about it. PURE.

A `Tree` is all settings of one transaction, or of the live system. Nothing in it is ever changed in
place, so a migration can compare what was with what is. Values keep the very text that stood in
their file: what nobody touches comes out of a migration byte for byte.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import NamedTuple, Self, TypeAlias

from updog.datastore.errors import StoreError
from updog.datastore.keys import Key

Json: TypeAlias = "str | int | float | bool | list[Json] | None"


@dataclass(frozen=True, slots=True)
class Datum:
    """One value: a JSON scalar or list, as text.

    Raises:
        StoreError: the text is something else.
    """

    text: str

    def __post_init__(self) -> None:
        try:
            value = json.loads(self.text, parse_constant=_refuse)
        except (ValueError, RecursionError) as error:
            raise StoreError("it is not JSON") from error
        if isinstance(value, dict):
            raise StoreError("it is a JSON object; only scalars and lists are values")

    @classmethod
    def of(cls, value: Json) -> Self:
        """The value as text.

        Raises:
            StoreError: it cannot be written as JSON.
        """
        try:
            return cls(json.dumps(value, ensure_ascii=False, allow_nan=False))
        except (TypeError, ValueError) as error:
            raise StoreError(f"{value!r} is not a JSON scalar or list") from error

    @property
    def value(self) -> Json:
        """What the text means."""
        found: Json = json.loads(self.text)
        return found


class Cell(NamedTuple):
    """One place for a value.

    Attributes:
        key: of which setting.
        metadata: the name of the note about the setting; empty for the setting itself.
    """

    key: Key
    metadata: str = ""

    def __str__(self) -> str:
        return f"{self.key} [{self.metadata}]" if self.metadata else str(self.key)


_NOTHING: Mapping[Cell, Datum] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Tree:
    """Settings and the metadata about them; a setting without a value can have metadata too."""

    cells: Mapping[Cell, Datum] = field(default_factory=lambda: _NOTHING)

    def get(self, cell: Cell) -> Datum | None:
        """What stands in a cell, or None."""
        return self.cells.get(cell)

    def at_or_below(self, key: Key) -> tuple[Cell, ...]:
        """The cells of a setting and of all inside it, metadata included."""
        return tuple(cell for cell in self.cells if cell.key.is_at_or_below(key))

    def having(self, changes: Mapping[Cell, Datum | None]) -> Tree:
        """The tree with other values in some cells; None empties a cell."""
        merged = {**self.cells, **changes}
        return Tree({cell: datum for cell, datum in merged.items() if datum is not None})

    def without(self, cells: Iterable[Cell]) -> Tree:
        """The tree with these cells empty."""
        return self.having(dict.fromkeys(cells))

    def conflict(self) -> Key | None:
        """A setting that has a value and settings inside it, which no folder can hold; or None."""
        valued = {cell.key.parts for cell in self.cells if not cell.metadata}
        for cell in self.cells:
            for length in range(1, len(cell.key.parts)):
                if cell.key.parts[:length] in valued:
                    return Key(cell.key.parts[:length])
        return None


class Change(NamedTuple):
    """One cell that differs between two trees; None: nothing stands there."""

    cell: Cell
    before: Datum | None
    after: Datum | None


def changes(before: Tree, after: Tree) -> Iterator[Change]:
    """Yield each cell in which two trees differ, in the order of keys."""
    for cell in sorted({*before.cells, *after.cells}):
        old, new = before.get(cell), after.get(cell)
        if old != new:
            yield Change(cell, old, new)


@dataclass(frozen=True, slots=True)
class Store:
    """A whole data store.

    Attributes:
        live: what holds now.
        pending: what each open transaction would set, by its name.
    """

    live: Tree = field(default_factory=Tree)
    pending: Mapping[str, Tree] = field(default_factory=lambda: MappingProxyType({}))

    def trees(self) -> Mapping[str, Tree]:
        """Every tree by its name for people: ``live``, ``pending/NAME``."""
        return {"live": self.live} | {
            f"pending/{name}": tree for name, tree in sorted(self.pending.items())
        }


def _refuse(constant: str) -> None:
    raise ValueError(constant)
