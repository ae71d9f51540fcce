"""The chart, rendered by Helm's own engine; and the schema of its values, from the settings."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml
from helm_python import Chart

from updog.fleet.kubernetes import settings
from updog.fleet.kubernetes.names import DEFAULT_NAMESPACE

FOLDER = Path(__file__).resolve().parents[2] / "packaging/kubernetes"
CHART = FOLDER / "chart"
MANIFESTS = FOLDER / "updog-fleet.yaml"
SCHEMA = CHART / "values.schema.json"
RELEASE = "updog-fleet"
ORDER = (
    *("Namespace", "CustomResourceDefinition", "PriorityClass", "ServiceAccount"),
    *("Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding"),
    *("ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"),
)
"""What has to be there before the rest."""
BY_THE_CHART = frozenset(
    {"MY_NODE_NAME", "MY_POD_NAME", "MY_POD_NAMESPACE", "METRICS_PORT", "UPDATE_API_SOCKET"}
)
"""Variables that the templates set themselves."""

Tree = dict[str, Any]


class _Recorder(dict[str, str]):
    """An environment that remembers what it was asked for."""

    def __init__(self) -> None:
        super().__init__(MY_NODE_NAME="node")
        self.asked: set[str] = set()

    def get(self, key: str, default: Any = None, /) -> Any:  # noqa: ANN401 - dict's own
        self.asked.add(key)
        return super().get(key, default)


def known_settings() -> dict[str, list[str]]:
    """The variables that controller and agent read, without those that the chart sets."""
    found = {}
    for who, read in (("controller", settings.controller), ("agent", settings.agent)):
        environment = _Recorder()
        read(environment)
        found[who] = sorted(environment.asked - BY_THE_CHART)
    return found


def schema() -> str:
    """The schema of the chart's values: a setting that nobody reads is refused."""
    said: Tree = {
        who: {
            "type": "object",
            "properties": {
                "settings": {
                    "type": "object",
                    "additionalProperties": False,
                    "properties": {name: {"type": ["string", "number"]} for name in names},
                }
            },
        }
        for who, names in known_settings().items()
    }
    top = sorted(yaml.safe_load((CHART / "values.yaml").read_text()))
    made = {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "type": "object",
        "additionalProperties": False,
        "properties": {**{name: {} for name in (*top, "global")}, **said},
    }
    return json.dumps(made, indent=2) + "\n"


def render(
    values: Mapping[str, Any] | None = None, *, namespace: str = DEFAULT_NAMESPACE
) -> list[Tree]:
    """The objects that the chart makes, in the order in which they have to be made.

    Raises:
        helm_python.HelmError: the values are refused, or a template is wrong.
    """
    with Chart.load(CHART) as chart:
        texts = chart.render(values=dict(values or {}), name=RELEASE, namespace=namespace)
    found = [
        tree
        for path, text in sorted(texts.items())
        if path.endswith(".yaml")
        for tree in yaml.safe_load_all(text)
        if tree
    ]
    return sorted(found, key=_rank)


def _rank(tree: Tree) -> int:
    return ORDER.index(tree["kind"]) if tree["kind"] in ORDER else len(ORDER)


def manifests() -> str:
    """The plain manifests: the chart with its own values, and the namespace."""
    head = "# Made from the chart beside this file by `python -m packaging_tools.kubernetes`.\n"
    return head + "".join(_documents(render({"namespace": {"create": True}})))


def _documents(trees: list[Tree]) -> Iterator[str]:
    for tree in trees:
        _without_release(tree)
        yield "---\n" + yaml.safe_dump(tree, sort_keys=False, width=1000)


def _without_release(tree: Tree) -> None:
    """Nobody's release manages what kubectl applied."""
    labels = tree["metadata"].get("labels", {})
    if "app.kubernetes.io/managed-by" in labels:
        labels["app.kubernetes.io/managed-by"] = "kubectl"
    if "template" in tree.get("spec", {}):
        _without_release(tree["spec"]["template"])
