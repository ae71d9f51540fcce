"""The replay of a drive's log against the rules of a volatile cache, spelled out the slow way."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.vm.drive import Event, Flushed, Written
from tests.vm.powercuts import SECTOR, Bounds, Bytes, Stretch, states, stretches

pytestmark = pytest.mark.property

SECTORS = 5


@st.composite
def _written(draw: st.DrawFn) -> Written:
    first = draw(st.integers(0, SECTORS - 1))
    count = draw(st.integers(1, SECTORS - first))
    data = b"".join(bytes([draw(st.integers(1, 255))]) * SECTOR for _ in range(count))
    return Written(first * SECTOR, data)


_events = st.lists(st.one_of(_written(), st.just(Flushed())), max_size=7)


def _disk() -> Bytes:
    return np.zeros((SECTORS, SECTOR), np.uint8)


def _left(stretch: Stretch, state: np.ndarray) -> bytes:
    return stretch.contents(state, np.arange(SECTORS))[:, 0].tobytes()


def _replayed(log: list[Event], bounds: Bounds) -> Iterator[bytes]:
    for stretch in stretches(log, _disk()):
        for state in states(stretch, bounds, np.random.default_rng(1)):
            yield _left(stretch, state)


def _by_the_rules(log: list[Event]) -> set[bytes]:
    """Cut after each event; each sector holds what was flushed, or anything written since."""
    held = [[0] for _ in range(SECTORS)]
    found = {bytes(SECTORS)}
    for event in log:
        if isinstance(event, Written):
            for row in range(len(event.data) // SECTOR):
                held[event.offset // SECTOR + row].append(event.data[row * SECTOR])
        else:
            held = [versions[-1:] for versions in held]
        found |= {bytes(each) for each in product(*held)}
    return found


@settings(max_examples=150, deadline=None)
@given(_events)
def test_where_it_is_complete_it_makes_exactly_the_disks_of_the_rules(log: list[Event]) -> None:
    assert set(_replayed(log, Bounds(complete=1 << 20))) == _by_the_rules(log)


@settings(max_examples=150, deadline=None)
@given(_events)
def test_where_it_draws_it_makes_no_other_disks(log: list[Event]) -> None:
    drawn = set(_replayed(log, Bounds(complete=1, cuts=6, alone=3, samples=8)))
    assert drawn <= _by_the_rules(log)


@settings(max_examples=100, deadline=None)
@given(_events)
def test_it_ends_with_everything_and_begins_with_nothing(log: list[Event]) -> None:
    found = list(_replayed(log, Bounds()))
    final = bytearray(SECTORS)
    for event in log:
        if isinstance(event, Written):
            for row in range(len(event.data) // SECTOR):
                final[event.offset // SECTOR + row] = event.data[row * SECTOR]
    assert bytes(final) in found
    assert bytes(SECTORS) in found


@settings(max_examples=100, deadline=None)
@given(_events)
def test_what_settles_is_what_the_flush_covered(log: list[Event]) -> None:
    before = _disk()
    for stretch in stretches(log, _disk()):
        changed = np.flatnonzero((stretch.disk != before).any(axis=1))
        assert set(changed) <= set(stretch.settled)
        before = np.array(stretch.disk)


def test_the_same_seed_gives_the_same_disks() -> None:
    log: list[Event] = [Written(0, bytes([7]) * SECTOR * SECTORS)]
    bounds = Bounds(complete=1, cuts=2, alone=1, samples=4)
    assert list(_replayed(log, bounds)) == list(_replayed(log, bounds))
