"""How far the command under way is, for whoever wants to know now or goes on listening."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping

from updog.service.machine import Command
from updog.service.openapi import MEMBERS

HEARTBEAT = 15.0
"""Seconds after which a listener hears something, so that a dead connection is noticed."""


class Audience:
    """The progress of one command after the other. To be used in one event loop."""

    def __init__(self) -> None:
        self._command: Command | None = None
        self._number: int | None = None
        self._moving: Mapping[str, object] = {}
        self._changed = asyncio.Event()

    @property
    def tree(self) -> dict[str, object]:
        """How far it is, as JSON; all members are null where nothing moves."""
        command = None if self._command is None else self._command.value
        told = {name: self._moving.get(name) for name in MEMBERS}
        return {"command": command, "number": self._number, **told}

    def begin(self, command: Command, number: int) -> None:
        """A command begins."""
        self._command, self._number, self._moving = command, number, {}
        self._tell()

    def move(self, moving: Mapping[str, object]) -> None:
        """It got on."""
        self._moving = moving
        self._tell()

    def end(self) -> None:
        """It has ended."""
        self._command, self._number, self._moving = None, None, {}
        self._tell()

    async def follow(self) -> AsyncIterator[dict[str, object] | None]:
        """How far it is, now and at each change until no command is under way; None to wait on.

        A listener that is slow misses steps between, never the last one.
        """
        while True:
            changed, tree = self._changed, self.tree
            yield tree
            # Of what was told, not of what is: a slow listener has not heard of the end yet.
            if tree["command"] is None:
                return
            while not await _within(changed, HEARTBEAT):
                yield None

    def _tell(self) -> None:
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()


async def _within(event: asyncio.Event, seconds: float) -> bool:
    try:
        await asyncio.wait_for(event.wait(), seconds)
    except TimeoutError:
        return False
    return True
