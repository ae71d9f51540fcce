"""What came of a run, in words, JSON and an exit code. PURE."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum, unique

from waves.duration import format_moment

WELL = 0
UPDATE_FAILED = 1
LEFT_DRAINED = 3
HALTED = 75
STOPPED = 143


@unique
class Outcome(StrEnum):
    """What came of one instance."""

    UPDATED = "updated"
    CURRENT = "current"
    """There is no update for it."""
    SKIPPED = "skipped"
    """Not now; a later run tries again."""
    HALTED = "halted"
    """Not begun, because this version failed elsewhere."""
    FOREIGN = "foreign"
    """Another run is at work on it."""
    RECOVERED = "recovered"
    """A run that died had it; it was given back, or its claim taken off."""
    FAILED = "failed"
    GONE = "gone"
    """It left the cluster."""
    LEFT_DRAINED = "left-drained"
    """It could not be given back; the next run tries again."""
    INTERRUPTED = "interrupted"
    """The run was told to stop; it was given back."""


@dataclass(frozen=True, slots=True)
class Result:
    """What came of one instance.

    Attributes:
        instance: its ARN.
        machine: its name in EC2.
        outcome: in one word.
        why: for people; may be empty.
        before: the version it ran; empty if unknown.
        after: the version it was last seen to run; empty if unknown.
        expected: the version it was to run; empty if unknown.
    """

    instance: str
    machine: str
    outcome: Outcome
    why: str = ""
    before: str = ""
    after: str = ""
    expected: str = ""


@dataclass(frozen=True, slots=True)
class Summary:
    """A run.

    Attributes:
        run: its name, as it stands in claims.
        cluster: which.
        began: when.
        ended: when.
        limit: how many instances could be away at once.
        results: of each instance of our kind.
        halted: versions that no instance gets any more.
        stopped: whether the run was told to stop.
        yielded: whether another updater was at work and this one did nothing.
    """

    run: str
    cluster: str
    began: datetime
    ended: datetime
    limit: int = 0
    results: tuple[Result, ...] = ()
    halted: tuple[str, ...] = ()
    stopped: bool = False
    yielded: bool = False

    def count(self, outcome: Outcome) -> int:
        """How many instances had this outcome."""
        return sum(result.outcome is outcome for result in self.results)

    @property
    def exit_code(self) -> int:
        """The worst of what happened, as an exit code of the program."""
        if self.count(Outcome.LEFT_DRAINED):
            return LEFT_DRAINED
        if self.count(Outcome.FAILED):
            return UPDATE_FAILED
        if self.stopped:
            return STOPPED
        return HALTED if self.count(Outcome.HALTED) else WELL


def tree(summary: Summary) -> Mapping[str, object]:
    """The summary as JSON (docs/schemas/ecs-summary.json)."""
    counts = Counter(result.outcome.value for result in summary.results)
    return {
        "run": summary.run,
        "cluster": summary.cluster,
        "began": format_moment(summary.began),
        "ended": format_moment(summary.ended),
        "limit": summary.limit,
        "halted": list(summary.halted),
        "stopped": summary.stopped,
        "yielded": summary.yielded,
        "exit_code": summary.exit_code,
        "counts": {outcome.value: counts[outcome.value] for outcome in Outcome},
        "instances": [_result(each) for each in summary.results],
    }


def _result(result: Result) -> Mapping[str, object]:
    return {
        "instance": result.instance,
        "machine": result.machine,
        "outcome": result.outcome.value,
        "why": result.why or None,
        "before": result.before or None,
        "after": result.after or None,
        "expected": result.expected or None,
    }
