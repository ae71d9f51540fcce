"""Emptying a node, a look at a time.

Nothing of a drain is kept in memory that a restart could lose: its beginning and whose the cordon
is stand on the node, and what is left to do are the pods that are there. A pod is known by its
uid; that another one is called the same, as with a StatefulSet, means nothing.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from datetime import datetime, timedelta
from enum import Enum
from typing import NamedTuple

from updog.fleet.judging import Blocked, DrainReport, Refused, may_force
from updog.fleet.kubernetes.cluster import BUDGETS, NODES, PODS, Cluster, pods_in
from updog.fleet.kubernetes.errors import (
    CONFLICT,
    FORBIDDEN,
    NOT_FOUND,
    SERVER_ERROR,
    TOO_MANY,
    ApiFailure,
)
from updog.fleet.kubernetes.names import (
    ANNOTATED,
    CORDONED_BY,
    DRAINED_SINCE,
    EXCLUDED_BY,
    EXCLUSION_LABEL,
    MANAGER,
)
from updog.fleet.kubernetes.pods import Pod, holding, leaving
from updog.fleet.kubernetes.shadow import Tree, marks_of, notes_of, written
from updog.fleet.kubernetes.store import Store, version_of
from updog.fleet.model import NodeView
from updog.fleet.rules import Rules
from updog.fleet.steps import overdue

log = logging.getLogger(__name__)

AT_ONCE = 16
"""Evictions under way at the same time."""
MOST_REMEMBERED = 10_000
"""Pods whose last answer is kept."""
ASK_AGAIN = timedelta(seconds=5)
"""How long a pod that may not go yet is left alone."""
BUDGET = "DisruptionBudget"
"""The reason of the cause that the API server gives where a budget holds a pod."""
SEVERAL_BUDGETS = "more than one PodDisruptionBudget"
"""What it says of a pod that several choose."""


class Answer(Enum):
    """What the API server said to an eviction."""

    GOING = "it goes, or is gone"
    BLOCKED = "a budget holds it"
    REFUSED = "not at all"
    FAILED = "something else"


class Asked(NamedTuple):
    """The last answer about a pod.

    Attributes:
        at: when.
        answer: which.
        why: in the server's words.
    """

    at: datetime
    answer: Answer
    why: str = ""


class Drainer:
    """Cordons nodes, evicts pods, and undoes what we did to a node.

    Args:
        cluster: where.
        store: what is known of nodes; what is written is put there at once.
        rules: deadlines, and what follows them.
        note: a further annotation that a node has meanwhile.
    """

    def __init__(
        self,
        cluster: Cluster,
        store: Store,
        rules: Rules,
        note: tuple[str, str] | None = None,
    ) -> None:
        self._cluster = cluster
        self._store = store
        self._rules = rules
        self._note = note
        self._asked: dict[str, Asked] = {}
        self._empty: set[str] = set()
        self._gate = asyncio.Semaphore(AT_ONCE)

    async def look(self, node: NodeView, now: datetime) -> DrainReport:
        """Do the next thing, and report.

        Raises:
            ApiFailure: the node or its pods cannot be had, or changed meanwhile.
        """
        waits = await self._prepare(node, now)
        if waits:
            self._empty.discard(node.name)
            return DrainReport(waits=waits)
        pods = leaving(await self._cluster.all(PODS, fields=f"spec.nodeName={node.name}"))
        if not pods:
            return DrainReport(empty=await self._stays_empty(node), waits="looks once more")
        self._empty.discard(node.name)
        answers = await asyncio.gather(*(self._ask(pod, now) for pod in pods))
        report = await self._report(list(zip(pods, answers, strict=True)))
        if report.blocked and overdue(node, self._rules, now) and may_force(report, self._rules):
            await self._force(pods, answers)
        return report

    async def restore(self, node: NodeView) -> None:
        """Undo what we did to a node, and only that.

        Pods may come back before traffic does.

        Raises:
            ApiFailure: it was not undone.
        """
        known = self._known(node.name)
        marks = marks_of(known)
        gone: Tree = dict.fromkeys((DRAINED_SINCE, CORDONED_BY, EXCLUDED_BY, ANNOTATED))
        ours = notes_of(known).get(ANNOTATED)
        if ours:
            gone[ours] = None
        patch: Tree = {"metadata": {"annotations": gone}}
        if marks.excluded:
            patch["metadata"]["labels"] = {EXCLUSION_LABEL: None}
        if marks.cordoned:
            patch["spec"] = {"unschedulable": None}
        await self._patch(known, patch)
        self.forget(node.name)

    def forget(self, node: str) -> None:
        """Whatever is remembered of a node's drain is over."""
        self._empty.discard(node)
        if len(self._asked) > MOST_REMEMBERED:
            self._asked.clear()

    def _known(self, name: str) -> Tree:
        """A node, which may be deleted while we wait for answers."""
        found = self._store.nodes.get(name)
        if found is None:
            raise ApiFailure(f"node {name}", NOT_FOUND, "it is gone")
        return found

    async def _prepare(self, node: NodeView, now: datetime) -> str:
        """Mark, exclude and cordon; say what is waited for, or nothing."""
        known = self._known(node.name)
        marks, wait = marks_of(known), self._rules.exclusion
        if marks.since is None:
            patch = _beginning(known, now, exclude=bool(wait))
            if self._note is not None and self._note[0] not in notes_of(known):
                name, value = self._note
                patch["metadata"]["annotations"] |= {name: value, ANNOTATED: name}
            await self._patch(known, patch)
            return "the drain begins"
        if now < marks.since + wait:
            return f"load balancers have {wait} to leave it out"
        if not known["spec"]["unschedulable"]:
            # Whoever uncordoned it meanwhile: an empty node must stay empty until it restarts.
            await self._patch(known, _cordon())
            return "the node was cordoned"
        return ""

    async def _stays_empty(self, node: NodeView) -> bool:
        """Whether it was empty before, and is cordoned still.

        A pod that was on its way when the node was cordoned is there at the second look.
        """
        seen_before = node.name in self._empty
        self._empty.add(node.name)
        if seen_before:
            self._store.put_node(await self._cluster.get(NODES, node.name))
        return seen_before and bool(self._known(node.name)["spec"]["unschedulable"])

    async def _ask(self, pod: Pod, now: datetime) -> Asked:
        if pod.ending:
            return Asked(now, Answer.GOING)
        last = self._asked.get(pod.uid)
        if last is not None and now - last.at < ASK_AGAIN and last.answer is not Answer.GOING:
            return last
        async with self._gate:
            asked = await self._evict(pod, now)
        self._asked[pod.uid] = asked
        return asked

    async def _evict(self, pod: Pod, now: datetime) -> Asked:
        try:
            await self._cluster.evict(pod.namespace, pod.name, pod.uid)
        except ApiFailure as error:
            why = "; ".join(each.message for each in error.causes if each.message) or error.said
            return Asked(now, _meaning(error), why)
        return Asked(now, Answer.GOING)

    async def _report(self, answers: list[tuple[Pod, Asked]]) -> DrainReport:
        by_answer: dict[Answer, list[tuple[Pod, Asked]]] = {each: [] for each in Answer}
        for pod, asked in answers:
            by_answer[asked.answer].append((pod, asked))
        held = by_answer[Answer.BLOCKED]
        budgets = await self._budgets() if held else []
        return DrainReport(
            left=tuple(str(pod) for pod, _ in answers),
            blocked=tuple(
                Blocked(str(pod), holding(pod, budgets), asked.why) for pod, asked in held
            ),
            refused=tuple(Refused(str(pod), a.why) for pod, a in by_answer[Answer.REFUSED]),
            failed=tuple(Refused(str(pod), a.why) for pod, a in by_answer[Answer.FAILED]),
        )

    async def _budgets(self) -> list[Tree]:
        try:
            return await self._cluster.all(BUDGETS)
        except ApiFailure as error:
            # They only explain; the eviction was decided by the API server.
            log.warning("%s", error)
            return []

    async def _force(self, pods: Iterable[Pod], answers: Iterable[Asked]) -> None:
        for pod, asked in zip(pods, answers, strict=True):
            if asked.answer is Answer.BLOCKED:
                log.warning("%s is deleted past its budget: the drain is overdue", pod)
                try:
                    await self._cluster.delete(pods_in(pod.namespace), pod.name, pod.uid)
                except ApiFailure as error:
                    log.warning("%s", error)

    async def _patch(self, known: Tree, patch: Tree) -> None:
        name = known["metadata"]["name"]
        try:
            found = await self._cluster.merge(NODES, name, patch, version_of(known))
        except ApiFailure as error:
            if error.status == CONFLICT or error.unsure:
                # Ours is old, or nobody knows: the next step goes by what is there now.
                self._store.put_node(await self._cluster.get(NODES, name))
            raise
        self._store.put_node(found)


