"""Merge patches (RFC 7386), JSON patches (RFC 6902), and strategic merges of the core fields."""

from __future__ import annotations

import copy
from typing import Any

from tests.fakes.kube.errors import ApiError

MERGE_KEYS = {
    "addresses": "type",
    "conditions": "type",
    "containers": "name",
    "env": "name",
    "ephemeralContainers": "name",
    "imagePullSecrets": "name",
    "initContainers": "name",
    "ownerReferences": "uid",
    "secrets": "name",
    "topologySpreadConstraints": "topologyKey",
    "volumeMounts": "mountPath",
    "volumes": "name",
}
"""Lists that a strategic merge merges, and the field that tells their entries apart."""
SETS = {"finalizers", "podCIDRs"}


def merge(target: Any, patch: Any) -> Any:
    """A merge patch: null removes, lists are replaced."""
    if not isinstance(patch, dict):
        return copy.deepcopy(patch)
    made = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            made.pop(name, None)
        else:
            made[name] = merge(made.get(name), value)
    return made


def strategic(target: Any, patch: Any) -> Any:
    """A strategic merge patch."""
    if not isinstance(patch, dict):
        return copy.deepcopy(patch)
    if patch.get("$patch") == "replace":
        return {name: value for name, value in patch.items() if name != "$patch"}
    made = dict(target) if isinstance(target, dict) else {}
    if "$retainKeys" in patch:
        made = {name: value for name, value in made.items() if name in patch["$retainKeys"]}
    for name, value in patch.items():
        if name.startswith("$deleteFromPrimitiveList/"):
            listed = name.partition("/")[2]
            made[listed] = [each for each in made.get(listed) or [] if each not in value]
        elif name.startswith("$"):
            continue
        elif value is None:
            made.pop(name, None)
        else:
            made[name] = _strategic_value(name, made.get(name), value)
    return made


def _strategic_value(name: str, old: Any, new: Any) -> Any:
    if isinstance(new, list) and name in SETS:
        return [*(old or []), *(each for each in new if each not in (old or []))]
    entries = isinstance(new, list) and all(isinstance(each, dict) for each in new)
    if entries and name == "ports":
        key = "containerPort" if any("containerPort" in each for each in new) else "port"
        return _by_key(old or [], new, key)
    if entries and name in MERGE_KEYS:
        return _by_key(old or [], new, MERGE_KEYS[name])
    return strategic(old, new)


def _by_key(old: list[Any], new: list[Any], key: str) -> list[Any]:
    if any(each == {"$patch": "replace"} for each in new):
        return [each for each in new if each != {"$patch": "replace"}]
    made = {each.get(key): each for each in old}
    for entry in new:
        if entry.get("$patch") == "delete":
            made.pop(entry.get(key), None)
        else:
            made[entry.get(key)] = strategic(made.get(entry.get(key)), entry)
    return list(made.values())


def json_patch(target: Any, operations: Any) -> Any:
    """A JSON patch.

    Raises:
        ApiError: 400, it is no list of operations; 422, one of them cannot be done or fails.
    """
    if not isinstance(operations, list):
        raise ApiError(400, "json: cannot unmarshal object into Go value of type jsonpatch.Patch")
    made = copy.deepcopy(target)
    for operation in operations:
        try:
            made = _apply(made, operation)
        except (KeyError, IndexError, TypeError, ValueError) as why:
            # The real server does not say more: the request is at fault, not the object.
            raise ApiError(
                422, f"the server rejected our request due to an error in our request: {why}"
            ) from why
    return made


def _apply(target: Any, operation: dict[str, Any]) -> Any:
    match operation["op"]:
        case "test":
            if _value_at(target, operation["path"]) != operation.get("value"):
                raise ValueError(f"testing value {operation['path']} failed")
            return target
        case "remove":
            return _removed(target, operation["path"])
        case "add":
            return _added(target, operation["path"], copy.deepcopy(operation["value"]))
        case "replace":
            _value_at(target, operation["path"])
            return _replaced(target, operation["path"], copy.deepcopy(operation["value"]))
        case "move":
            value = _value_at(target, operation["from"])
            return _added(_removed(target, operation["from"]), operation["path"], value)
        case "copy":
            value = copy.deepcopy(_value_at(target, operation["from"]))
            return _added(target, operation["path"], value)
        case other:
            raise ValueError(f"unexpected kind: {other}")


def _steps(path: str) -> list[str]:
    if path == "":
        return []
    if not path.startswith("/"):
        raise ValueError(f"a path begins with a slash: {path}")
    return [each.replace("~1", "/").replace("~0", "~") for each in path[1:].split("/")]


def _value_at(target: Any, path: str) -> Any:
    for step in _steps(path):
        target = target[int(step)] if isinstance(target, list) else target[step]
    return target


def _parent(target: Any, path: str) -> tuple[Any, str]:
    *above, last = _steps(path)
    for step in above:
        target = target[int(step)] if isinstance(target, list) else target[step]
    return target, last


def _removed(target: Any, path: str) -> Any:
    parent, last = _parent(target, path)
    del parent[int(last) if isinstance(parent, list) else last]
    return target


def _added(target: Any, path: str, value: Any) -> Any:
    if path == "":
        return value
    parent, last = _parent(target, path)
    if not isinstance(parent, list):
        parent[last] = value
    elif last == "-":
        parent.append(value)
    elif 0 <= int(last) <= len(parent):
        parent.insert(int(last), value)
    else:
        raise IndexError(f"no such place: {path}")
    return target


def _replaced(target: Any, path: str, value: Any) -> Any:
    if path == "":
        return value
    parent, last = _parent(target, path)
    parent[int(last) if isinstance(parent, list) else last] = value
    return target
