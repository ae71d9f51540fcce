"""Rules of one object: what clients may say in it, what of it is changed, and by whom."""

from __future__ import annotations

import re
import secrets
import uuid
from datetime import UTC, datetime
from typing import Any

from tests.fakes.kube import patches
from tests.fakes.kube.errors import ApiError, invalid
from tests.fakes.kube.resources import Object, Resource

_NAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_FREE_NAMES = {"rbac.authorization.k8s.io"}
"""Groups whose names may hold what a DNS name may not."""
KEEPS_STATUS = {"nodes", "events"}
"""Whose status may come with the object itself."""
SERVER_FIELDS = ("uid", "creationTimestamp", "generation", "deletionTimestamp", "selfLink")


def now() -> str:
    """The present moment as objects write it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def bare(resource: Resource, item: Object, *, new: bool = True) -> Object:
    """What a client said, with what only the server says put right."""
    metadata = item.setdefault("metadata", {})
    if not isinstance(metadata, dict):
        raise ApiError(400, "metadata is no object")
    item["apiVersion"] = resource.group_version
    item["kind"] = resource.kind
    if new:
        for name in (*SERVER_FIELDS, "resourceVersion"):
            metadata.pop(name, None)
        metadata["uid"] = str(uuid.uuid4())
        metadata["creationTimestamp"] = now()
        if resource.generation:
            metadata["generation"] = 1
    metadata.pop("managedFields", None)
    for name in ("labels", "annotations", "finalizers", "ownerReferences"):
        if not metadata.get(name):
            metadata.pop(name, None)
    return item


def name(resource: Resource, namespace: str, metadata: Object) -> None:
    """Give a new object its name and namespace.

    Raises:
        ApiError: 422, the name is none; 400, the namespace is another than the address says.
    """
    if not metadata.get("name") and metadata.get("generateName"):
        metadata["name"] = metadata["generateName"] + secrets.token_hex(3)[:5]
    said = metadata.get("name", "")
    if not said:
        raise invalid(
            resource.qualified,
            "",
            [("metadata.name", "Required value: name or generateName is required")],
        )
    if resource.group not in _FREE_NAMES and not _NAME.fullmatch(said):
        what = f'Invalid value: "{said}": a lowercase RFC 1123 subdomain is needed'
        raise invalid(resource.qualified, said, [("metadata.name", what)])
    if not resource.namespaced:
        metadata.pop("namespace", None)
        return
    if metadata.setdefault("namespace", namespace) != namespace:
        raise ApiError(
            400,
            "the namespace of the object does not match the namespace sent on the request",
        )


def initial_status(resource: Resource, item: Object) -> None:
    if resource.plural not in KEEPS_STATUS:
        item.pop("status", None)
    if resource.plural == "pods":
        item["status"] = {"phase": "Pending"}
    if resource.plural == "namespaces":
        item["status"] = {"phase": "Active"}


def exists(resource: Resource, name: str) -> ApiError:
    details = {"name": name, "kind": resource.plural}
    message = f'{resource.qualified} "{name}" already exists'
    return ApiError(409, message, reason="AlreadyExists", details=details)


def conflict(resource: Resource, name: str, why: str) -> ApiError:
    message = f'Operation cannot be fulfilled on {resource.qualified} "{name}": {why}'
    return ApiError(409, message, details={"name": name, "kind": resource.plural})


def check_identity(resource: Resource, old: Object, item: Object, name: str) -> None:
    said = item.get("metadata") or {}
    if said.get("name", name) != name:
        raise ApiError(
            400,
            f"the name of the object ({said['name']}) does not match the name on the URL ({name})",
        )
    version = said.get("resourceVersion")
    if not version and (resource.custom is not None or resource.plural == "leases"):
        what = "Invalid value: 0x0: must be specified for an update"
        raise invalid(resource.qualified, name, [("metadata.resourceVersion", what)])
    if version and version != old["metadata"]["resourceVersion"]:
        why = (
            "the object has been modified; please apply your changes to the latest version and "
            "try again"
        )
        raise conflict(resource, name, why)
    if said.get("uid") and said["uid"] != old["metadata"]["uid"]:
        uids = f"UID in precondition: {said['uid']}, UID in object meta: {old['metadata']['uid']}"
        raise conflict(resource, name, f"Precondition failed: {uids}")


def check_preconditions(resource: Resource, old: Object, wanted: Object) -> None:
    for field_name in ("uid", "resourceVersion"):
        value = wanted.get(field_name)
        if value and value != old["metadata"][field_name]:
            have = old["metadata"][field_name]
            why = f"the {field_name} in the precondition ({value}) does not match ({have})"
            raise conflict(resource, old["metadata"]["name"], why)


def merged(resource: Resource, old: Object, item: Object, subresource: str) -> Object:
    """What an update makes of the old object: the status is changed by its sub-resource only."""
    if subresource == "status":
        base = old if resource.custom is not None else {**old, "metadata": item["metadata"]}
        made = {name: value for name, value in base.items() if name != "status"}
        if "status" in item:
            made["status"] = item["status"]
    else:
        made = dict(item)
        if resource.status:
            made.pop("status", None)
            if "status" in old:
                made["status"] = old["status"]
    metadata = dict(made["metadata"])
    for name in (
        *SERVER_FIELDS,
        "deletionGracePeriodSeconds",
        "name",
        "namespace",
        "resourceVersion",
    ):
        metadata.pop(name, None)
        if name in old["metadata"]:
            metadata[name] = old["metadata"][name]
    made["metadata"] = metadata
    return made


def check_finalizers(resource: Resource, old: Object, made: Object) -> None:
    if not old["metadata"].get("deletionTimestamp"):
        return
    new = set(made["metadata"].get("finalizers") or ()) - set(
        old["metadata"].get("finalizers") or ()
    )
    if new:
        what = f"Forbidden: no new finalizers when the object is being deleted: {sorted(new)}"
        raise invalid(resource.qualified, old["metadata"]["name"], [("metadata.finalizers", what)])


def patched(resource: Resource, old: Object, patch: Any, content_type: str) -> Object:
    match content_type:
        case "application/merge-patch+json":
            made = patches.merge(old, patch)
        case "application/json-patch+json":
            made = patches.json_patch(old, patch)
        case "application/strategic-merge-patch+json" if resource.custom is None:
            made = patches.strategic(old, patch)
        case _:
            known = "application/json-patch+json, application/merge-patch+json"
            raise ApiError(
                415,
                "the body of the request was in an unknown format - accepted media types include: "
                + known,
            )
    if not isinstance(made, dict) or not isinstance(made.get("metadata"), dict):
        raise ApiError(422, "the server rejected our request due to an error in our request")
    return made


def count(resource: Resource, made: Object, old: Object) -> None:
    if not resource.generation:
        return
    outside = {"metadata", "status"} if resource.status else {"metadata"}
    before = {name: value for name, value in old.items() if name not in outside}
    after = {name: value for name, value in made.items() if name not in outside}
    if before != after:
        made["metadata"]["generation"] = old["metadata"].get("generation", 0) + 1


def waits(resource: Resource, item: Object) -> bool:
    """Whether a kubelet ends it first: a pod on a node that has not finished."""
    if resource.plural != "pods" or not item.get("spec", {}).get("nodeName"):
        return False
    return item.get("status", {}).get("phase") not in ("Succeeded", "Failed")
