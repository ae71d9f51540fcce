from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from updog.config import KEYS, to_settings
from updog.config_fragment import Fragment
from updog.errors import ConfigError

pytestmark = pytest.mark.property

HERE = Path("/etc/updog.toml")
scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=20),
    st.binary(max_size=4),
)
junk = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=5,
)


@given(st.dictionaries(st.sampled_from(sorted(KEYS)), junk, max_size=6))
@settings(max_examples=300, deadline=None)
def test_any_value_gives_settings_or_our_own_error(said: dict[str, object]) -> None:
    fragment = Fragment({name: (value, HERE) for name, value in said.items()})
    try:
        settings_made = to_settings(fragment)
    except ConfigError as error:
        assert str(error).startswith(str(HERE))  # noqa: PT017 - either outcome is legal
        return
    assert settings_made.seed is None or 0 <= settings_made.seed < 2048
    assert 1 <= settings_made.boot.tries <= 15


@given(
    st.dictionaries(st.sampled_from(sorted(KEYS)), st.integers()),
    st.dictionaries(st.sampled_from(sorted(KEYS)), st.integers()),
)
@settings(max_examples=150)
def test_the_newer_fragment_wins_key_by_key(old: dict[str, int], new: dict[str, int]) -> None:
    older = Fragment({name: (value, HERE) for name, value in old.items()})
    newer = Fragment({name: (value, Path("/new")) for name, value in new.items()})
    merged = older.under(newer).said
    assert set(merged) == set(old) | set(new)
    assert all(merged[name] == newer.said.get(name, older.said.get(name)) for name in merged)


@given(st.integers(-10, 3000))
@settings(max_examples=100)
def test_exactly_the_seeds_of_the_format_are_taken(seed: int) -> None:
    fragment = Fragment({"seed": (json.loads(str(seed)), HERE)})
    if 0 <= seed <= 2047:
        assert to_settings(fragment).seed == seed
    else:
        with pytest.raises(ConfigError, match="must lie in"):
            to_settings(fragment)
