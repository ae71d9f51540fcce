from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fakes.stores import KEYS, NOTES, SCALARS, STORES, TREES
from updog.datastore.errors import StoreError
from updog.datastore.reader import faults, read_store
from updog.datastore.tree import Store, Tree
from updog.datastore.writer import write_store
from updog.migrationkit import (
    Add,
    AddBelow,
    AddMetadata,
    Direction,
    Migration,
    Remove,
    RemoveBelow,
    RemoveMetadata,
    Rename,
    ReplaceMetadata,
    ReplaceTemplate,
    ReplaceValue,
    Step,
)

pytestmark = pytest.mark.property

NAMES = KEYS.map(str)
META = NOTES.filter(bool)
STEPS: st.SearchStrategy[Step] = st.one_of(
    st.builds(Add, NAMES, SCALARS, st.dictionaries(META, SCALARS, max_size=1)),
    st.builds(AddBelow, NAMES),
    st.builds(Remove, NAMES),
    st.builds(RemoveBelow, NAMES),
    st.builds(Rename, NAMES, NAMES),
    st.builds(ReplaceValue, NAMES, SCALARS, SCALARS),
    st.builds(AddMetadata, NAMES, META, SCALARS),
    st.builds(RemoveMetadata, NAMES, META),
    st.builds(ReplaceMetadata, NAMES, META, SCALARS, SCALARS),
    st.builds(ReplaceTemplate, NAMES, st.just("{{ settings.a }}"), st.just("new")),
)
MIGRATIONS = st.builds(Migration, st.just("random"), st.lists(STEPS, max_size=5))
WAYS = st.sampled_from(Direction)


def _converted(migration: Migration, way: Direction, before: Store) -> Store | None:
    """None where the steps ask for what no store can hold: such a migration changes nothing."""
    try:
        return migration.run(way, before)
    except StoreError:
        return None


@settings(max_examples=400)
@given(MIGRATIONS, WAYS, STORES)
def test_a_store_survives_the_way_there_and_back_unchanged(
    migration: Migration, way: Direction, before: Store
) -> None:
    there = _converted(migration, way, before)
    if there is not None:
        assert migration.run(way.other, there) == before


@settings(max_examples=200)
@given(st.lists(MIGRATIONS, max_size=3), WAYS, STORES)
def test_a_chain_of_migrations_goes_back_to_where_it_began(
    chain: list[Migration], way: Direction, before: Store
) -> None:
    named = [Migration(f"step-{index}", one.steps) for index, one in enumerate(chain)]
    store = before
    for one in named:
        converted = _converted(one, way, store)
        if converted is None:
            return
        store = converted
    for one in reversed(named):
        store = one.run(way.other, store)
    assert store == before


@settings(max_examples=200)
@given(MIGRATIONS, WAYS, TREES)
def test_the_same_journey_twice_ends_alike(
    migration: Migration, way: Direction, before: Tree
) -> None:
    there = _converted(migration, way, Store(before))
    if there is not None:
        assert migration.run(way, migration.run(way.other, there)) == there


@settings(max_examples=150)
@given(STORES)
def test_a_store_is_read_as_it_was_written(store: Store) -> None:
    with TemporaryDirectory() as home:
        folder = Path(home, "store")
        write_store(folder, store)
        assert read_store(folder) == store
        assert faults(folder) == ()
