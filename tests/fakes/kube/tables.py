"""Tables, which kubectl asks for instead of objects: printer columns of definitions, and ours."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from tests.fakes.kube.resources import Object, Resource


def table(resource: Resource, items: list[Object], metadata: Object) -> Object:
    """Objects as a Table."""
    columns = _columns(resource)
    rows = [_row(columns, each) for each in items]
    definitions = [
        {"name": name, "type": "string", "format": "", "description": "", "priority": priority}
        for name, _path, priority in columns
    ]
    return {
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": metadata,
        "columnDefinitions": definitions,
        "rows": rows,
    }


def _columns(resource: Resource) -> list[tuple[str, str, int]]:
    said = (resource.custom or {}).get("additionalPrinterColumns")
    if said:
        own = [
            (each["name"], each["jsonPath"].lstrip("."), each.get("priority", 0)) for each in said
        ]
        return [("Name", "metadata.name", 0), *own]
    extra = {
        "nodes": [("Status", "STATUS", 0)],
        "pods": [("Status", "status.phase", 0), ("Node", "spec.nodeName", 1)],
    }.get(resource.plural, [])
    return [("Name", "metadata.name", 0), *extra, ("Age", "metadata.creationTimestamp", 0)]


def _row(columns: list[tuple[str, str, int]], item: Object) -> Object:
    partial = {
        "kind": "PartialObjectMetadata",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": item["metadata"],
    }
    return {"cells": [_cell(item, path) for _name, path, _priority in columns], "object": partial}


def _cell(item: Object, path: str) -> str:
    if path == "STATUS":
        return _node_status(item)
    value: Any = item
    for step in path.split("."):
        value = value.get(step) if isinstance(value, dict) else None
    if path == "metadata.creationTimestamp":
        return f"{int((datetime.now(UTC) - datetime.fromisoformat(value)).total_seconds())}s"
    return "" if value is None else str(value)


def _node_status(item: Object) -> str:
    conditions = item.get("status", {}).get("conditions") or []
    ready = [each["status"] == "True" for each in conditions if each["type"] == "Ready"]
    words = ["Unknown" if not ready else "Ready" if ready[0] else "NotReady"]
    if item.get("spec", {}).get("unschedulable"):
        words.append("SchedulingDisabled")
    return ",".join(words)
