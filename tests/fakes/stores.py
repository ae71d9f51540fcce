"""Data stores on disk, and Hypothesis strategies for their content."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from hypothesis import strategies as st

from updog.datastore.files import RealFiles
from updog.datastore.keys import Key
from updog.datastore.links import flip, store_name
from updog.datastore.tree import Cell, Datum, Json, Store, Tree
from updog.datastore.writer import write_store
from updog.version import Version

LETTERS = "Jk3pQ8sW1xYz0aBc"


def cell(text: str) -> Cell:
    """A cell written ``settings.a.b`` or ``settings.a.b [note]``."""
    key, _, note = text.partition(" [")
    return Cell(Key.parse(key), note.removesuffix("]"))


def tree(**said: Json) -> Tree:
    """A tree; each ``__`` in a name is a dot."""
    return tree_of({name.replace("__", "."): value for name, value in said.items()})


def tree_of(said: Mapping[str, Json]) -> Tree:
    return Tree({cell(name): Datum.of(value) for name, value in said.items()})


def place_store(
    folder: Path, version: str, store: Store, *, letters: str = LETTERS, name: str | None = None
) -> Path:
    """Put a store below a folder with the chain of links to it, and return ``current``."""
    folder.mkdir(parents=True, exist_ok=True)
    current = folder / "current"
    parsed = Version.parse(version)
    name = name or store_name(parsed, letters)
    write_store(folder / name, store)
    flip(current, parsed, name, RealFiles())
    return current


PARTS = st.sampled_from(["a", "b", "c", "ntp", "Ä/ö", "x.y", "%2E", 'q"t'])
KEYS = st.lists(PARTS, min_size=1, max_size=3).map(lambda parts: Key(("settings", *parts)))
NOTES = st.sampled_from(["", "", "", "template", "setting-generator", "n/t"])
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=8),
    st.sampled_from(["old", "new", "{{ settings.a }}"]),
)
VALUES = st.one_of(SCALARS, st.lists(SCALARS, max_size=3)).map(Datum.of) | st.sampled_from(
    [Datum("1.00"), Datum(' "spaced"\n'), Datum("1E5")]
)


def _without_conflicts(cells: Mapping[Cell, Datum]) -> Tree:
    found = Tree(cells)
    while conflict := found.conflict():
        found = found.without([Cell(conflict)])
    return found


TREES = st.dictionaries(st.builds(Cell, KEYS, NOTES), VALUES, max_size=8).map(_without_conflicts)
STORES = st.builds(Store, TREES, st.dictionaries(st.sampled_from(["tx", "a b"]), TREES))
