"""Gather what `updog why` shows. A part that cannot be found out becomes a problem, not an end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from partitions.bootcontrol import BootControl
from partitions.bootreport import Labels, boot_lines, boot_tree
from partitions.errors import PartitionError
from updog import update
from updog.errors import UpdogError
from updog.report import Why
from updog.timepolicy import TimeOfRun
from updog.update import Visitor, Wish


@dataclass(frozen=True, slots=True)
class Findings:
    """What was found, and the exit code of the first thing that could not be."""

    why: Why
    exit_code: int = 0

    def spoiled_by(self, error: UpdogError | PartitionError) -> Findings:
        """The same findings with one more problem."""
        why = replace(self.why, problems=(*self.why.problems, str(error)))
        return Findings(why, self.exit_code or error.exit_code)


def gather(
    env: Visitor,
    find_disk: Callable[[], BootControl],
    wish: Wish,
    labels: Labels,
    clock: TimeOfRun | None = None,
    runs: str = "",
) -> Findings:
    """Ask the repository and the disk; either may fail, and the other is still told.

    Args:
        env: who asks, and the way to the repository.
        find_disk: the way to the boot bits; may raise a PartitionError.
        wish: what is asked for.
        labels: what the sets are known to hold.
        clock: how the time of the run came about.
        runs: the variant that runs; may be another than the one that is asked for.
    """
    other = runs if runs != env.host.variant else ""
    why = Why(env.now, env.host, update.policy(env, wish), clock=clock, runs=other)
    return _with_boot(_with_updates(Findings(why), env, wish), find_disk, labels)


def _with_updates(findings: Findings, env: Visitor, wish: Wish) -> Findings:
    try:
        seen = update.examine(env, wish)
    except UpdogError as error:
        return findings.spoiled_by(error)
    why = replace(
        findings.why,
        verdicts=seen.verdicts,
        outcome=seen.outcome,
        versions=seen.versions,
        expires=seen.expires,
    )
    return Findings(why, findings.exit_code)


def _with_boot(
    findings: Findings, find_disk: Callable[[], BootControl], labels: Labels
) -> Findings:
    try:
        status = find_disk().status()
    except PartitionError as error:
        return findings.spoiled_by(error)
    lines, tree = boot_lines(status, labels), boot_tree(status, labels)
    return Findings(replace(findings.why, boot=tree, boot_lines=lines), findings.exit_code)
