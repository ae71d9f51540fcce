"""Label and field selectors, as in addresses and in objects."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from tests.fakes.kube.errors import ApiError
from tests.fakes.kube.resources import Object, Resource

Test = Callable[[Object], bool]

_SET = re.compile(r"\s*(\S+)\s+(in|notin)\s+\(([^)]*)\)\s*")
_EQUAL = re.compile(r"\s*([^\s=!,]+)\s*(==|=|!=)\s*([^\s=!,]*)\s*")
_EXISTS = re.compile(r"\s*(!?)\s*([^\s=!,]+)\s*")


def matching_labels(text: str) -> Test:
    """What a label selector asks for.

    Raises:
        ApiError: 400, it cannot be read.
    """
    tests = [_label_test(part) for part in re.split(r",(?![^(]*\))", text) if part.strip()]
    return lambda item: all(test(labels_of(item)) for test in tests)


def labels_of(item: Object) -> Mapping[str, str]:
    return item["metadata"].get("labels") or {}


def _label_test(part: str) -> Callable[[Mapping[str, str]], bool]:
    if found := _SET.fullmatch(part):
        name, negate = found[1], found[2] == "notin"
        values = {each.strip() for each in found[3].split(",")}
        return lambda labels: (labels.get(name) in values) != negate
    if found := _EQUAL.fullmatch(part):
        name, negate, value = found[1], found[2] == "!=", found[3]
        return lambda labels: (labels.get(name) == value) != negate
    if found := _EXISTS.fullmatch(part):
        name, negate = found[2], found[1] == "!"
        return lambda labels: (name in labels) != negate
    raise ApiError(400, f"unable to parse requirement: {part!r}")


def matching_selector(selector: Object | None) -> Test:
    """A LabelSelector in an object: null matches nothing, an empty one everything."""
    if selector is None:
        return lambda _item: False
    wanted = selector.get("matchLabels") or {}
    tests = [_expression(each) for each in selector.get("matchExpressions") or []]
    return lambda item: (
        all(labels_of(item).get(name) == value for name, value in wanted.items())
        and all(test(labels_of(item)) for test in tests)
    )


def _expression(said: Object) -> Callable[[Mapping[str, str]], bool]:
    name, values = said["key"], set(said.get("values") or ())
    return {
        "In": lambda labels: labels.get(name) in values,
        "NotIn": lambda labels: labels.get(name) not in values,
        "Exists": lambda labels: name in labels,
        "DoesNotExist": lambda labels: name not in labels,
    }[said["operator"]]


def matching_fields(text: str, resource: Resource) -> Test:
    """What a field selector asks for.

    Raises:
        ApiError: 400, it cannot be read, or the resource has no such selector.
    """
    known = {"metadata.name", "metadata.namespace", *resource.fields}
    tests = [_field_test(part, known) for part in text.split(",") if part.strip()]
    return lambda item: all(test(item) for test in tests)


def _field_test(part: str, known: set[str]) -> Test:
    found = re.fullmatch(r"([^=!]+)(==|=|!=)(.*)", part)
    if found is None:
        raise ApiError(400, f"invalid selector: {part!r}; can't understand {part!r}")
    path, negate, value = found[1], found[2] == "!=", found[3]
    if path not in known:
        raise ApiError(400, f'field label not supported: "{path}"')
    return lambda item: (field_of(item, path) == value) != negate


def field_of(item: Object, path: str) -> str:
    """A field as selectors see it: text, empty where it is not there."""
    value: object = item
    for step in path.split("."):
        value = value.get(step) if isinstance(value, dict) else None
    if isinstance(value, bool):
        return str(value).lower()
    if value is None:
        return "false" if path == "spec.unschedulable" else ""
    return str(value)
