"""Whatever is served, trust never goes back, never comes from strangers, and never breaks down."""

from __future__ import annotations

import json
from copy import deepcopy
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tuf.api.metadata import DelegatedRole, Delegations, Targets

from tests.fakes.clock import NOW
from tests.fakes.repository import FakeRepository, sign_document
from tests.fakes.visit import Visitor
from updog.delegations import VISIT_LIMIT, find_target
from updog.errors import TrustError, UpdogError
from updog.trust import TrustedMetadata
from updog.tufjson import read_envelope
from updog.tufnames import check_target_name, role_file

pytestmark = pytest.mark.property

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=12,
)


@cache
def repository() -> FakeRepository:
    repo = FakeRepository()
    repo.delegate("targets", "a", ["*"])
    repo.add_target("file", b"x")
    repo.publish()
    return repo


def started() -> TrustedMetadata:
    trust = TrustedMetadata(repository().shipped_root(), NOW)
    trust.end_roots()
    return trust


@settings(max_examples=300, deadline=None)
@given(data=st.binary(max_size=200) | JSON.map(lambda value: json.dumps(value).encode()))
def test_reading_anything_ends_in_an_envelope_or_our_error(data: bytes) -> None:
    try:
        read_envelope(data, "x.json")
    except TrustError:
        return


@settings(max_examples=150, deadline=None)
@given(data=st.data(), role=st.sampled_from(["root", "timestamp", "snapshot", "targets"]))
def test_signed_metadata_with_any_value_anywhere_is_read_or_refused(
    data: st.DataObject, role: str
) -> None:
    repo = repository()
    signed = json.loads(repo.metadata(role))["signed"]
    _put(data, signed, data.draw(JSON.filter(_canonical), label="value"))
    document = sign_document(signed, repo.signers[role])
    trust = started() if role != "root" else TrustedMetadata(repo.shipped_root(), NOW)
    try:
        if role == "root":
            trust.add_root(document)
        elif role == "timestamp":
            trust.add_timestamp(document)
        else:
            trust.add_timestamp(repo.metadata("timestamp"))
            trust.recall_snapshot(document if role == "snapshot" else repo.metadata("snapshot"))
            if role == "targets":
                trust.recall_targets("targets", "root", document)
    except TrustError:
        return


@settings(max_examples=150, deadline=None)
@given(
    role=st.sampled_from(["timestamp", "snapshot", "targets"]),
    position=st.floats(min_value=0, max_value=1, exclude_max=True),
    bit=st.integers(0, 7),
)
def test_no_flipped_bit_changes_what_is_believed(role: str, position: float, bit: int) -> None:
    repo = repository()
    good = repo.metadata(role)
    bad = bytearray(good)
    bad[int(position * len(bad))] ^= 1 << bit
    try:
        believed = read_envelope(bytes(bad), role).payload
        trust = started()
        if role == "timestamp":
            trust.add_timestamp(bytes(bad))
        else:
            trust.add_timestamp(repo.metadata("timestamp"))
            trust.recall_snapshot(bytes(bad) if role == "snapshot" else repo.metadata("snapshot"))
            if role == "targets":
                trust.recall_targets("targets", "root", bytes(bad))
    except TrustError:
        return
    assert believed == read_envelope(good, role).payload


@settings(max_examples=25, deadline=None)
@given(served=st.lists(st.integers(0, 5), min_size=1, max_size=8))
def test_versions_never_go_down_from_run_to_run(served: list[int]) -> None:
    moments = _moments()
    with TemporaryDirectory() as directory:
        visitor = Visitor(deepcopy_files(moments[0]), Path(directory))
        highest = 0
        for number in served:
            visitor.repo.files = dict(moments[number].files)
            try:
                version = visitor.refreshed().versions()["timestamp"]
            except UpdogError:
                assert number + 1 < highest
                continue
            assert version == number + 1 >= highest
            highest = version


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_the_search_visits_in_preorder_and_within_the_limit(data: st.DataObject) -> None:
    names = [f"r{number}" for number in range(12)]
    edges = data.draw(
        st.dictionaries(
            st.sampled_from(["targets", *names]),
            st.lists(st.tuples(st.sampled_from(names), st.booleans()), max_size=6),
        )
    )
    roles = {name: Targets(1) for name in ["targets", *names]}
    for name, children in edges.items():
        # A delegator lists each role once.
        unique = {child: DelegatedRole(child, [], 1, last, ["*"]) for child, last in children}
        roles[name].delegations = Delegations({}, unique)
    visited: list[str] = []
    limit = data.draw(st.integers(0, VISIT_LIMIT))

    def load(role: str, delegator: str) -> Targets:
        assert role == "targets" or role in roles[delegator].delegations.roles  # type: ignore[union-attr, operator]
        visited.append(role)
        return roles[role]

    assert find_target("missing", load, limit=limit) is None
    assert len(visited) <= limit + 1
    assert len(set(visited)) == len(visited)
    assert visited == _preorder(roles)[: limit + 1]


@settings(max_examples=300, deadline=None)
@given(name=st.text(max_size=300))
def test_no_name_leaves_its_directory(name: str) -> None:
    base = Path("/base/dir")
    for make in (role_file, check_target_name):
        try:
            path = base / make(name)
        except TrustError:
            continue
        assert base in path.parents
        assert ".." not in path.parts
        assert all(len(part.encode()) <= 255 for part in path.parts)


def _preorder(roles: dict[str, Targets]) -> list[str]:
    """The specification's words as a recursion: the slow way, written independently."""
    visited: list[str] = []

    def visit(role: str) -> bool:
        """Whether a terminating delegation ended the whole search."""
        if role in visited:
            return False
        visited.append(role)
        delegations = roles[role].delegations
        for child in (delegations.roles or {}).values() if delegations else ():
            if visit(child.name) or child.terminating:
                return True
        return False

    visit("targets")
    return visited


@cache
def _moments() -> list[FakeRepository]:
    """One repository at six moments, each with everything one version up."""
    repo = FakeRepository()
    moments = []
    for _ in range(6):
        moments.append(deepcopy_files(repo))
        repo.publish()
    return moments


def deepcopy_files(repo: FakeRepository) -> FakeRepository:
    """The repository as it is published now; keys cannot be copied and need not be."""
    frozen = object.__new__(FakeRepository)
    frozen.__dict__ = {**repo.__dict__, "files": dict(repo.files), "faults": deepcopy(repo.faults)}
    return frozen


def _put(data: st.DataObject, signed: dict[str, Any], value: object) -> None:
    """Put a value somewhere into a document, at any depth."""
    place: Any = signed
    while True:
        key = data.draw(st.sampled_from(sorted(place)), label="member")
        below = place[key]
        if not isinstance(below, dict) or not below or data.draw(st.booleans(), label="here"):
            place[key] = value
            return
        place = below


def _canonical(value: object) -> bool:
    """Whether a value can be signed at all: no floats, and only text that UTF-8 can write."""
    try:
        read_envelope(json.dumps({"signed": {"v": value}, "signatures": []}).encode(), "x")
    except TrustError:
        return False
    return True
