from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from repo_tools import edits
from updog.errors import ManifestError, UpdogError
from updog.manifest import Images, Manifest, Update, dump, parse
from updog.version import Version
from waves.schedule import MAX_KEY, Schedule, Wave

pytestmark = pytest.mark.property

_IDENTIFIERS = st.from_regex(
    r"(0|[1-9][0-9]{0,3}|[0-9]{0,2}[a-zA-Z-][0-9a-zA-Z-]{0,4})", fullmatch=True
)
_BUILD = st.from_regex(r"[0-9a-zA-Z-]{1,4}", fullmatch=True)


@st.composite
def _versions(draw: st.DrawFn) -> Version:
    numbers = draw(st.tuples(*[st.integers(0, 3) | st.integers(0, 2**64 - 1)] * 3))
    text = ".".join(map(str, numbers))
    if stage := draw(st.lists(_IDENTIFIERS, max_size=3)):
        text += "-" + ".".join(stage)
    if build := draw(st.lists(_BUILD, max_size=2)):
        text += "+" + ".".join(build)
    return Version.parse(text)


_NAMES = st.text(
    st.characters(codec="utf-8", exclude_characters=[*map(chr, range(32)), "\x7f"]),
    min_size=1,
    max_size=20,
)
_MOMENTS = st.datetimes(timezones=st.just(UTC)).map(lambda moment: moment.replace(microsecond=0))


@st.composite
def _schedules(draw: st.DrawFn) -> Schedule:
    starts = draw(st.dictionaries(st.integers(0, MAX_KEY), _MOMENTS, max_size=4))
    return Schedule(tuple(Wave(key, starts[key]) for key in sorted(starts)))


_UPDATES = st.builds(
    Update,
    variant=_NAMES,
    arch=_NAMES,
    version=_versions(),
    max_version=_versions(),
    schedule=_schedules(),
    images=st.builds(Images, _NAMES, _NAMES, _NAMES),
)
_MANIFESTS = st.builds(
    Manifest,
    st.lists(_UPDATES, max_size=4).map(tuple),
    st.dictionaries(
        st.tuples(_versions(), _versions()), st.lists(_NAMES, max_size=3).map(tuple), max_size=4
    ),
)

VALID = dump(
    Manifest(
        (
            Update(
                "edge",
                "x86_64",
                Version.parse("1.1.0"),
                Version.parse("1.2.0-rc.1+b"),
                Schedule((Wave(0, datetime(2031, 4, 7, tzinfo=UTC)),)),
                Images("b", "r", "h"),
            ),
        ),
        {(Version.parse("1.0.0"), Version.parse("1.1.0")): ("m",)},
    )
)

_SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters())
    | st.sampled_from(["1.0.0", "2031-04-07T00:00:00Z", "9" * 5000, "\ud800", "\0"])
)
_TREES = st.recursive(
    _SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.text() | st.sampled_from(["0", "00", "(1.0.0, 2.0.0)", "(1.0.0,2.0.0)", "boot"]),
            inner,
            max_size=3,
        )
    ),
    max_leaves=8,
)


def _reads_or_refuses(data: bytes) -> None:
    """Whatever the bytes: a manifest that survives being written, or our own error with a path."""
    try:
        manifest = parse(data)
    except ManifestError as error:
        message = str(error)
    else:
        message = "manifest.json: $"
        dump(manifest)
    assert message.startswith("manifest.json: $")


@given(_MANIFESTS)
@settings(max_examples=60)
def test_what_is_written_reads_back_as_the_same(manifest: Manifest) -> None:
    assert parse(dump(manifest)) == manifest


@given(_MANIFESTS)
@settings(max_examples=40)
def test_writing_what_was_read_changes_nothing_more(manifest: Manifest) -> None:
    written = dump(manifest)
    assert dump(parse(written)) == written


@given(st.binary(max_size=200))
@example(b"[" * 100_000)
@example(b'{"updates":' * 50_000)
@example(b'{"updates": [], "migrations": {}, "x": ' + b"1" * 10_000 + b"}")
@example(b'{"updates": [], "migrations": {"\\ud800": []}}')
def test_no_bytes_raise_anything_but_a_refusal(data: bytes) -> None:
    _reads_or_refuses(data)


@given(st.lists(st.tuples(st.integers(0, len(VALID) - 1), st.integers(0, 255)), max_size=6))
@settings(max_examples=300)
def test_no_changed_bytes_raise_anything_but_a_refusal(changes: list[tuple[int, int]]) -> None:
    data = bytearray(VALID)
    for place, value in changes:
        data[place] = value
    _reads_or_refuses(bytes(data))


@given(st.integers(0, len(VALID)), st.integers(0, len(VALID)), st.binary(max_size=12))
@settings(max_examples=200)
def test_no_cut_or_insertion_raises_anything_but_a_refusal(a: int, b: int, new: bytes) -> None:
    _reads_or_refuses(VALID[: min(a, b)] + new + VALID[max(a, b) :])


PLACES: list[tuple[str | int, ...]] = [
    ("updates",),
    ("migrations",),
    ("updates", 0),
    ("updates", 0, "variant"),
    ("updates", 0, "version"),
    ("updates", 0, "waves"),
    ("updates", 0, "waves", "0"),
    ("updates", 0, "images"),
    ("updates", 0, "images", "boot"),
    ("migrations", "(1.0.0, 1.1.0)"),
    ("anything",),
]


@given(st.sampled_from(PLACES), _TREES)
@settings(max_examples=300)
def test_no_value_in_any_place_raises_anything_but_a_refusal(
    place: tuple[str | int, ...], value: object
) -> None:
    tree: Any = json.loads(VALID)
    node = tree
    for step in place[:-1]:
        node = node[step]
    node[place[-1]] = value
    _reads_or_refuses(json.dumps(tree).encode())


@given(st.text(st.characters(codec="utf-8"), max_size=300))
def test_no_text_makes_the_release_file_fail_otherwise(text: str) -> None:
    with pytest.raises(ManifestError):
        edits.read_release(text, "Release.toml")


@given(st.lists(_UPDATES, max_size=4), _UPDATES)
@settings(max_examples=40)
def test_adding_then_removing_leaves_the_updates_there_were(
    existing: list[Update], new: Update
) -> None:
    before = Manifest(tuple(existing))
    try:
        added = edits.add(before, new)
    except UpdogError:
        return
    after = edits.remove(added, new.variant, new.arch, new.version)
    assert [update.version for update in after.updates] == [update.version for update in existing]


@given(_versions(), _versions())
def test_versions_differ_exactly_where_their_texts_do(one: Version, other: Version) -> None:
    assert (one == other) == (str(one) == str(other))
    assert (one < other) + (one == other) + (one > other) == 1


@given(_versions())
def test_a_version_reads_back_from_its_text(version: Version) -> None:
    assert Version.parse(str(version)) == version


@given(st.text(max_size=30))
def test_no_text_makes_the_reader_of_versions_fail_otherwise(text: str) -> None:
    try:
        version = Version.parse(text)
    except ValueError:
        return
    assert str(version) == text
