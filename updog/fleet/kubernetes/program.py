"""The two programs: from the environment to the loop, and out again when told to end."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

from updog import logs
from updog.clock import SystemClock
from updog.fleet.kubernetes import settings
from updog.fleet.kubernetes.connecting import connected

BURST = 3


def run_controller(log_level: str) -> None:
    """Run the controller until it is told to end.

    Raises:
        UpdogError: a setting is wrong, or the cluster is not known.
    """
    logs.set_up(log_level)
    asyncio.run(_controller(settings.controller(os.environ)))


def run_agent(log_level: str) -> None:
    """Run an agent until it is told to end.

    Raises:
        UpdogError: a setting is wrong, or the cluster is not known.
    """
    logs.set_up(log_level)
    asyncio.run(_agent(settings.agent(os.environ)))


async def _controller(said: settings.Controller) -> None:
    # An agent does not need kopf, and starts faster and smaller without.
    from updog.fleet.kubernetes.controller import Controller  # noqa: PLC0415

    async with connected(said.namespace) as cluster:
        await Controller(cluster, said, SystemClock()).run(_stopped_by_signals())


async def _agent(said: settings.Agent) -> None:
    from updog.fleet.kubernetes.agent import Agent  # noqa: PLC0415 - the same
    from updog.fleet.kubernetes.host import (  # noqa: PLC0415 - the same
        Host,
        Pace,
        Stopped,
    )

    clock, ending = SystemClock(), threading.Event()

    def pause(seconds: float) -> None:
        # A command that takes an hour is waited for in a thread; the machine goes on with it.
        if ending.wait(seconds):
            raise Stopped("The agent was told to end.")

    pace = Pace(said.pace, BURST, pause, time.monotonic)
    host = Host(Path(said.socket), clock, pause, pace, said.stage_limit)
    async with connected(said.namespace) as cluster:
        await Agent(cluster, host, said, clock, _stopped_by_signals(ending.set)).run()


def _stopped_by_signals(also: Callable[[], None] = lambda: None) -> asyncio.Event:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def end() -> None:
        also()
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, end)
    return stop
