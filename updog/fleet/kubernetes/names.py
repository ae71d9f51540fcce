"""What things are called in the cluster. PURE.

Names that start with ``bottlerocket.aws`` and ``brupop`` are those of Bottlerocket's operator, so
that labels, dashboards and `kubectl get brs` go on working.
"""

from __future__ import annotations

GROUP = "brupop.bottlerocket.aws"
VERSION = "v2"
KIND = "BottlerocketShadow"
PLURAL = "bottlerocketshadows"
PREFIX = "brs-"

INTERFACE_LABEL = "bottlerocket.aws/updater-interface-version"
INTERFACE_VERSION = "2.0.0"
DEFAULT_NAMESPACE = "brupop-bottlerocket-aws"

MANAGED_LABEL = "app.kubernetes.io/managed-by"
MANAGER = "updog-fleet"
LEDGER = "updog-fleet"
LEASE = "updog-fleet-controller"

EXCLUSION_LABEL = "node.kubernetes.io/exclude-from-external-load-balancers"
DEFAULT_CANARY = "fleet.updog/canary=true"

PAUSE = "fleet.updog/pause"
"""On a node or on the ledger: why nothing new is begun."""
RETRY = "fleet.updog/retry"
"""On a node: failures before this moment count no more."""
HALT = "fleet.updog/halt"
"""On the ledger: why the rollout was stopped."""
RESUMED = "fleet.updog/resumed-at"
"""On the ledger: failures before this moment do not stop it again."""
SETBACK = "fleet.updog/setback"
"""On a shadow: a failure that the controller saw."""
DRAINED_SINCE = "fleet.updog/drained-since"
CORDONED_BY = "fleet.updog/cordoned-by"
EXCLUDED_BY = "fleet.updog/excluded-by"
ANNOTATED = "fleet.updog/annotated"
"""On a node: which further annotation is ours, such as one that keeps autoscalers away."""

MIRROR_POD = "kubernetes.io/config.mirror"


def shadow_name(node: str) -> str:
    """What the shadow of a node is called."""
    return f"{PREFIX}{node}"
