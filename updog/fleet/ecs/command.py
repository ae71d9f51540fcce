"""The `updog-ecs` command: one run over a cluster, or one after another."""

from __future__ import annotations

import argparse
import json
import logging
import os
import signal
import sys
import threading
import time
from types import FrameType
from typing import TYPE_CHECKING

from updog import failure, logs
from updog.errors import InternalError, UpdogError
from updog.fleet.ecs import flags
from updog.fleet.ecs.crew import Stopped, Wait

if TYPE_CHECKING:
    from updog.clock import Clock
    from updog.fleet.ecs.hold import Run

log = logging.getLogger(__name__)


def main(argv: list[str] | None = None) -> int:
    """Run the command.

    Args:
        argv: the words after the program's name; None takes those of this process.

    Returns:
        The exit code; docs/ecs.md has them all.
    """
    try:
        args = flags.parse(argv)
        logs.set_up(args.log_level)
        return _work(args, _stoppable())
    except ModuleNotFoundError as error:
        hint = "Install it with pip install 'updog-agent[ecs]'."
        return failure.told(InternalError(f"{error}.", hint=hint))
    except Exception as error:  # noqa: BLE001 - the end of the program says what went wrong
        return failure.told(error)


def _stoppable() -> Wait:
    """A wait that ends when the process is told to stop.

    The signal only leaves a note: whatever AWS is being asked at that moment is asked to its end,
    and then everything is given back.
    """
    told = threading.Event()

    def stop(_number: int, _frame: FrameType | None) -> None:
        told.set()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)

    def wait(seconds: float) -> None:
        if told.wait(seconds):
            raise Stopped

    return wait


def _work(args: argparse.Namespace, wait: Wait) -> int:
    if args.every is None:
        return _once(args, wait)
    try:
        while True:
            try:
                code = _once(args, wait)
            except UpdogError as error:
                # The next round may find AWS, or what was missing, as it should be.
                code = failure.told(error)
            args.resume = False  # said once, meant once
            wait(args.every.total_seconds())
    except Stopped:
        return code


def _once(args: argparse.Namespace, wait: Wait) -> int:
    from updog.clock import SystemClock
    from updog.fleet.ecs.guard import identify
    from updog.fleet.ecs.outcome import Summary, tree
    from updog.fleet.ecs.round import Round

    options = flags.options(args)
    clock = SystemClock()
    identity = identify(os.environ)
    run = _run(args, identity.name, clock)
    if identity.yields(run.cloud):
        log.info("another updater is at work")
        now = clock.now()
        summary = Summary(run.name, args.cluster, now, now, yielded=True)
    else:
        summary = Round(run, options, identity, wait).go()
    sys.stdout.write(json.dumps(tree(summary)) + "\n")
    sys.stdout.flush()
    return summary.exit_code


def _run(args: argparse.Namespace, name: str, clock: Clock) -> Run:
    """What all instances of a run share; boto3 is loaded here."""
    import boto3

    from updog.fleet.ecs.asking import asking, config
    from updog.fleet.ecs.cloud import Cloud
    from updog.fleet.ecs.hold import Run
    from updog.fleet.ecs.runcommand import RunCommand

    how = config(args.region)
    with asking("speak to AWS"):
        ecs, ec2 = boto3.client("ecs", config=how), boto3.client("ec2", config=how)
        ssm = boto3.client("ssm", config=how)
    return Run(
        name=name,
        cloud=Cloud(ecs, ec2, args.cluster),
        commands=RunCommand(ssm),
        clock=clock,
        sleep=time.sleep,
        limits=flags.options(args).limits,
    )
