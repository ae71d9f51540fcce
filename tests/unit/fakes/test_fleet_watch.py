from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.fakes.fleet_watch import Watch
from tests.fakes.kube.auth import User
from tests.fakes.kube.server import MERGE, Kube, serving
from tests.fakes.kube.workloads import node, pod
from updog.fleet.kubernetes.names import EXCLUSION_LABEL

OPERATOR = User("system:serviceaccount:fleet:controller", ("system:masters",))


@pytest.fixture
def kube() -> Iterator[Kube]:
    with serving() as running:
        for name in ("one", "two"):
            running.create(node(name))
        yield running


@pytest.fixture
def watch(kube: Kube) -> Watch:
    made = Watch(kube, 1)
    kube.observe(made.see)
    return made


def operator_says(kube: Kube, name: str, *, cordon: bool) -> None:
    nodes = kube.api.registry.named("nodes")
    patch = {"spec": {"unschedulable": cordon or None}}
    kube.api.patch(nodes, "", name, patch, OPERATOR, content_type=MERGE)


def person_says(kube: Kube, name: str, *, cordon: bool) -> None:
    kube.patch("nodes", name, {"spec": {"unschedulable": cordon or None}})


def test_as_many_as_allowed_is_right(kube: Kube, watch: Watch) -> None:
    operator_says(kube, "one", cordon=True)
    operator_says(kube, "one", cordon=False)
    operator_says(kube, "two", cordon=True)
    assert (watch.wrongs, watch.most, watch.touched) == ([], 1, {"one", "two"})


def test_one_too_many_is_wrong(kube: Kube, watch: Watch) -> None:
    operator_says(kube, "one", cordon=True)
    operator_says(kube, "two", cordon=True)
    assert watch.wrongs == ["unavailable at once: ['one', 'two']"]


def test_a_node_that_is_down_counts(kube: Kube, watch: Watch) -> None:
    operator_says(kube, "one", cordon=True)
    watch.goes_down("one")
    operator_says(kube, "one", cordon=False)
    operator_says(kube, "two", cordon=True)
    assert watch.wrongs == ["unavailable at once: ['one', 'two']"]


def test_what_a_person_cordons_does_not_count(kube: Kube, watch: Watch) -> None:
    person_says(kube, "one", cordon=True)
    operator_says(kube, "two", cordon=True)
    assert (watch.wrongs, watch.persons) == ([], {"one"})


def test_taking_a_persons_cordon_is_wrong(kube: Kube, watch: Watch) -> None:
    person_says(kube, "one", cordon=True)
    operator_says(kube, "one", cordon=False)
    assert watch.wrongs == [f"{OPERATOR.name} took a person's cordon from one"]


def test_a_restart_under_pods_is_wrong(kube: Kube, watch: Watch) -> None:
    kube.create(pod("p", "one"))
    kube.create(pod("q", "two"))
    operator_says(kube, "one", cordon=True)
    watch.goes_down("one")
    assert watch.wrongs == ["one restarts under ['p']"]


def test_a_restart_without_a_cordon_is_wrong(watch: Watch) -> None:
    watch.goes_down("one")
    assert watch.wrongs == ["one restarts without a cordon"]


def test_a_restart_that_load_balancers_know_nothing_of_is_wrong(kube: Kube, watch: Watch) -> None:
    watch.excluding = True
    operator_says(kube, "one", cordon=True)
    watch.goes_down("one")
    assert watch.wrongs == ["one restarts while load balancers send to it"]


def test_taking_a_persons_exclusion_is_wrong(kube: Kube, watch: Watch) -> None:
    kube.patch("nodes", "one", {"metadata": {"labels": {EXCLUSION_LABEL: "theirs"}}})
    patch = {"metadata": {"labels": {EXCLUSION_LABEL: None}}}
    kube.api.patch(kube.api.registry.named("nodes"), "", "one", patch, OPERATOR, content_type=MERGE)
    assert watch.wrongs == [f"{OPERATOR.name} took a person's exclusion from one"]
