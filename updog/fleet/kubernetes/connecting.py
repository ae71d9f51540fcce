"""The way to the API server: of the cluster around this pod, or of a kubeconfig."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from kubernetes_asyncio import config
from kubernetes_asyncio.client import ApiClient, Configuration
from kubernetes_asyncio.config.config_exception import ConfigException

from updog.errors import ConfigError
from updog.fleet.kubernetes.cluster import Cluster


@asynccontextmanager
async def connected(
    namespace: str, kubeconfig: Path | None = None, context: str | None = None
) -> AsyncIterator[Cluster]:
    """Connect to the cluster while the block runs.

    Args:
        namespace: where shadows and the ledger are.
        kubeconfig: whose cluster; None for the usual ones: the one around this pod, unless
            `KUBECONFIG` names a file, or else the file in the home directory.
        context: of that file; None for its current one.

    Raises:
        ConfigError: there is no such configuration.
    """
    settings = Configuration()
    try:
        if kubeconfig is None and in_cluster():
            config.load_incluster_config(client_configuration=settings)  # type: ignore[no-untyped-call]
        else:
            await config.load_kube_config(
                config_file=None if kubeconfig is None else str(kubeconfig),
                context=context,
                client_configuration=settings,
            )
    except (ConfigException, OSError, ValueError, TypeError) as error:
        raise ConfigError(
            f"The cluster is not known: {error}",
            hint="Name a kubeconfig with --kubeconfig, or in KUBECONFIG.",
        ) from error
    async with ApiClient(configuration=settings) as api:
        yield Cluster(api, namespace)


def in_cluster() -> bool:
    """Whether this is a pod that is not told of another cluster."""
    return "KUBERNETES_SERVICE_HOST" in os.environ and not os.environ.get("KUBECONFIG")
