"""What a definition's schema does to an object: defaults, pruning, and checks."""

from __future__ import annotations

import copy
from typing import Any

from jsonschema import Draft7Validator

from tests.fakes.kube.errors import invalid
from tests.fakes.kube.resources import Object, Resource


def admit(resource: Resource, item: Object) -> Object:
    """The object as it is stored.

    Raises:
        ApiError: 422, it does not fit the schema.
    """
    said = ((resource.custom or {}).get("schema") or {}).get("openAPIV3Schema")
    if said is None:
        return item
    made = _shaped(said, copy.deepcopy(item), top=True)
    check(resource, said, made)
    return dict(made)


def check(resource: Resource, schema: Object, item: Object) -> None:
    """Hold an object against a schema.

    Raises:
        ApiError: 422, naming every field that is wrong.
    """
    errors = sorted(
        Draft7Validator(_plain(schema)).iter_errors(item), key=lambda each: str(each.path)
    )
    if errors:
        causes = [(".".join(map(str, each.path)) or "<nil>", each.message) for each in errors]
        kind = f"{resource.kind}.{resource.group}" if resource.group else resource.kind
        raise invalid(kind, item["metadata"].get("name", ""), causes)


def _shaped(schema: Object, value: Any, *, top: bool = False) -> Any:
    """Defaults filled in, unknown fields dropped."""
    if isinstance(value, dict) and "properties" in schema:
        known = schema["properties"]
        if not schema.get("x-kubernetes-preserve-unknown-fields"):
            kept = {"apiVersion", "kind", "metadata"} if top else set()
            value = {name: each for name, each in value.items() if name in known or name in kept}
        for name, part in known.items():
            # A null that the schema does not allow is dropped, and then takes the default.
            absent = name not in value or (value[name] is None and not part.get("nullable"))
            if absent and "default" in part:
                value[name] = copy.deepcopy(part["default"])
        return {
            name: _shaped(known.get(name, {}), each) if name in known else each
            for name, each in value.items()
        }
    if isinstance(value, dict) and isinstance(schema.get("additionalProperties"), dict):
        return {name: _shaped(schema["additionalProperties"], each) for name, each in value.items()}
    if isinstance(value, list) and "items" in schema:
        return [_shaped(schema["items"], each) for each in value]
    return value


def _plain(schema: Any) -> Any:
    """The same as JSON schema: `nullable` and `int-or-string` in its words."""
    if isinstance(schema, list):
        return [_plain(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    made = {name: _plain(value) for name, value in schema.items() if name != "default"}
    if isinstance(schema.get("properties"), dict):
        # The names in here are fields, not words of the schema.
        made["properties"] = {name: _plain(each) for name, each in schema["properties"].items()}
    if schema.get("x-kubernetes-int-or-string") is True:
        made["type"] = ["integer", "string"]
    if schema.get("nullable") is True and isinstance(schema.get("type"), str):
        made["type"] = [schema["type"], "null"]
        if "enum" in made:
            made["enum"] = [*made["enum"], None]
    return made
