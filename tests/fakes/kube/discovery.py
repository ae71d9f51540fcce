"""What the server says about itself: versions, groups, resources."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

from tests.fakes.kube.resources import Object, Registry, Resource

VERSION = {
    "major": "1",
    "minor": "32",
    "gitVersion": "v1.32.0",
    "gitCommit": "",
    "gitTreeState": "clean",
    "buildDate": "2025-01-01T00:00:00Z",
    "goVersion": "go1.23",
    "compiler": "gc",
    "platform": "linux/amd64",
}
_EXTRA = {
    ("", "pods"): [("eviction", "policy", "v1", "Eviction", ["create"])],
    ("", "serviceaccounts"): [("token", "authentication.k8s.io", "v1", "TokenRequest", ["create"])],
}


def core_versions() -> Object:
    """``/api``."""
    return {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []}


def groups(registry: Registry) -> Object:
    """``/apis``."""
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": list(_groups(registry))}


def _groups(registry: Registry) -> Iterator[Object]:
    named = sorted((each for each in registry if each.group), key=lambda each: each.group)
    for name, members in groupby(named, key=lambda each: each.group):
        yield group(name, list(members))


def group(name: str, members: list[Resource]) -> Object:
    """``/apis/GROUP``: its versions, the newest preferred."""
    versions = sorted({each.version for each in members}, reverse=True)
    listed = [{"groupVersion": f"{name}/{each}", "version": each} for each in versions]
    return {
        "kind": "APIGroup",
        "apiVersion": "v1",
        "name": name,
        "versions": listed,
        "preferredVersion": listed[0],
    }


def resources(registry: Registry, name: str, version: str) -> Object | None:
    """``/api/v1`` or ``/apis/GROUP/VERSION``; None where nothing is there."""
    members = [each for each in registry if (each.group, each.version) == (name, version)]
    if not members:
        return None
    listed = [entry for each in members for entry in _entries(each)]
    return {
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": members[0].group_version,
        "resources": listed,
    }


def _entries(resource: Resource) -> Iterator[Object]:
    basis: Object = {"namespaced": resource.namespaced, "kind": resource.kind}
    yield {
        **basis,
        "name": resource.plural,
        "singularName": resource.kind.lower(),
        "verbs": list(resource.verbs),
        **({"shortNames": list(resource.short)} if resource.short else {}),
    }
    if resource.status:
        name = f"{resource.plural}/status"
        yield {**basis, "name": name, "singularName": "", "verbs": ["get", "patch", "update"]}
    for sub, its_group, version, kind, verbs in _EXTRA.get((resource.group, resource.plural), []):
        yield {
            "namespaced": True,
            "name": f"{resource.plural}/{sub}",
            "singularName": "",
            "group": its_group,
            "version": version,
            "kind": kind,
            "verbs": verbs,
        }


def openapi_index(registry: Registry) -> Object:
    """``/openapi/v3``: where each group's description is."""
    served = {each.group_version: each.group for each in registry}
    paths = {f"apis/{gv}" if name else f"api/{gv}": gv for gv, name in served.items()}
    return {"paths": {path: {"serverRelativeURL": f"/openapi/v3/{path}"} for path in paths}}


def openapi_group(registry: Registry, path: str) -> Object:
    """``/openapi/v3/...``: that patches take ``fieldValidation``, which kubectl looks for."""
    described: Object = {}
    for each in registry:
        base = f"apis/{each.group_version}" if each.group else f"api/{each.group_version}"
        if base != path:
            continue
        where = f"/{base}/" + ("namespaces/{namespace}/" if each.namespaced else "")
        described[f"{where}{each.plural}/{{name}}"] = {"patch": _patch_operation(each)}
    return {
        "openapi": "3.0.0",
        "info": {"title": "Kubernetes", "version": str(VERSION["gitVersion"])},
        "paths": described,
    }


def _patch_operation(resource: Resource) -> Object:
    named = {"group": resource.group, "version": resource.version, "kind": resource.kind}
    parameters = [
        {"name": name, "in": "query", "schema": {"type": "string"}}
        for name in ("dryRun", "fieldManager", "fieldValidation")
    ]
    return {
        "parameters": parameters,
        "x-kubernetes-action": "patch",
        "x-kubernetes-group-version-kind": named,
        "responses": {"200": {"description": "OK"}},
    }
