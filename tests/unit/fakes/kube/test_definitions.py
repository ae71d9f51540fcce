from __future__ import annotations

import pytest

from tests.fakes.kube.client import Client
from tests.fakes.kube.resources import Object
from tests.fakes.kube.server import Kube

GROUP = "example.org"
THINGS = f"/apis/{GROUP}/v2/namespaces/default/things"


def definition() -> Object:
    spec = {
        "type": "object",
        "required": ["colour"],
        "properties": {
            "colour": {"type": "string", "enum": ["red", "blue"]},
            "size": {"type": "integer", "default": 3, "minimum": 1},
            "note": {"type": "string", "nullable": True},
        },
    }
    status = {"type": "object", "properties": {"seen": {"type": "string"}}}
    schema = {
        "type": "object",
        "required": ["spec"],
        "properties": {"spec": spec, "status": status},
    }
    version = {
        "name": "v2",
        "served": True,
        "storage": True,
        "subresources": {"status": {}},
        "schema": {"openAPIV3Schema": schema},
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"things.{GROUP}"},
        "spec": {
            "group": GROUP,
            "scope": "Namespaced",
            "names": {
                "plural": "things",
                "singular": "thing",
                "kind": "Thing",
                "shortNames": ["th"],
            },
            "versions": [version, {**version, "name": "v1", "served": False, "storage": False}],
        },
    }


def thing(**spec: object) -> Object:
    return {"metadata": {"name": "one"}, "spec": {"colour": "red", **spec}}


@pytest.fixture
def defined(kube: Kube) -> Kube:
    kube.create(definition())
    return kube


def test_a_definition_is_established(defined: Kube) -> None:
    status = defined.get("crd", f"things.{GROUP}")["status"]
    assert {each["type"] for each in status["conditions"]} == {"NamesAccepted", "Established"}
    assert status["storedVersions"] == ["v2"]


@pytest.mark.usefixtures("defined")
def test_what_it_serves_can_be_discovered(client: Client) -> None:
    listed = client.get(f"/apis/{GROUP}/v2").body["resources"]
    assert [each["name"] for each in listed] == ["things", "things/status"]
    assert client.get(f"/apis/{GROUP}/v1").code == 404


@pytest.mark.usefixtures("defined")
def test_defaults_are_filled_in_and_the_unknown_is_dropped(client: Client) -> None:
    made = client.ask("POST", THINGS, thing(unheard="of", note=None))
    assert made.body["spec"] == {"colour": "red", "size": 3, "note": None}


@pytest.mark.parametrize(
    "spec", [{"colour": "green"}, {"size": 0}, {"size": "3"}, {"colour": None}]
)
@pytest.mark.usefixtures("defined")
def test_what_does_not_fit_names_the_field(client: Client, spec: Object) -> None:
    refused = client.ask("POST", THINGS, thing(**spec))
    assert (refused.code, refused.reason) == (422, "Invalid")
    assert refused.body["details"]["causes"][0]["field"] == f"spec.{next(iter(spec))}"


def test_a_patch_that_breaks_the_schema_changes_nothing(client: Client, defined: Kube) -> None:
    client.ask("POST", THINGS, thing())
    assert client.merge(f"{THINGS}/one", {"spec": {"colour": "green"}}).code == 422
    assert defined.get("things", "one")["spec"]["colour"] == "red"


def test_a_status_is_written_by_itself(client: Client, defined: Kube) -> None:
    client.ask("POST", THINGS, {**thing(), "status": {"seen": "early"}})
    assert "status" not in defined.get("things", "one")
    patch = {
        "status": {"seen": "now"},
        "spec": {"colour": "blue"},
        "metadata": {"labels": {"a": "b"}},
    }
    client.merge(f"{THINGS}/one/status", patch)
    found = defined.get("things", "one")
    assert (found["status"], found["spec"]["colour"]) == ({"seen": "now"}, "red")
    assert "labels" not in found["metadata"]
    assert found["metadata"]["generation"] == 1


@pytest.mark.usefixtures("defined")
def test_a_custom_object_is_not_replaced_blindly(client: Client) -> None:
    client.ask("POST", THINGS, thing())
    assert client.ask("PUT", f"{THINGS}/one", thing(colour="blue")).code == 422


@pytest.mark.usefixtures("defined")
def test_custom_objects_know_no_strategic_merge(client: Client) -> None:
    client.ask("POST", THINGS, thing())
    kind = "application/strategic-merge-patch+json"
    assert client.ask("PATCH", f"{THINGS}/one", {}, kind).code == 415


def test_objects_go_with_their_definition(client: Client, defined: Kube) -> None:
    client.ask("POST", THINGS, thing())
    defined.delete("crd", f"things.{GROUP}")
    assert client.get(THINGS).code == 404
