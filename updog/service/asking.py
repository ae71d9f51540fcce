"""A worker's commands that only ask: what there is, and why."""

from __future__ import annotations

import json
from argparse import Namespace
from dataclasses import replace
from typing import TextIO

from updog import invocation, labels, report, timeofrun, why
from updog.clock import SystemClock
from updog.doctor.clockcheck import kernel_synchronised
from updog.select import Chosen, Declined
from updog.service import told
from updog.visit import Wish, see


def refresh(args: Namespace, out: TextIO) -> int:
    """Ask the repository what there is."""
    way = invocation.way(args)
    seen = see(replace(way, settings=told.under_held_lock(way.settings)), Wish())
    if isinstance(seen.outcome, Declined):
        told.said("No update available", *report.declined_lines(seen.outcome))
    chosen = told.named(seen.outcome.update) if isinstance(seen.outcome, Chosen) else None
    told.result(out, available=[str(each.version) for each in seen.available], chosen=chosen)
    return 0


def explain(args: Namespace, out: TextIO) -> int:
    """Tell what would be chosen and why; what cannot be found out is told as a problem."""
    way = invocation.way(args)
    paths = way.settings.paths
    clock = timeofrun.time_of_run(SystemClock().now(), paths, kernel_synchronised)
    findings = why.gather(
        way, lambda: invocation.control(way.settings), Wish(), labels.gather(paths), clock
    )
    told.result(out, why=json.loads(report.why_json(findings.why)))
    return 0
