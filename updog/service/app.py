"""HTTP in front of the keeper: one function for each endpoint of `openapi.ENDPOINTS`."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import TypeAlias

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from partitions.errors import DeviceBusy, PartitionError
from updog.errors import UpdogError
from updog.service import looking, metrics, openapi, view
from updog.service.keeper import Keeper
from updog.service.machine import Command, Refusal
from updog.service.openapi import Endpoint
from updog.service.peers import Access, Peer
from updog.service.refused import Refused
from updog.service.view import Status
from updog.settings import Paths

log = logging.getLogger(__name__)

Answer: TypeAlias = Callable[[Request], Awaitable[Response]]
MOST_DIGITS = 16
NO_CONTENT = 204
FORBIDDEN = 403
NOT_FOUND = 404
WRONG = 500


class Api:
    """The answers to all requests.

    Args:
        keeper: what is asked and told.
        access: who may do what.
        paths: where the running system says what it is.
    """

    def __init__(self, keeper: Keeper, access: Access, paths: Paths) -> None:
        self._keeper = keeper
        self._access = access
        self._paths = paths

    def application(self) -> Starlette:
        """The whole as ASGI."""
        routes = [
            Route(each.path, self._guarded(each), methods=[each.method])
            for each in openapi.ENDPOINTS
        ]
        return Starlette(routes=routes)

    async def refresh(self, _request: Request) -> Response:
        """Ask the repository."""
        return await self._begin(Command.REFRESH)

    async def prepare(self, _request: Request) -> Response:
        """Write the chosen update."""
        return await self._begin(Command.PREPARE)

    async def activate(self, _request: Request) -> Response:
        """Let it boot next."""
        return await self._begin(Command.ACTIVATE)

    async def deactivate(self, _request: Request) -> Response:
        """Take that back."""
        return await self._begin(Command.DEACTIVATE)

    async def cancel(self, _request: Request) -> Response:
        """End what is under way."""
        await self._keeper.cancel()
        return Response(status_code=NO_CONTENT)

    async def reboot(self, _request: Request) -> Response:
        """Restart the machine."""
        await self._keeper.reboot()
        return Response(status_code=NO_CONTENT)

    async def status(self, _request: Request) -> Response:
        """How things are."""
        status = await self._keeper.status()
        if status.record.last is None:
            said = "The update status is not initialised yet; refresh updates to do that.\n"
            return PlainTextResponse(said, NOT_FOUND)
        return JSONResponse(view.tree(status))

    async def progress(self, request: Request) -> Response:
        """How far it is, once or for as long as it goes on."""
        if openapi.EVENTS in request.headers.get("accept", ""):
            headers = {"Cache-Control": "no-store"}
            return StreamingResponse(self._events(), media_type=openapi.EVENTS, headers=headers)
        return JSONResponse(self._keeper.audience.tree)

    async def outcome(self, request: Request) -> Response:
        """How a command ended."""
        said = request.path_params["number"]
        number = int(said) if said.isascii() and said.isdigit() and len(said) <= MOST_DIGITS else 0
        found = await self._keeper.outcome(number)
        if found is None:
            return PlainTextResponse(f"Command {said} has not ended.\n", NOT_FOUND)
        return JSONResponse(view.outcome_tree(found))

    async def why(self, _request: Request) -> Response:
        """What would be chosen, and why."""
        return JSONResponse(await self._keeper.why())

    async def system(self, _request: Request) -> Response:
        """What runs."""
        return JSONResponse(await asyncio.to_thread(looking.system, self._paths))

    async def figures(self, _request: Request) -> Response:
        """For Prometheus."""
        keeper = self._keeper
        status: Status | None = None
        try:
            status = await keeper.status()
        except (UpdogError, PartitionError) as error:
            log.debug("no status for the metrics: %s", error)
        figures = metrics.Figures(
            status, keeper.record, keeper.running, keeper.audience.tree, keeper.ended
        )
        return Response(metrics.text(figures), media_type=metrics.CONTENT_TYPE)

    async def description(self, _request: Request) -> Response:
        """What all this is."""
        return JSONResponse(openapi.description())

    async def _begin(self, command: Command) -> Response:
        number = await self._keeper.start(command)
        place = {"Location": f"/updates/commands/{number}"}
        return Response(status_code=NO_CONTENT, headers=place)

    async def _events(self) -> AsyncIterator[bytes]:
        async for tree in self._keeper.audience.follow():
            yield b": still here\n\n" if tree is None else _event("progress", tree)
        last = self._keeper.record.last
        yield _event("end", {} if last is None else view.outcome_tree(last))

    def _guarded(self, endpoint: Endpoint) -> Answer:
        answer: Answer = getattr(self, endpoint.name)

        async def guarded(request: Request) -> Response:
            peer: Peer | None = getattr(request.state, "peer", None)
            may = self._access.may_act if endpoint.acts else self._access.may_read
            if peer is None or not may(peer):
                return PlainTextResponse(f"{openapi.REFUSED}\n", FORBIDDEN)
            try:
                return await answer(request)
            except Exception as error:  # noqa: BLE001 - every failure is told, and none ends the service
                return _told(error)

        return guarded


def _told(error: Exception) -> Response:
    """An error as an answer: its status, and its words."""
    if isinstance(error, Refused):
        return PlainTextResponse(f"{error}\n", error.refusal.http_status)
    if isinstance(error, DeviceBusy):
        return PlainTextResponse(f"{error}\n", Refusal.BUSY.http_status)
    if isinstance(error, UpdogError | PartitionError):
        hint = getattr(error, "hint", "")
        return PlainTextResponse(f"{error} {hint}".strip() + "\n", WRONG)
    log.error("internal error", exc_info=error)
    return PlainTextResponse(f"Internal error: {type(error).__name__}: {error}\n", WRONG)


def _event(name: str, tree: Mapping[str, object]) -> bytes:
    return f"event: {name}\ndata: {json.dumps(tree)}\n\n".encode()
