"""The order in which roles are asked about a target."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pytest
from tuf.api.metadata import (
    DelegatedRole,
    Delegations,
    SuccinctRoles,
    TargetFile,
    Targets,
)

from tests.fakes.repository import FakeRepository
from tests.fakes.visit import Visitor
from updog.delegations import VISIT_LIMIT, find_target
from updog.errors import Expired, NotThere, TrustError


@dataclass
class Graph:
    """Roles by name, and the order in which they were loaded."""

    roles: dict[str, Targets] = field(default_factory=lambda: {"targets": Targets(1)})
    visited: list[str] = field(default_factory=list)

    def edge(self, above: str, name: str, *paths: str, terminating: bool = False) -> Graph:
        delegator = self.roles.setdefault(above, Targets(1))
        delegator.delegations = delegator.delegations or Delegations({}, {})
        assert delegator.delegations.roles is not None
        role = DelegatedRole(name, [], 1, terminating, list(paths or ("*",)))
        delegator.delegations.roles[name] = role
        self.roles.setdefault(name, Targets(1))
        return self

    def holding(self, role: str, target: str) -> Graph:
        self.roles[role].targets[target] = TargetFile(0, {"sha256": role.encode().hex()}, target)
        return self

    def load(self, role: str, delegator: str) -> Targets:
        del delegator
        self.visited.append(role)
        return self.roles[role]

    def order(self, target: str = "missing") -> str:
        found = find_target(target, self.load)
        assert found is None or found.path == target
        return " ".join(self.visited[1:])


def test_siblings_are_asked_in_order_of_appearance() -> None:
    graph = Graph().edge("targets", "b").edge("targets", "a").edge("targets", "c")
    assert graph.order() == "b a c"


def test_children_are_asked_before_the_next_sibling() -> None:
    graph = Graph().edge("targets", "a").edge("targets", "b").edge("a", "c").edge("c", "d")
    assert graph.order() == "a c d b"


def test_a_cycle_ends() -> None:
    graph = Graph().edge("targets", "a").edge("a", "b").edge("b", "a").edge("b", "b")
    assert graph.order() == "a b"


def test_a_role_delegated_to_twice_is_asked_once() -> None:
    graph = Graph().edge("targets", "a").edge("targets", "b").edge("a", "c").edge("b", "c")
    assert graph.order() == "a c b"


def test_a_terminating_delegation_ends_the_search_after_its_subtree() -> None:
    graph = Graph().edge("targets", "a", terminating=True).edge("targets", "b").edge("a", "c")
    assert graph.order() == "a c"


def test_a_terminating_delegation_below_ends_what_waits_above() -> None:
    graph = Graph().edge("targets", "a").edge("targets", "b").edge("a", "c", terminating=True)
    assert graph.order() == "a c"


def test_a_terminating_delegation_for_other_paths_ends_nothing() -> None:
    graph = Graph().edge("targets", "a", "*.py", terminating=True).edge("targets", "b")
    assert graph.order() == "b"


def test_the_first_role_that_knows_the_target_wins() -> None:
    graph = Graph().edge("targets", "a").edge("targets", "b")
    graph.holding("a", "file").holding("b", "file")
    found = find_target("file", graph.load)
    assert found is not None
    assert found.hashes == {"sha256": b"a".hex()}
    assert graph.visited == ["targets", "a"]


def test_the_top_level_role_goes_before_all_others() -> None:
    graph = Graph().edge("targets", "a").holding("targets", "file").holding("a", "file")
    assert graph.order("file") == ""


def test_a_target_outside_of_the_delegated_paths_is_not_taken() -> None:
    graph = Graph().edge("targets", "a", "a/*").holding("a", "b/file")
    assert find_target("b/file", graph.load) is None


@pytest.mark.parametrize(
    ("pattern", "target", "matches"),
    [
        ("*", "file", True),
        ("*", "dir/file", False),
        ("dir/*", "dir/file", True),
        ("dir/*", "dir/sub/file", False),
        ("*/*", "dir/file", True),
        ("dir/*.tgz", "dir/a.tgz", True),
        ("dir/*.tgz", "dir/a.tar", False),
        ("file-?", "file-1", True),
        ("file-?", "file-12", False),
        ("file", "FILE", False),
        ("", "file", False),
    ],
)
def test_a_star_does_not_cross_a_slash(pattern: str, target: str, *, matches: bool) -> None:
    graph = Graph().edge("targets", "a", pattern)
    graph.order(target)
    assert (graph.visited == ["targets", "a"]) is matches


def test_more_roles_than_the_limit_are_not_asked() -> None:
    graph = Graph()
    for number in range(100):
        graph.edge("targets", f"r{number}")
    graph.holding(f"r{VISIT_LIMIT}", "file")
    assert find_target("file", graph.load) is None
    assert len(graph.visited) == 1 + VISIT_LIMIT


def test_the_last_role_within_the_limit_is_asked() -> None:
    graph = Graph()
    for number in range(100):
        graph.edge("targets", f"r{number}")
    graph.holding(f"r{VISIT_LIMIT - 1}", "file")
    assert find_target("file", graph.load) is not None


def test_a_chain_deeper_than_the_limit_ends() -> None:
    graph = Graph().edge("targets", "r0")
    for number in range(100):
        graph.edge(f"r{number}", f"r{number + 1}")
    graph.order()
    assert len(graph.visited) == 1 + VISIT_LIMIT


def test_hash_prefixes_choose_the_role() -> None:
    graph = Graph()
    # SHA-256 of "file" begins with 3b9c.
    for name, prefix in (("no", "00"), ("yes", "3b"), ("also", "3b9c")):
        graph.edge("targets", name)
        delegations = graph.roles["targets"].delegations
        assert delegations is not None
        assert delegations.roles is not None
        delegations.roles[name] = DelegatedRole(name, [], 1, False, None, [prefix])  # noqa: FBT003
    assert graph.order("file") == "yes also"


def test_succinct_roles_choose_the_bin() -> None:
    graph = Graph()
    graph.roles["targets"].delegations = Delegations({}, None, SuccinctRoles([], 1, 8, "bin"))
    graph.roles["bin-3b"] = Targets(1)
    graph.holding("bin-3b", "file")
    assert find_target("file", graph.load) is not None
    assert graph.visited == ["targets", "bin-3b"]


class TestOverTheWire:
    """The same through a session: what cannot be checked ends the search."""

    @pytest.fixture
    def repo(self) -> FakeRepository:
        repo = FakeRepository()
        repo.delegate("targets", "a", ["*"])
        repo.delegate("targets", "b", ["*"])
        repo.add_target("file", b"by b", role="b")
        repo.publish()
        return repo

    def test_a_delegated_target_is_read(self, repo: FakeRepository, tmp_path: Path) -> None:
        assert Visitor(repo, tmp_path).refreshed().read("file") == b"by b"

    def test_each_role_is_fetched_once(self, repo: FakeRepository, tmp_path: Path) -> None:
        session = Visitor(repo, tmp_path).refreshed()
        repo.log.clear()
        session.target("file")
        session.target("file")
        assert repo.log == ["metadata/2.a.json", "metadata/2.b.json"]

    def test_a_second_run_takes_them_from_the_store(
        self, repo: FakeRepository, tmp_path: Path
    ) -> None:
        visitor = Visitor(repo, tmp_path)
        visitor.refreshed().target("file")
        repo.log.clear()
        assert visitor.refreshed().target("file").length == len(b"by b")
        assert repo.log == ["metadata/2.root.json", "metadata/timestamp.json"]

    def test_a_missing_role_ends_the_search(self, repo: FakeRepository, tmp_path: Path) -> None:
        del repo.files["metadata/2.a.json"]
        with pytest.raises(NotThere):
            Visitor(repo, tmp_path).refreshed().target("file")

    def test_an_expired_role_ends_the_search_and_is_not_stored(
        self, repo: FakeRepository, tmp_path: Path
    ) -> None:
        repo.resign("a", lambda s: s.update(expires="2031-04-07T08:59:59Z"))
        with pytest.raises(Expired, match=r"a\.json"):
            Visitor(repo, tmp_path).refreshed().target("file")
        assert not (tmp_path / "a.json").exists()

    def test_a_stored_role_that_expired_is_fetched_anew(
        self, repo: FakeRepository, tmp_path: Path
    ) -> None:
        visitor = Visitor(repo, tmp_path)
        repo.resign("a", lambda s: s.update(expires="2031-04-08T00:00:00Z"))
        visitor.refreshed().target("file")
        later = visitor.now.replace(day=9)
        with pytest.raises(Expired):
            visitor.refreshed(later).target("file")
        repo.publish()
        assert visitor.refreshed(later).target("file")

    def test_a_role_signed_by_another_is_refused(
        self, repo: FakeRepository, tmp_path: Path
    ) -> None:
        repo.resign("a", lambda _: None, signers=repo.signers["b"])
        with pytest.raises(TrustError, match="role targets asks for"):
            Visitor(repo, tmp_path).refreshed().target("file")

    @pytest.mark.parametrize("name", ["?", "#", "/role", "../role", "..", "ä b", "%2e%2e", "a\0b"])
    def test_odd_role_names_stay_inside_the_directories(self, name: str, tmp_path: Path) -> None:
        repo = FakeRepository()
        repo.delegate("targets", name, ["*"])
        repo.add_target("file", b"x", role=name)
        repo.publish()
        state = tmp_path / "state"
        assert Visitor(repo, state).refreshed().read("file") == b"x"
        assert [path.name for path in tmp_path.iterdir()] == ["state"]
        assert len(list(state.glob("*.json"))) == 5

    def test_a_role_name_too_long_for_a_file_is_refused(self, tmp_path: Path) -> None:
        repo = FakeRepository()
        repo.delegate("targets", "a" * 250, ["*"])
        repo.publish()
        with pytest.raises(TrustError, match="too long"):
            Visitor(repo, tmp_path).refreshed().target("file")
