"""Requests, understood: which resource an address names, and which verb is meant."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml
from aiohttp import web

from tests.fakes.kube import events
from tests.fakes.kube.auth import Request, User
from tests.fakes.kube.errors import ApiError
from tests.fakes.kube.resources import Object, Registry, Resource
from tests.fakes.kube.selectors import Test, matching_fields, matching_labels
from tests.fakes.kube.watching import Query

_VERBS = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}


@dataclass(frozen=True, slots=True)
class Address:
    """What an address names."""

    resource: Resource
    namespace: str = ""
    name: str = ""
    sub: str = ""


@dataclass(frozen=True, slots=True)
class Call:
    """A request, understood."""

    address: Address
    verb: str
    user: User
    query: Mapping[str, str]
    body: Any
    content_type: str

    @property
    def dry_run(self) -> bool:
        return "dryRun" in self.query

    def request(self) -> Request:
        where = self.address
        named = f"{where.resource.plural}/{where.sub}" if where.sub else where.resource.plural
        space = where.namespace
        return Request(self.verb, where.resource.group, named, space, where.name)


def verb_of(request: web.Request, address: Address) -> str:
    if request.method == "GET":
        watching = request.query.get("watch") in ("1", "true", "True")
        if address.name and not watching:
            return "get"
        return "watch" if watching else "list"
    if request.method == "DELETE" and not address.name:
        return "deletecollection"
    return _VERBS.get(request.method, request.method.lower())


async def body_of(request: web.Request) -> tuple[Any, str]:
    raw = await request.read()
    content_type = request.content_type
    if "protobuf" in content_type:
        raise ApiError(
            415, "the body of the request was in an unknown format - JSON and YAML are read here"
        )
    if not raw:
        return None, content_type
    try:
        if content_type.endswith("yaml"):
            return yaml.safe_load(raw), content_type
        return json.loads(raw), content_type
    except ValueError as why:
        raise ApiError(400, f"the body cannot be read: {why}") from why


def query_of(call: Call) -> Query:
    where, said = call.address, call.query
    timeout = said.get("timeoutSeconds")
    return Query(
        where.resource,
        where.namespace,
        _wanted(call),
        version=said.get("resourceVersion", ""),
        match=said.get("resourceVersionMatch", ""),
        limit=int(said.get("limit") or 0),
        after=said.get("continue", ""),
        timeout=float(timeout) if timeout else None,
        bookmarks=said.get("allowWatchBookmarks") in ("1", "true", "True"),
    )


def _wanted(call: Call) -> Test:
    where, said = call.address, call.query
    labels = matching_labels(said.get("labelSelector", ""))
    fields = matching_fields(said.get("fieldSelector", ""), where.resource)

    def wanted(item: Object) -> bool:
        if where.name and item["metadata"]["name"] != where.name:
            return False
        shown = events.shown(where.resource, item)
        return labels(shown) and fields(shown)

    return wanted


def address_of(registry: Registry, path: str) -> Address | None:
    """What an address names; None for what is about the server.

    Raises:
        ApiError: 404.
    """
    steps = path.strip("/").split("/")
    if steps[0] == "api" and len(steps) > 2:
        group, version, rest = "", steps[1], steps[2:]
    elif steps[0] == "apis" and len(steps) > 3:
        group, version, rest = steps[1], steps[2], steps[3:]
    else:
        return None
    namespace = ""
    within = rest[0] == "namespaces" and len(rest) > 2 and rest[2] not in ("status", "finalize")
    if within:
        namespace, rest = rest[1], rest[2:]
    resource = registry.find(group, version, rest[0])
    if resource is None or (within and not resource.namespaced) or len(rest) > 3:
        raise ApiError(404, "the server could not find the requested resource", reason="NotFound")
    return Address(resource, namespace, *rest[1:])
