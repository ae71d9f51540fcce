"""The command ``updog plan``."""

from __future__ import annotations

import sys
from argparse import Namespace


def run_parsed(args: Namespace) -> int:
    """Print what installing the chosen update would move.

    Returns:
        0; also where there is nothing to install, which is said on stderr.

    Raises:
        UpdogError, PartitionError: see `updog.plan.survey.survey`.
    """
    from updog import invocation, report
    from updog.asked import refuse_unobtainable
    from updog.plan import render
    from updog.plan.survey import Plan, survey

    found = survey(invocation.environment(args), invocation.wish(args))
    if not isinstance(found, Plan):
        refuse_unobtainable(args.image, found)
        for line in ("No update required", *report.declined_lines(found)):
            invocation.remark(args, line)
        return 0
    text = report.pretty(render.tree(found)) if args.json else "\n".join(render.lines(found))
    sys.stdout.write(f"{text}\n")
    return 0
