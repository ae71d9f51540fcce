"""HTTP: each request is answered here, or goes wrong on purpose."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field

from aiohttp import web

from tests.fakes.kube import discovery, events, reviews
from tests.fakes.kube.api import Api
from tests.fakes.kube.auth import Guard, Request
from tests.fakes.kube.errors import ApiError, not_found
from tests.fakes.kube.eviction import evict
from tests.fakes.kube.faults import Break, Fault, Faults
from tests.fakes.kube.resources import Object
from tests.fakes.kube.routing import Call, address_of, body_of, query_of, verb_of
from tests.fakes.kube.tables import table
from tests.fakes.kube.watching import listed, watched


@dataclass
class Web:
    """The handler of everything.

    Attributes:
        api: the objects.
        guard: who may.
        faults: what goes wrong.
        log: the last requests, as method, address and code.
        interval: seconds between bookmarks.
        expired: counts up to break off all watches with 410.
        gone: how many watches were told 410.
    """

    api: Api
    guard: Guard
    faults: Faults = field(default_factory=Faults)
    log: deque[tuple[str, str, int]] = field(default_factory=lambda: deque(maxlen=100_000))
    interval: float = 5.0
    expired: int = 0
    gone: int = 0
    _open: dict[asyncio.Task[object], web.Request] = field(default_factory=dict)

    def break_off(self) -> None:
        """Cut all connections that wait for an answer, and stop working on it."""
        for task, request in list(self._open.items()):
            with suppress(ConnectionResetError):
                _cut(request)
            task.cancel()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer one request."""
        task = asyncio.current_task()
        assert task is not None
        self._open[task] = request
        try:
            return await self._handle(request)
        finally:
            del self._open[task]

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        try:
            answer = await self._answer(request)
            code = answer.status
        except ApiError as refusal:
            code = refusal.code
            headers = {}
            if refusal.retry_after is not None:
                headers["Retry-After"] = str(refusal.retry_after)
            answer = web.json_response(refusal.status(), status=code, headers=headers)
        except ConnectionError:
            # The client is gone, or was cut off on purpose: nobody reads what is answered.
            code = 0
            answer = web.Response(status=500)
        self.log.append((request.method, request.path_qs, code))
        return answer

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        user = self.guard.who(request.headers.get("Authorization"))
        address = address_of(self.api.registry, request.path)
        if address is None:
            self.guard.check(user, Request("get", path=request.path))
            return self._about(request.path)
        body, content_type = await body_of(request)
        call = Call(address, verb_of(request, address), user, request.query, body, content_type)
        fault = self.faults.next(call.request())
        await self._suffer(request, fault)
        self.guard.check(user, call.request())
        if call.verb == "watch":
            return await self._watch(request, call)
        code, made = self._do(call)
        if fault is not None and fault.cut is Break.AFTER:
            _cut(request)
        return _reply(request, call, code, made)

    async def _suffer(self, request: web.Request, fault: Fault | None) -> None:
        if fault is None:
            return
        if fault.delay:
            await asyncio.sleep(fault.delay)
        if fault.error is not None:
            raise fault.error
        if fault.cut is Break.BEFORE:
            _cut(request)

    def _about(self, path: str) -> web.Response:  # noqa: PLR0911 - one line an address
        steps = path.strip("/").split("/")
        match steps:
            case ["version"]:
                return web.json_response(discovery.VERSION)
            case ["healthz" | "livez" | "readyz"]:
                return web.Response(text="ok")
            case ["api"]:
                return web.json_response(discovery.core_versions())
            case ["apis"]:
                return web.json_response(discovery.groups(self.api.registry))
            case ["openapi", "v3"]:
                return web.json_response(discovery.openapi_index(self.api.registry))
            case ["openapi", "v3", *rest]:
                return web.json_response(discovery.openapi_group(self.api.registry, "/".join(rest)))
            case ["apis", group]:
                members = [each for each in self.api.registry if each.group == group]
                made = discovery.group(group, members) if members else None
            case ["api" | "apis", *rest]:
                group = "/".join(rest[:-1])
                made = discovery.resources(self.api.registry, group, rest[-1])
            case _:
                made = None
        if made is None:
            raise ApiError(404, "the server could not find the requested resource")
        return web.json_response(made)

    def _do(self, call: Call) -> tuple[int, Object]:  # noqa: PLR0911 - one line a verb
        where = call.address
        if call.verb not in where.resource.verbs:
            raise ApiError(405, "the server does not allow this method on the requested resource")
        if where.sub not in ("", "status"):
            return self._subresource(call)
        if where.sub == "status" and not where.resource.status:
            raise not_found(where.name, where.resource.qualified)
        match call.verb:
            case "get":
                return 200, self.api.get(where.resource, where.namespace, where.name)
            case "list":
                stale = self.faults.stale
                return 200, listed(self.api.store, query_of(call), stale=stale)
            case "create":
                return 201, self._create(call)
            case "update" | "patch":
                return self._change(call)
            case "delete":
                return 200, self._delete(call)
            case _:
                return 200, self._delete_all(call)

    def _create(self, call: Call) -> Object:
        where = call.address
        if where.resource.verbs == ("create",):
            return reviews.answer(self.guard, call.user, where.resource, call.body)
        item = events.stored(where.resource, call.body)
        return self.api.create(
            where.resource, where.namespace, item, call.user, dry_run=call.dry_run
        )

    def _change(self, call: Call) -> tuple[int, Object]:
        where = call.address
        target = (where.resource, where.namespace, where.name)
        if call.verb == "update":
            item = events.stored(where.resource, call.body)
            made = self.api.update(
                *target, item, call.user, subresource=where.sub, dry_run=call.dry_run
            )
            return 200, made
        body = call.body
        if isinstance(body, dict):
            body = events.stored(where.resource, body)
        made = self.api.patch(
            *target,
            body,
            call.user,
            content_type=call.content_type,
            subresource=where.sub,
            dry_run=call.dry_run,
        )
        return 200, made

    def _delete(self, call: Call) -> Object:
        where = call.address
        options = _delete_options(call)
        old = self.api.delete(where.resource, where.namespace, where.name, call.user, options)
        if (
            self.api.store.get(self.api.key(where.resource, where.namespace, where.name))
            is not None
        ):
            return old
        details = {"name": where.name, "kind": where.resource.plural, "uid": old["metadata"]["uid"]}
        return {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Success",
            "details": details,
        }

    def _delete_all(self, call: Call) -> Object:
        where = call.address
        found = listed(self.api.store, query_of(call))
        for each in found["items"]:
            space, name = each["metadata"].get("namespace", ""), each["metadata"]["name"]
            self.api.delete(where.resource, space, name, call.user, _delete_options(call))
        return found

    def _subresource(self, call: Call) -> tuple[int, Object]:
        where = call.address
        match where.resource.plural, where.sub, call.verb:
            case "pods", "eviction", "create":
                return 201, evict(self.api, where.namespace, where.name, call.body, call.user)
            case "serviceaccounts", "token", "create":
                self.api.get(where.resource, where.namespace, where.name)
                return 201, reviews.token(
                    self.api, self.guard, where.namespace, where.name, call.body
                )
            case _:
                raise ApiError(404, "the server could not find the requested resource")

    async def _watch(self, request: web.Request, call: Call) -> web.StreamResponse:
        began = self.expired
        if "sendInitialEvents" in call.query:
            raise ApiError(
                422,
                "sendInitialEvents is forbidden for watch unless the WatchList feature gate is on",
            )
        answer = web.StreamResponse(headers={"Content-Type": "application/json"})
        answer.enable_chunked_encoding()
        await answer.prepare(request)
        self.log.append((request.method, request.path_qs, 200))
        stream = watched(
            self.api.store,
            query_of(call),
            late=self.faults.late,
            expire=lambda: self.expired != began,
            interval=self.interval,
        )
        async for event in stream:
            self.gone += event["type"] == "ERROR"
            await answer.write(json.dumps(event).encode() + b"\n")
        await answer.write_eof()
        return answer


def _cut(request: web.Request) -> None:
    if request.transport is not None and isinstance(request.transport, asyncio.WriteTransport):
        request.transport.abort()
    raise ConnectionResetError("cut on purpose")


def _delete_options(call: Call) -> Object:
    options = dict(call.body or {})
    for name in ("gracePeriodSeconds",):
        if name in call.query:
            options[name] = int(call.query[name])
    if "propagationPolicy" in call.query:
        options["propagationPolicy"] = call.query["propagationPolicy"]
    if call.dry_run:
        options["dryRun"] = ["All"]
    return options


def _reply(request: web.Request, call: Call, code: int, made: Object) -> web.Response:
    resource = call.address.resource
    if "as=Table" in request.headers.get("Accept", "") and call.verb in ("get", "list"):
        items = made["items"] if call.verb == "list" else [made]
        metadata = made["metadata"] if call.verb == "list" else {}
        return web.json_response(table(resource, items, metadata))
    if call.verb == "list" or made.get("kind") == "Status":
        return web.json_response(made, status=code)
    if made.get("kind") != resource.kind:
        return web.json_response(made, status=code)
    return web.json_response(events.shown(resource, made), status=code)
