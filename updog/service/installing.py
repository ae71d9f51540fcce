"""A worker's command that writes: the recorded update onto the inactive set."""

from __future__ import annotations

from argparse import Namespace
from dataclasses import replace
from typing import TextIO

from updog import invocation
from updog.clock import SystemClock
from updog.errors import BusyError
from updog.progress import JsonLines, together
from updog.select import Declined
from updog.service import told
from updog.update import update_image
from updog.version import Version
from updog.visit import Wish


def prepare(args: Namespace, out: TextIO) -> int:
    """Write the update that was chosen, and no other, to the inactive set.

    Raises:
        BusyError: it may not be installed now: withdrawn, blocked, or its wave was moved.
        UpdogError, PartitionError: the installation failed.
    """
    env = invocation.environment(args)
    env = replace(
        env,
        settings=told.under_held_lock(env.settings),
        starting=lambda update: told.said(f"Starting update to {update.version}"),
        progress=together([env.progress, JsonLines(out, SystemClock())]),
    )
    result = update_image(env, Wish(image=Version.parse(args.version)))
    if isinstance(result, Declined):
        raise BusyError(
            f"{args.version}, which was chosen, is not to be had any more: {result.message}.",
            hint="Refresh, and prepare what is chosen then.",
        )
    told.result(out, staged=told.named(result.update))
    return 0
