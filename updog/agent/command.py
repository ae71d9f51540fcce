"""`updog agent` and `updog schedule`."""

from __future__ import annotations

import os
import signal
import sys
import threading
from argparse import Namespace
from types import FrameType
from typing import NoReturn

from updog import notify
from updog.agent.life import Life
from updog.agent.loop import Agent
from updog.agent.machine import Machine, PresentClock
from updog.invocation import remark


def run_parsed(args: Namespace) -> int:
    """Run one of the two commands.

    Raises:
        UpdogError: the configuration or this host is not usable.
    """
    clock = PresentClock()
    life = Life(notify.from_environment(os.environ, os.getpid()), clock)
    machine = Machine(args.config, life=life)
    settings = machine.settings
    machine.rules()  # a configuration that is wrong from the start is a reason not to start
    if args.command == "schedule":
        from updog.agent.show import show

        sys.stdout.write(show(machine, clock.now(), as_json=args.json))
        return 0
    path = settings.paths.agent
    if args.once:
        step = Agent(machine, clock, lambda _seconds: True, path).once()
        remark(args, f"{step.action}: {step.why}")
        return 0
    stop = threading.Event()
    signal.signal(signal.SIGTERM, _end)
    try:
        Agent(machine, clock, stop.wait, path, started=clock.now(), life=life).run()
    finally:
        life.ends()
    return 0


def _end(_number: int, _frame: FrameType | None) -> NoReturn:
    """End now: what is being written is made to be interrupted."""
    raise SystemExit(0)
