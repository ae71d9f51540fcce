from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from updog import migrations
from updog.errors import MigrationError
from updog.version import Version

pytestmark = pytest.mark.property

_VERSIONS = st.integers(0, 9).map(lambda minor: Version(1, minor, 0))
_NAMES = st.lists(st.text(st.sampled_from("abc"), min_size=1, max_size=3), max_size=3).map(tuple)
_ANY_EDGES = st.dictionaries(st.tuples(_VERSIONS, _VERSIONS), _NAMES, max_size=20)
_RISING = st.dictionaries(
    st.tuples(_VERSIONS, _VERSIONS).filter(lambda edge: edge[0] < edge[1]), _NAMES, max_size=20
)
_Edges = dict[tuple[Version, Version], tuple[str, ...]]


def _path(edges: _Edges, start: Version, end: Version) -> tuple[str, ...] | None:
    try:
        return migrations.path(edges, start, end)
    except MigrationError:
        return None


@given(_ANY_EDGES, _VERSIONS, _VERSIONS)
@settings(max_examples=300)
def test_any_set_of_edges_gives_a_chain_or_a_refusal_and_never_a_circle(
    edges: _Edges, start: Version, end: Version
) -> None:
    found = _path(edges, start, end)
    assert found is None or set(found) <= {name for names in edges.values() for name in names}


@given(_ANY_EDGES, _VERSIONS, _VERSIONS)
def test_the_way_down_is_the_way_up_reversed(edges: _Edges, start: Version, end: Version) -> None:
    up = _path(edges, start, end)
    down = _path(edges, end, start)
    assert (down is None) == (up is None)
    assert up is None or down == up[::-1]


@given(_RISING, _VERSIONS, _VERSIONS)
def test_the_chain_is_the_greedy_one(edges: _Edges, one: Version, other: Version) -> None:
    """Against a plain restatement of formats 2.6 for edges that all lead upwards."""
    current, goal = sorted((one, other))
    expected: tuple[str, ...] | None = ()
    while current != goal and expected is not None:
        ends = sorted(to for source, to in edges if source == current and to <= goal)
        expected = expected + edges[current, ends[-1]] if ends else None
        current = ends[-1] if ends else current
    assert _path(edges, min(one, other), goal) == expected


@given(st.lists(_NAMES, min_size=9, max_size=9), _VERSIONS, _VERSIONS)
def test_a_full_ladder_leads_everywhere(
    steps: list[tuple[str, ...]], start: Version, end: Version
) -> None:
    ladder = {(Version(1, n, 0), Version(1, n + 1, 0)): names for n, names in enumerate(steps)}
    low, high = sorted((start.minor, end.minor))
    expected = tuple(name for names in steps[low:high] for name in names)
    assert _path(ladder, start, end) == (expected if start <= end else expected[::-1])
