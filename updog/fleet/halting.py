"""When a rollout stops by itself. PURE.

Failures are those of one version: what went wrong with another says nothing about it. They are
kept in the ledger, because a node forgets its own when it succeeds at last.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from itertools import chain
from typing import NamedTuple

from updog.fleet.model import NodeView, Phase

HUNDRED = 100
MOST_KEPT = 200


class Failure(NamedTuple):
    """An attempt that failed.

    Attributes:
        node: where.
        version: of what.
        at: when; with the node, what tells it from others.
        reason: why, for people.
    """

    node: str
    version: str
    at: datetime
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Ledger:
    """What the fleet remembers beyond a restart of its controller.

    Attributes:
        paused: why nothing new is begun; empty if it is.
        halted: why the rollout was stopped; empty if it was not.
        resumed: failures before this do not stop it again.
        failures: the newest, oldest first.
        closed: when the last round of a schedule ended, or the ledger was begun.
    """

    paused: str = ""
    halted: str = ""
    resumed: datetime | None = None
    failures: tuple[Failure, ...] = ()
    closed: datetime | None = None


@dataclass(frozen=True, slots=True)
class Brakes:
    """What stops a rollout.

    Attributes:
        failures: so many failed attempts with one version; None for never.
        percent: so many of a hundred ended attempts; None for never.
        least: ended attempts below which a share says nothing.
    """

    failures: int | None = 3
    percent: int | None = None
    least: int = 10

    def judge(self, ledger: Ledger, nodes: Iterable[NodeView]) -> str:
        """Say why the rollout must stop; empty if it need not."""
        counts: dict[str, int] = {}
        for each in ledger.failures:
            if ledger.resumed is None or each.at > ledger.resumed:
                counts[each.version] = counts.get(each.version, 0) + 1
        for version, failed in counts.items():
            why = self._why(version, failed, nodes)
            if why:
                return f"{why}; the last on {_last(ledger, version)}"
        return ""

    def _why(self, version: str, failed: int, nodes: Iterable[NodeView]) -> str:
        if self.failures is not None and failed >= self.failures:
            return f"{failed} failed attempts with {version}"
        if self.percent is None:
            return ""
        done = sum(
            each.status is not None
            and each.status.current == version
            and each.phase in {Phase.REST, Phase.ACK}
            for each in nodes
        )
        ended = failed + done
        if ended >= self.least and failed * HUNDRED >= self.percent * ended:
            return f"{failed} of {ended} ended attempts with {version} failed"
        return ""


def unrecorded(
    nodes: Iterable[NodeView], ledger: Ledger, seen: Iterable[Failure] = ()
) -> tuple[Failure, ...]:
    """Failures that stand on the nodes, or were seen otherwise, and not yet in the ledger."""
    known = {(each.node, each.at) for each in ledger.failures}
    found: list[Failure] = []
    for failure in chain(chain.from_iterable(map(_failures, nodes)), seen):
        key = (failure.node, failure.at)
        old = ledger.resumed is not None and failure.at <= ledger.resumed
        if key not in known and not old:
            known.add(key)
            found.append(failure)
    return tuple(found)


def recorded(ledger: Ledger, new: tuple[Failure, ...]) -> tuple[Failure, ...]:
    """The failures to keep when new ones have come."""
    return (*ledger.failures, *new)[-MOST_KEPT:]


def _failures(node: NodeView) -> list[Failure]:
    if node.setback is None and (node.status is None or node.status.failed is None):
        return []
    # A setback that the agent has counted has the same moment, and is found once.
    found = []
    if node.setback is not None:
        found.append(Failure(node.name, node.spec.version, node.setback.at, node.setback.reason))
    if node.status is not None and node.status.failed is not None:
        reason = node.status.reason or "the agent failed"
        found.append(Failure(node.name, node.spec.version, node.status.failed, reason))
    return found


def _last(ledger: Ledger, version: str) -> str:
    last = [each for each in ledger.failures if each.version == version][-1]
    return f"{last.node}: {last.reason}" if last.reason else last.node
