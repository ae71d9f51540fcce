"""The one loop that decides for the whole cluster: look, plan, remember, do.

All that is decided goes by the store; all that is remembered stands in the cluster. A step that is
broken off at any point is therefore begun anew by the next one, of this process or of another.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable
from datetime import datetime
from typing import Any

from updog.clock import Clock
from updog.fleet.halting import Failure
from updog.fleet.holding import Reason
from updog.fleet.judging import DrainReport, after_check, after_drain
from updog.fleet.kubernetes.book import Book
from updog.fleet.kubernetes.cluster import NODES, Cluster
from updog.fleet.kubernetes.drain import Drainer
from updog.fleet.kubernetes.errors import CONFLICT, NOT_FOUND, ApiFailure
from updog.fleet.kubernetes.gate import Gate
from updog.fleet.kubernetes.metrics import Metrics
from updog.fleet.kubernetes.names import SETBACK, shadow_name
from updog.fleet.kubernetes.settings import Controller
from updog.fleet.kubernetes.shadow import Tree, new_shadow, setback_text, spec_tree, written
from updog.fleet.kubernetes.store import Store, version_of
from updog.fleet.kubernetes.telling import Teller, Told, told_of
from updog.fleet.model import NodeView
from updog.fleet.policy import Plan, plan
from updog.fleet.steps import Action, Step

log = logging.getLogger(__name__)

MOST_MADE = 50
"""Shadows made or deleted in one step, so that a large cluster does not delay the others."""


class Scheduler:
    """Takes a fleet forward, one step at a time.

    Args:
        cluster: where.
        settings: what it goes by.
        store: what is known.
        clock: tells the time.
        monotonic: tells seconds that never step back.
        may_begin: whether nobody else can be deciding; asked before each node that is begun.
    """

    def __init__(
        self,
        cluster: Cluster,
        settings: Controller,
        store: Store,
        clock: Clock,
        monotonic: Callable[[], float],
        may_begin: Callable[[], bool] = lambda: True,
    ) -> None:
        self._cluster = cluster
        self._settings = settings
        self._rules = settings.rules
        self._clock = clock
        self._monotonic = monotonic
        self._may_begin = may_begin
        self.store = store
        self.book = Book(cluster)
        self.metrics = Metrics()
        self._drainer = Drainer(cluster, store, settings.rules, settings.note)
        self._teller = Teller(cluster, store)
        self._doubt: set[str] = set()
        self._gate = Gate(cluster, settings.health_pods)
        self._drains: dict[str, DrainReport] = {}

    async def begin(self) -> None:
        """Learn what is there; nothing is decided before that.

        Raises:
            ApiFailure: it cannot be had.
        """
        await self.book.open(dict(self._settings.said), self._clock.now())
        await self.refresh()

    async def refresh(self) -> None:
        """Read everything anew: a watch that broke off may have missed what was deleted.

        Raises:
            ApiFailure: it cannot be had.
        """
        nodes = await self._cluster.all(NODES)
        shadows = await self._cluster.all(self._cluster.shadows)
        self.store.replace(_as("Node", nodes), shadows)

    async def step(self) -> Plan:
        """Do one step.

        Raises:
            ApiFailure: what decides about everything cannot be read or written.
        """
        began = self._monotonic()
        now = self._clock.now()
        await self.book.read()
        await self._settle_doubts()
        await self._keep_shadows()
        nodes = self.store.views()
        made = plan(nodes, self.book.ledger, self._rules, now)
        await self._remember(made, now)
        steps = made.steps
        if self._doubt:
            # A write may have arrived unseen: until that is known, nobody counts correctly.
            steps = tuple(step for step in steps if step.action is not Action.START)
        await self._do(steps, now)
        await self._tell_overdue(made, now)
        await self._publish()
        self.metrics.step(nodes, made, self.book.ledger, now)
        self.metrics.took(self._monotonic() - began, now)
        return made

    async def _settle_doubts(self) -> None:
        """Read again whatever may have been written without an answer."""
        for name in sorted(self._doubt):
            try:
                found = await self._cluster.get(self._cluster.shadows, shadow_name(name))
            except ApiFailure as error:
                if error.status != NOT_FOUND:
                    continue
                self._forget(name)
            else:
                self.store.put_shadow(found)
            self._doubt.discard(name)

    async def _keep_shadows(self) -> None:
        for node in self.store.missing()[:MOST_MADE]:
            made = new_shadow(node, self._cluster.namespace)
            await self._try(self._make(made), f"making {made['metadata']['name']}")
        for shadow in self.store.obsolete()[:MOST_MADE]:
            await self._try(self._unmake(shadow), f"deleting {shadow['metadata']['name']}")

    async def _make(self, shadow: Tree) -> None:
        try:
            self.store.put_shadow(await self._cluster.create(self._cluster.shadows, shadow))
        except ApiFailure as error:
            if error.status != CONFLICT:
                raise
            # There is one already; of an older node of that name, until it is collected.
            name = shadow["metadata"]["name"]
            self.store.put_shadow(await self._cluster.get(self._cluster.shadows, name))

    async def _unmake(self, shadow: Tree) -> None:
        metadata = shadow["metadata"]
        try:
            await self._cluster.delete(self._cluster.shadows, metadata["name"], metadata["uid"])
        except ApiFailure as error:
            if error.status != NOT_FOUND:
                raise
        self.store.drop_shadow(metadata["ownerReferences"][0]["name"], metadata["uid"])

    async def _remember(self, made: Plan, now: datetime) -> None:
        """Write down what must outlive us, before anything is done."""
        if made.failures or made.halt:
            await self.book.record(made.failures, made.halt)
            self.metrics.failed(made.failures)
        if made.ends_round:
            await self.book.write({"closed": written(now)})
        for failure in made.failures:
            await self._teller.tell(failure.node, Told.FAILED, _failed(failure), now)
        if made.halt:
            last = made.failures[-1].node if made.failures else ""
            await self._teller.tell(last, Told.HALTED, made.halt, now)

    async def _do(self, steps: tuple[Step, ...], now: datetime) -> None:
        looks = [each for each in steps if each.action in {Action.DRAIN, Action.CHECK}]
        for step in steps:
            if step.action is Action.START and not self._may_begin():
                continue
            if step.action in {Action.START, Action.MOVE}:
                await self._try(self._write(step, now), f"{step.node}: {step.why}")
            elif step.action is Action.RESTORE:
                await self._try(self._restore(step, now), f"{step.node}: undoing")
        self._drains = {
            name: report
            for name, report in self._drains.items()
            if any(each.node == name and each.action is Action.DRAIN for each in looks)
        }
        await asyncio.gather(*(self._try(self._look(each, now), each.node) for each in looks))

    async def _look(self, step: Step, now: datetime) -> None:
        node = self.store.view(step.node)
        if node is None or node.gone:
            return
        if step.action is Action.DRAIN:
            await self._drain(node, now)
        else:
            await self._check(node, now)

    async def _drain(self, node: NodeView, now: datetime) -> None:
        if not node.marks.any:
            await self._teller.tell(node.name, Told.DRAINING, "pods are evicted", now)
        report = await self._drainer.look(node, now)
        self._drains[node.name] = report
        if report.blocked or report.refused or report.failed:
            await self._teller.tell(node.name, Told.BLOCKED, report.why, now)
        # The look has changed the node: what follows goes by how it is now.
        node = self.store.view(node.name) or node
        following = after_drain(node, report, self._rules, now)
        if following is not None:
            await self._write(following, now)

    async def _check(self, node: NodeView, now: datetime) -> None:
        wellness, since = await self._gate.look(node, now)
        if wellness.why:
            await self._teller.tell(node.name, Told.UNWELL, wellness.why, now)
        following = after_check(node, wellness, since, self._rules, now)
        if following is not None:
            await self._write(following, now)
            self._gate.forget(node.name)

    async def _write(self, step: Step, now: datetime) -> None:
        """Write a spec, if nobody has changed its shadow since it was read.

        Raises:
            ApiFailure: it was not written, or nobody knows.
        """
        known = self.store.shadows.get(step.node)
        if known is None or step.spec is None:
            return
        patch: Tree = {"spec": spec_tree(step.spec)}
        if step.setback is not None:
            patch["metadata"] = {"annotations": {SETBACK: setback_text(step.setback)}}
        elif step.settled:
            patch["metadata"] = {"annotations": {SETBACK: None}}
        name = known["metadata"]["name"]
        try:
            found = await self._cluster.merge(self._cluster.shadows, name, patch, version_of(known))
        except ApiFailure as error:
            if error.status == CONFLICT or error.unsure:
                self._doubt.add(step.node)
            elif error.status == NOT_FOUND:
                self._forget(step.node)
            raise
        self.store.put_shadow(found)
        await self._teller.tell(step.node, told_of(step, step.spec.state), step.why, now)

    async def _restore(self, step: Step, now: datetime) -> None:
        node = self.store.view(step.node)
        if node is not None and step.node in self.store.nodes:
            await self._drainer.restore(node)
            await self._teller.tell(step.node, Told.RESTORED, step.why, now)

    async def _tell_overdue(self, made: Plan, now: datetime) -> None:
        for name, hold in made.holds.items():
            if hold.reason is Reason.OVERDUE:
                report = self._drains.get(name)
                why = f"{hold.why}; {report.why}" if report is not None else hold.why
                await self._teller.tell(name, Told.OVERDUE, why, now)

    async def _publish(self) -> None:
        """Show in the ledger what holds drains up, for whoever asks why."""
        self.metrics.drains(self._drains)
        said = json.dumps(
            {name: report.why for name, report in sorted(self._drains.items()) if report.why}
        )
        if said != (self.book.data("drains") or "{}"):
            await self._try(self.book.write({"drains": said}), "the ledger")

    async def _try(self, work: Any, what: str) -> None:  # noqa: ANN401 - any coroutine
        """Do something that concerns one node; another is not to suffer from its failure."""
        try:
            await work
        except ApiFailure as error:
            self.metrics.error()
            level = logging.DEBUG if error.status == CONFLICT else logging.WARNING
            log.log(level, "%s: %s", what, error)

    def _forget(self, name: str) -> None:
        known = self.store.shadows.get(name)
        if known is not None:
            self.store.drop_shadow(name, known["metadata"]["uid"])


def _as(kind: str, items: list[Tree]) -> list[Tree]:
    """Lists leave out what each of their objects is."""
    return [{**each, "kind": kind} for each in items]


def _failed(failure: Failure) -> str:
    return f"the attempt with {failure.version or 'no version'} failed: {failure.reason}"
