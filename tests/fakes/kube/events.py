"""Events have two forms, of core and of events.k8s.io, and are stored once, in that of core."""

from __future__ import annotations

from tests.fakes.kube.resources import Object, Resource

_NEW_NAMES = {
    "involvedObject": "regarding",
    "message": "note",
    "source": "deprecatedSource",
    "firstTimestamp": "deprecatedFirstTimestamp",
    "lastTimestamp": "deprecatedLastTimestamp",
    "count": "deprecatedCount",
    "reportingComponent": "reportingController",
}
_OLD_NAMES = {new: old for old, new in _NEW_NAMES.items()}
NEW = "events.k8s.io"


def stored(resource: Resource, item: Object) -> Object:
    """An event as it is stored."""
    if (resource.group, resource.plural) != (NEW, "events"):
        return item
    return {_OLD_NAMES.get(name, name): value for name, value in item.items()}


def shown(resource: Resource, item: Object) -> Object:
    """A stored object in the version that is asked for."""
    if (resource.group, resource.plural) == (NEW, "events"):
        item = {_NEW_NAMES.get(name, name): value for name, value in item.items()}
    if item.get("apiVersion") == resource.group_version:
        return item
    return {**item, "apiVersion": resource.group_version}
