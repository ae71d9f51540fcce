from __future__ import annotations

import http.client
from random import Random

import pytest

from tests.fakes.kube.client import Client
from tests.fakes.kube.faults import Break
from tests.fakes.kube.server import Kube
from tests.fakes.kube.store import Change
from tests.fakes.kube.workloads import node

NODES = "/api/v1/nodes"


def test_a_fault_happens_as_often_as_it_is_set(client: Client, kube: Kube) -> None:
    kube.faults.server_error(verb="list", resource="nodes", times=2)
    assert [client.get(NODES).code for _ in range(3)] == [500, 500, 200]


def test_a_fault_leaves_other_requests_alone(client: Client, kube: Kube) -> None:
    kube.faults.server_error(resource="pods", times=None)
    assert client.get(NODES).code == 200


def test_the_server_can_ask_for_patience(client: Client, kube: Kube) -> None:
    kube.faults.throttle(7)
    answer = client.get(NODES)
    assert (answer.code, answer.headers["retry-after"]) == (429, "7")
    assert answer.body["details"]["retryAfterSeconds"] == 7


def test_a_connection_can_break_before_the_work(client: Client, kube: Kube) -> None:
    kube.faults.add(verb="create", cut=Break.BEFORE)
    with pytest.raises((http.client.HTTPException, ConnectionError)):
        client.ask("POST", NODES, node("one"))
    assert kube.find("nodes", "one") is None


def test_a_connection_can_break_after_the_work(client: Client, kube: Kube) -> None:
    kube.faults.add(verb="create", cut=Break.AFTER)
    with pytest.raises((http.client.HTTPException, ConnectionError)):
        client.ask("POST", NODES, node("one"))
    assert kube.find("nodes", "one") is not None


def test_chances_are_the_same_for_the_same_seed(client: Client, kube: Kube) -> None:
    rounds = []
    for _ in range(2):
        kube.faults.clear()
        kube.faults.random = Random(7)
        kube.faults.server_error(times=None, chance=0.5)
        rounds.append([client.get(NODES).code for _ in range(20)])
    assert rounds[0] == rounds[1]
    assert set(rounds[0]) == {200, 500}


def test_observers_see_every_write_and_who_made_it(client: Client, kube: Kube) -> None:
    seen: list[Change] = []
    kube.observe(seen.append)
    client.ask("POST", NODES, node("one"))
    client.merge(f"{NODES}/one", {"spec": {"unschedulable": True}})
    client.ask("DELETE", f"{NODES}/one")
    assert [(each.type, each.key.name, each.by) for each in seen] == [
        (kind, "one", "kubernetes-admin") for kind in ("ADDED", "MODIFIED", "DELETED")
    ]


def test_requests_are_written_down(client: Client, kube: Kube) -> None:
    client.get(f"{NODES}/none")
    assert kube.web.log[-1][::2] == ("GET", 404)
