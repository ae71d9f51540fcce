"""What is wrong, or unwise, about a policy. PURE."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import pairwise

from repo_tools.findings import Check, Finding
from repo_tools.simulation.quantities import span_text
from waves.duration import format_moment
from waves.errors import WaveError
from waves.policy import Policy, to_schedule
from waves.schedule import Schedule

LARGE_FIRST = 10
"""Percent: a first wave above this is no longer a trial."""
LARGE_LAST = 10
"""Percent: from here on, a last wave that comes at once is worth a remark."""

_SECOND = timedelta(seconds=1)


def faults(policy: Policy, where: str, base: datetime, poll: int) -> Iterator[Finding]:
    """Everything about a policy that its author should know.

    Args:
        policy: already known to be well-formed.
        where: the name of the policy or its file.
        base: what offsets count from; fixed starts before it are errors.
        poll: seconds between two polls of a host.
    """
    try:
        schedule = to_schedule(policy, base)
    except WaveError as error:
        yield Check("order", where).error(str(error))
        return
    yield from _past(policy, schedule, where, base)
    yield from _first(policy, where)
    yield from _last(policy, where)
    yield from _short(schedule, where, poll)


def _past(policy: Policy, schedule: Schedule, where: str, base: datetime) -> Iterator[Finding]:
    for number, (step, wave) in enumerate(zip(policy.steps, schedule.waves, strict=False), start=1):
        if isinstance(step.start, datetime) and wave.start < base:
            yield Check("past", f"{where}: waves entry {number}").error(
                f"starts at {format_moment(wave.start)}, before {format_moment(base)}: hosts whose"
                " turn would have been in between come at once. Give it a later start_after"
            )


def _first(policy: Policy, where: str) -> Iterator[Finding]:
    percent = policy.steps[0].percent
    if percent > LARGE_FIRST:
        yield Check("large-first", f"{where}: waves entry 1").warning(
            f"lets in {percent} % of the fleet before anything was learned;"
            f" {LARGE_FIRST} % or less is a trial"
        )


def _last(policy: Policy, where: str) -> Iterator[Finding]:
    before = policy.steps[-2].percent if len(policy.steps) > 1 else 0
    share = policy.steps[-1].percent - before
    if policy.spread_over is None and share >= LARGE_LAST:
        yield Check("burst", f"{where}: waves entry {len(policy.steps)}").note(
            f"lets in the last {share} % of the fleet at once; spread_over spreads them"
        )


def _short(schedule: Schedule, where: str, poll: int) -> Iterator[Finding]:
    for number, (wave, following) in enumerate(pairwise(schedule.waves), start=1):
        length = (following.start - wave.start) // _SECOND
        if length < poll:
            yield Check("short", f"{where}: waves entry {number}").note(
                f"lasts {span_text(length)}, less than the {span_text(poll)} between two polls of"
                " a host: the next wave begins before all of its hosts have asked"
            )
