"""Watching nodes and shadows, by kopf: what it sees goes into the store, and nowhere else.

Its handlers are of the kind that leaves no trace: no annotation, no finalizer, no event. Whatever
is decided is decided by the scheduler.
"""

from __future__ import annotations

import asyncio
from typing import Any

import kopf

from updog.fleet.kubernetes.cluster import Access, Cluster
from updog.fleet.kubernetes.names import GROUP, PLURAL, VERSION
from updog.fleet.kubernetes.shadow import owner
from updog.fleet.kubernetes.store import Store

DELETED = "DELETED"
SERVER_SECONDS = 240


async def watch(cluster: Cluster, store: Store, stop: asyncio.Event) -> None:
    """Keep a store up to date until told to stop.

    Args:
        cluster: what is watched.
        store: where it goes.
        stop: set when it is to end.
    """
    registry = kopf.OperatorRegistry()
    kopf.on.login(registry=registry)(_login(cluster))
    kopf.on.event("", "v1", "nodes", registry=registry)(_nodes(store))
    kopf.on.event(GROUP, VERSION, PLURAL, registry=registry)(_shadows(store))
    await kopf.operator(
        registry=registry,
        settings=_settings(),
        standalone=True,
        namespaces=[cluster.namespace],
        stop_flag=stop,
    )


def _settings() -> kopf.OperatorSettings:
    settings = kopf.OperatorSettings()
    settings.posting.enabled = False
    # The kinds are known; nobody has to list definitions and namespaces for them.
    settings.scanning.disabled = True
    settings.watching.server_timeout = SERVER_SECONDS
    settings.watching.reconnect_backoff = 0.5
    return settings


def _login(cluster: Cluster) -> Any:  # noqa: ANN401 - kopf's own type of handlers
    async def login(**_others: object) -> kopf.ConnectionInfo:
        access: Access = await cluster.access()
        return kopf.ConnectionInfo(
            server=access.server,
            ca_path=access.ca_path,
            insecure=access.insecure,
            scheme=access.scheme,
            token=access.token,
            certificate_path=access.certificate,
            private_key_path=access.key,
            default_namespace=cluster.namespace,
        )

    return login


def _nodes(store: Store) -> Any:  # noqa: ANN401 - the same
    async def nodes(event: kopf.RawEvent, **_others: object) -> None:
        item: Any = event["object"]
        if event["type"] == DELETED:
            store.drop_node(item["metadata"]["name"], item["metadata"]["uid"])
        else:
            store.put_node({**item, "kind": "Node"})

    return nodes


def _shadows(store: Store) -> Any:  # noqa: ANN401 - the same
    async def shadows(event: kopf.RawEvent, **_others: object) -> None:
        item: Any = event["object"]
        if event["type"] == DELETED:
            store.drop_shadow(owner(item)[0], item["metadata"]["uid"])
        else:
            store.put_shadow(item)

    return shadows