def _beginning(known: Tree, now: datetime, *, exclude: bool) -> Tree:
    notes: Tree = {DRAINED_SINCE: written(now)}
    if not exclude:
        cordon = _cordon() if not known["spec"]["unschedulable"] else {}
        notes |= cordon.get("metadata", {}).get("annotations", {})
        return {**cordon, "metadata": {"annotations": notes}}
    metadata: Tree = {"annotations": notes}
    if EXCLUSION_LABEL not in (known["metadata"].get("labels") or {}):
        notes[EXCLUDED_BY] = MANAGER
        metadata["labels"] = {EXCLUSION_LABEL: "true"}
    return {"metadata": metadata}


def _cordon() -> Tree:
    return {"metadata": {"annotations": {CORDONED_BY: MANAGER}}, "spec": {"unschedulable": True}}


def _meaning(error: ApiFailure) -> Answer:
    if error.status in {NOT_FOUND, CONFLICT}:
        # Gone, or its successor has taken the name.
        return Answer.GOING
    if error.status == FORBIDDEN:
        return Answer.REFUSED
    return Answer.BLOCKED if _held_by_budget(error) else Answer.FAILED


def _held_by_budget(error: ApiFailure) -> bool:
    """Whether a budget keeps a pod, which is all that force may pass over.

    The same numbers mean other things, too: 429 is also what a server says that has too much to do,
    and 500 what it says of a webhook or an etcd that does not answer. A budget is named as the
    cause of a 429. Several budgets over one pod are a 500 that nothing but its words tells from
    others; that pod is never evicted, whatever they allow, until somebody changes one of them.
    """
    if error.status == TOO_MANY:
        return any(each.reason == BUDGET for each in error.causes)
    return error.status == SERVER_ERROR and SEVERAL_BUDGETS in error.said
