from __future__ import annotations

from typing import Any

import pytest

from tests.fakes.kube.client import Client
from tests.fakes.kube.server import Kube
from tests.fakes.kube.workloads import node, pod

NODES = "/api/v1/nodes"
PODS = "/api/v1/pods"


def names(answer: Any) -> list[str]:
    return [each["metadata"]["name"] for each in answer.body["items"]]


def seen(event: Any) -> tuple[str, str]:
    return event["type"], event["object"]["metadata"].get("name", "")


@pytest.mark.parametrize(
    ("selector", "found"),
    [
        ("zone=a", ["one"]),
        ("zone==a", ["one"]),
        ("zone!=a", ["three", "two"]),
        ("zone", ["one", "two"]),
        ("!zone", ["three"]),
        ("zone in (a,b),kubernetes.io/hostname", ["one", "two"]),
        ("zone notin (a)", ["three", "two"]),
    ],
)
def test_label_selectors(client: Client, kube: Kube, selector: str, found: list[str]) -> None:
    kube.create(node("one", {"zone": "a"}))
    kube.create(node("two", {"zone": "b"}))
    kube.create(node("three"))
    assert names(client.get(NODES, labelSelector=selector)) == found


def test_pods_of_one_node(client: Client, kube: Kube) -> None:
    kube.create(pod("p", "one"))
    kube.create(pod("q", "two"))
    assert names(client.get(PODS, fieldSelector="spec.nodeName=one,status.phase!=Failed")) == ["p"]


def test_a_field_that_cannot_be_selected_is_refused(client: Client) -> None:
    refused = client.get(PODS, fieldSelector="spec.hostNetwork=true")
    assert (refused.code, refused.reason) == (400, "BadRequest")


def test_pages_are_of_one_moment(client: Client, kube: Kube) -> None:
    for name in ("a", "b", "c"):
        kube.create(node(name))
    first = client.get(NODES, limit=2)
    kube.delete("nodes", "c")
    kube.create(node("d"))
    token = first.body["metadata"]["continue"]
    rest = client.get(NODES, **{"limit": 2, "continue": token})
    assert (names(first), names(rest)) == (["a", "b"], ["c"])
    assert first.body["metadata"]["remainingItemCount"] == 1
    assert first.body["metadata"]["resourceVersion"] == rest.body["metadata"]["resourceVersion"]


def test_a_page_of_a_forgotten_list_is_410(client: Client, kube: Kube) -> None:
    for name in ("a", "b"):
        kube.create(node(name))
    token = client.get(NODES, limit=1).body["metadata"]["continue"]
    kube.create(node("c"))
    kube.api.store.forget()
    gone = client.get(NODES, **{"limit": 1, "continue": token})
    assert (gone.code, gone.reason) == (410, "Expired")


def test_a_list_of_any_version_may_be_stale(client: Client, kube: Kube) -> None:
    kube.create(node("a"))
    kube.create(node("b"))
    kube.faults.stale = 1
    assert names(client.get(NODES, resourceVersion="0")) == ["a"]
    assert names(client.get(NODES)) == ["a", "b"]


def test_a_list_of_the_future_is_refused(client: Client) -> None:
    assert client.get(NODES, resourceVersion="999999").code == 504


def test_a_watch_goes_on_where_a_list_ended(client: Client, kube: Kube) -> None:
    kube.create(node("a"))
    version = client.get(NODES).body["metadata"]["resourceVersion"]
    kube.patch("nodes", "a", {"spec": {"unschedulable": True}})
    with client.watching(NODES, resourceVersion=version) as events:
        assert seen(next(events)) == ("MODIFIED", "a")
        kube.create(node("b"))
        assert seen(next(events)) == ("ADDED", "b")
        kube.delete("nodes", "b")
        assert seen(next(events)) == ("DELETED", "b")


def test_a_watch_of_no_version_tells_first_what_is_there(client: Client, kube: Kube) -> None:
    kube.create(node("a"))
    with client.watching(NODES) as events:
        assert seen(next(events)) == ("ADDED", "a")


def test_objects_enter_and_leave_a_selection(client: Client, kube: Kube) -> None:
    kube.create(node("a"))
    version = str(kube.api.store.version)
    with client.watching(NODES, labelSelector="zone=x", resourceVersion=version) as events:
        kube.patch("nodes", "a", {"metadata": {"labels": {"zone": "x"}}})
        assert seen(next(events)) == ("ADDED", "a")
        kube.patch("nodes", "a", {"metadata": {"labels": {"zone": "y"}}})
        left = next(events)
        assert seen(left) == ("DELETED", "a")
        assert left["object"]["metadata"]["labels"]["zone"] == "x"


def test_a_watch_ends_at_its_time_with_a_bookmark(client: Client, kube: Kube) -> None:
    version = str(kube.api.store.version)
    asked = {"timeoutSeconds": "0.2", "allowWatchBookmarks": "true", "resourceVersion": version}
    with client.watching(NODES, **asked) as events:
        last = list(events)[-1]
    assert (last["type"], last["object"]["metadata"]["resourceVersion"]) == ("BOOKMARK", version)


def test_a_watch_from_a_forgotten_version_is_told_410(client: Client, kube: Kube) -> None:
    version = str(kube.api.store.version)
    kube.create(node("a"))
    kube.api.store.forget()
    with client.watching(NODES, resourceVersion=version) as events:
        told = next(events)
    assert (told["type"], told["object"]["code"]) == ("ERROR", 410)


def test_watches_can_be_broken_off(client: Client, kube: Kube) -> None:
    version = str(kube.api.store.version)
    with client.watching(NODES, resourceVersion=version) as events:
        kube.expire_watches()
        assert next(events)["object"]["reason"] == "Expired"


def test_a_late_watch_shows_the_past(client: Client, kube: Kube) -> None:
    kube.faults.lag = 3600.0
    version = str(kube.api.store.version)
    with client.watching(NODES, resourceVersion=version, timeoutSeconds="0.2") as events:
        kube.create(node("a"))
        assert list(events) == []


def test_watches_go_on_over_a_restart(client: Client, kube: Kube) -> None:
    kube.create(node("a"))
    version = str(kube.api.store.version)
    port = kube.port
    kube.restart(forget=False)
    assert kube.port == port
    kube.delete("nodes", "a")
    with client.watching(NODES, resourceVersion=version) as events:
        assert seen(next(events)) == ("DELETED", "a")


def test_a_restart_may_forget(client: Client, kube: Kube) -> None:
    version = str(kube.api.store.version)
    kube.create(node("a"))
    kube.restart()
    with client.watching(NODES, resourceVersion=version) as events:
        assert next(events)["object"]["code"] == 410
    assert names(client.get(NODES)) == ["a"]
