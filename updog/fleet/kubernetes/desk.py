"""What `updog-fleet` does for people: looks at a cluster, and works its brakes.

It explains by the same plan that the controller makes, from the same objects and the rules that
the controller left in the ledger.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, TextIO, TypeAlias, TypeVar

from updog.clock import SystemClock
from updog.errors import UsageError
from updog.fleet.halting import Ledger
from updog.fleet.kubernetes import book, settings
from updog.fleet.kubernetes.cluster import NODES, Cluster
from updog.fleet.kubernetes.connecting import connected
from updog.fleet.kubernetes.errors import NOT_FOUND, ApiFailure
from updog.fleet.kubernetes.names import LEDGER, PAUSE, RETRY
from updog.fleet.kubernetes.shadow import Tree, ledger_of, written
from updog.fleet.kubernetes.store import Store
from updog.fleet.policy import plan
from updog.fleet.report import Fleet, text, why_text

Place: TypeAlias = tuple[str, Path | None, str | None]
Result = TypeVar("Result")


def print_status(place: Place, out: TextIO, *, as_json: bool) -> None:
    """Print how a fleet stands.

    Raises:
        UpdogError: the cluster cannot be asked.
    """
    fleet = _at(place, look)
    out.write(_json(fleet.tree()) if as_json else text(fleet))


def print_why(place: Place, name: str, out: TextIO, *, as_json: bool) -> None:
    """Print why a node is where it is.

    Raises:
        UpdogError: the cluster cannot be asked, or there is no such node.
    """
    fleet = _at(place, look)
    node = fleet.node(name)
    if node is None:
        raise UsageError(
            f"{name} takes no part in the fleet.",
            hint="Nodes with the label bottlerocket.aws/updater-interface-version=2.0.0 do.",
        )
    out.write(_json(fleet.node_tree(node)) if as_json else why_text(fleet, node))


def pause(place: Place, node: str | None, reason: str) -> None:
    """Begin nothing new, on a node or on all.

    Raises:
        UpdogError: that cannot be written.
    """
    if node is None:
        _at(place, lambda cluster: _known(book.brake(cluster, pause=reason)))
    else:
        _at(place, lambda cluster: _annotate(cluster, node, {PAUSE: reason}))


def halt(place: Place, reason: str) -> None:
    """Stop the rollout.

    Raises:
        UpdogError: that cannot be written.
    """
    _at(place, lambda cluster: _known(book.brake(cluster, halt=reason)))


def resume(place: Place, node: str | None) -> None:
    """Go on; failures before now are forgiven.

    Raises:
        UpdogError: that cannot be written.
    """
    now = SystemClock().now()
    if node is None:
        _at(place, lambda cluster: _known(book.resume(cluster, now)))
    else:
        notes: Tree = {PAUSE: None, RETRY: written(now)}
        _at(place, lambda cluster: _annotate(cluster, node, notes))


async def look(cluster: Cluster) -> Fleet:
    """See how a fleet stands.

    Raises:
        ApiFailure: the cluster cannot be asked.
    """
    found = await _ledger(cluster)
    data = found.get("data") or {}
    said: dict[str, str] = json.loads(data.get("settings") or "{}")
    reading = settings.controller(said)
    store = Store(reading.canary, "")
    nodes = [{**each, "kind": "Node"} for each in await cluster.all(NODES)]
    store.replace(nodes, await cluster.all(cluster.shadows))
    views, ledger = store.views(), ledger_of(found) if found["metadata"] else Ledger()
    made = plan(views, ledger, reading.rules, SystemClock().now())
    return Fleet(views, made, ledger, reading.rules, json.loads(data.get("drains") or "{}"))


async def _ledger(cluster: Cluster) -> Tree:
    try:
        return await cluster.get(cluster.ledgers, LEDGER)
    except ApiFailure as error:
        if error.status != NOT_FOUND:
            raise
        return {"metadata": {}}


async def _annotate(cluster: Cluster, node: str, notes: Tree) -> None:
    await cluster.merge(NODES, node, {"metadata": {"annotations": notes}})


async def _known(work: Coroutine[Any, Any, None]) -> None:
    try:
        await work
    except ApiFailure as error:
        if error.status != NOT_FOUND:
            raise
        raise UsageError(
            "No controller has run in this namespace yet.",
            hint="Name the operator's namespace with --namespace.",
        ) from error


def _at(place: Place, work: Callable[[Cluster], Coroutine[Any, Any, Result]]) -> Result:
    async def run() -> Result:
        async with connected(*place) as cluster:
            return await work(cluster)

    return asyncio.run(run())


def _json(tree: Tree) -> str:
    return json.dumps(tree, indent=2, ensure_ascii=False) + "\n"
