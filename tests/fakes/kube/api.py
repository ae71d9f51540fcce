"""The verbs: what create, update, patch and delete do to an object, by the real server's rules."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.fakes.kube import rules, schema
from tests.fakes.kube.errors import ApiError, not_found
from tests.fakes.kube.resources import Object, Registry, Resource
from tests.fakes.kube.store import Key, Store

ADMIN = "system:admin"
COLLECTOR = "system:serviceaccount:kube-system:generic-garbage-collector"


@dataclass(frozen=True, slots=True)
class Admission:
    """A write that is about to be stored, for those who may refuse it."""

    operation: str
    resource: Resource
    subresource: str
    new: Object | None
    old: Object | None
    user: Any


@dataclass
class Api:
    """The objects and the rules.

    Attributes:
        store: where they lie.
        registry: what is served.
        admission: asked before each write; raises to refuse it.
        pods_end_at_once: whether a deleted pod is gone; otherwise a kubelet has to end it.
    """

    store: Store = field(default_factory=Store)
    registry: Registry = field(default_factory=Registry)
    admission: list[Callable[[Admission], None]] = field(default_factory=list)
    pods_end_at_once: bool = True

    def key(self, resource: Resource, namespace: str, name: str) -> Key:
        return Key(resource.place, namespace if resource.namespaced else "", name)

    def get(self, resource: Resource, namespace: str, name: str) -> Object:
        """One object.

        Raises:
            ApiError: 404.
        """
        found = self.store.get(self.key(resource, namespace, name))
        if found is None:
            raise not_found(name, resource.qualified)
        return found

    def create(
        self, resource: Resource, namespace: str, item: Object, user: Any, *, dry_run: bool = False
    ) -> Object:
        """Store a new object.

        Raises:
            ApiError: 400, 403, 404, 409 or 422 as the server has them.
        """
        with self.store.lock:
            made = rules.bare(resource, copy.deepcopy(item))
            metadata = made["metadata"]
            rules.name(resource, namespace, metadata)
            if resource.status:
                rules.initial_status(resource, made)
            made = schema.admit(resource, made)
            key = self.key(resource, namespace, metadata["name"])
            self._admit("CREATE", resource, "", made, None, user)
            if self.store.get(key) is not None:
                raise rules.exists(resource, metadata["name"])
            self._check_namespace(resource, namespace)
            if dry_run:
                return made
            stored = self.store.put(key, made, user.name)
            self._created(resource, stored)
            return self.store.get(key) or stored

    def _check_namespace(self, resource: Resource, namespace: str) -> None:
        if not resource.namespaced:
            return
        space = self.store.get(Key(("", "namespaces"), "", namespace))
        if space is None:
            raise not_found(namespace, "namespaces")
        if space["metadata"].get("deletionTimestamp"):
            raise ApiError(
                403,
                f"unable to create new content in namespace {namespace}: it is being terminated",
            )

    def _created(self, resource: Resource, item: Object) -> None:
        if resource.plural == "customresourcedefinitions":
            self.registry.define(item)
            self._establish(resource, item)
        self.collect()

    def _establish(self, resource: Resource, item: Object) -> None:
        conditions = [
            {
                "type": name,
                "status": "True",
                "reason": name,
                "lastTransitionTime": rules.now(),
                "message": "",
            }
            for name in ("NamesAccepted", "Established")
        ]
        names = item["spec"]["names"]
        versions = [each["name"] for each in item["spec"]["versions"] if each["storage"]]
        status = {"conditions": conditions, "acceptedNames": names, "storedVersions": versions}
        key = self.key(resource, "", item["metadata"]["name"])
        self.store.put(key, {**item, "status": status}, ADMIN)

    def update(
        self,
        resource: Resource,
        namespace: str,
        name: str,
        item: Object,
        user: Any,
        *,
        subresource: str = "",
        dry_run: bool = False,
    ) -> Object:
        """Replace an object, or its status.

        Raises:
            ApiError: 404, 409 on a version that is not the present one, 422.
        """
        with self.store.lock:
            old = self.get(resource, namespace, name)
            rules.check_identity(resource, old, item, name)
            made = rules.merged(
                resource, old, rules.bare(resource, copy.deepcopy(item), new=False), subresource
            )
            made = schema.admit(resource, made)
            rules.check_finalizers(resource, old, made)
            self._admit("UPDATE", resource, subresource, made, old, user)
            if made == old or dry_run:
                return made if dry_run else old
            rules.count(resource, made, old)
            return self._store_updated(resource, self.key(resource, namespace, name), made, user)

    def _store_updated(self, resource: Resource, key: Key, made: Object, user: Any) -> Object:
        metadata = made["metadata"]
        stored = self.store.put(key, made, user.name)
        if resource.plural == "customresourcedefinitions":
            self.registry.define(stored)
        if (
            metadata.get("deletionTimestamp")
            and not metadata.get("finalizers")
            and not rules.waits(resource, made)
        ):
            stored = self._gone(resource, key, user.name)
        return stored

    def patch(
        self,
        resource: Resource,
        namespace: str,
        name: str,
        patch: Any,
        user: Any,
        *,
        content_type: str,
        subresource: str = "",
        dry_run: bool = False,
    ) -> Object:
        """Change an object.

        Raises:
            ApiError: as update; 415 for a kind of patch that there is not; 422 for a failed test.
        """
        with self.store.lock:
            old = self.get(resource, namespace, name)
            made = rules.patched(resource, old, patch, content_type)
            if made["metadata"].get("resourceVersion") in (None, ""):
                made["metadata"]["resourceVersion"] = old["metadata"]["resourceVersion"]
            return self.update(
                resource, namespace, name, made, user, subresource=subresource, dry_run=dry_run
            )

    def delete(
        self,
        resource: Resource,
        namespace: str,
        name: str,
        user: Any,
        options: Object | None = None,
        *,
        operation: str = "DELETE",
    ) -> Object:
        """Delete an object, or mark it until its finalizers are gone.

        Raises:
            ApiError: 404, or 409 where a precondition does not hold.
        """
        options = options or {}
        with self.store.lock:
            old = self.get(resource, namespace, name)
            rules.check_preconditions(resource, old, options.get("preconditions") or {})
            self._admit(operation, resource, "", None, old, user)
            if options.get("dryRun"):
                return old
            if options.get("propagationPolicy") == "Orphan":
                self._orphan(old)
            key = self.key(resource, namespace, name)
            grace = options.get("gracePeriodSeconds")
            ends_now = self.pods_end_at_once or grace == 0
            lingers = rules.waits(resource, old) and not ends_now
            if old["metadata"].get("finalizers") or lingers:
                return self._mark(resource, key, old, user, grace)
            return self._gone(resource, key, user.name)

    def _mark(
        self, resource: Resource, key: Key, old: Object, user: Any, grace: int | None
    ) -> Object:
        if old["metadata"].get("deletionTimestamp"):
            return old
        metadata = {**old["metadata"], "deletionTimestamp": rules.now()}
        seconds = (
            old.get("spec", {}).get("terminationGracePeriodSeconds", 30) if grace is None else grace
        )
        metadata["deletionGracePeriodSeconds"] = seconds if resource.plural == "pods" else 0
        return self.store.put(key, {**old, "metadata": metadata}, user.name)

    def _gone(self, resource: Resource, key: Key, by: str) -> Object:
        last = self.store.remove(key, by)
        if resource.plural == "customresourcedefinitions":
            self._drop_custom(last)
        if resource.plural == "namespaces":
            self._empty(key.name)
        self.collect()
        return last

    def _drop_custom(self, definition: Object) -> None:
        place = (definition["spec"]["group"], definition["spec"]["names"]["plural"])
        for key, _item in self.store.all():
            if key.place == place:
                self.store.remove(key, COLLECTOR)
        self.registry.forget(definition)

    def _empty(self, namespace: str) -> None:
        for key, _item in self.store.all():
            if key.namespace == namespace:
                self.store.remove(key, COLLECTOR)

    def _orphan(self, owner: Object) -> None:
        uid = owner["metadata"]["uid"]
        for key, item in self.store.all():
            owners = item["metadata"].get("ownerReferences") or []
            kept = [each for each in owners if each["uid"] != uid]
            if len(kept) != len(owners):
                metadata = {**item["metadata"], "ownerReferences": kept}
                self.store.put(key, {**item, "metadata": metadata}, COLLECTOR)

    def collect(self) -> None:
        """Delete what has owners, none of which is there any more."""
        everything = self.store.all()
        there = {item["metadata"]["uid"] for _key, item in everything}
        for key, item in everything:
            owners = item["metadata"].get("ownerReferences") or []
            if owners and not any(each["uid"] in there for each in owners):
                self._collect_one(key, item)

    def _collect_one(self, key: Key, item: Object) -> None:
        if item["metadata"].get("deletionTimestamp") or self.store.get(key) is None:
            return
        resource = self.registry.of(item)
        user = _Collector()
        options = {"propagationPolicy": "Background"}
        self.delete(resource, key.namespace, key.name, user, options)

    def _admit(
        self,
        operation: str,
        resource: Resource,
        subresource: str,
        new: Object | None,
        old: Object | None,
        user: Any,
    ) -> None:
        for judge in self.admission:
            judge(Admission(operation, resource, subresource, new, old, user))


class _Collector:
    """The garbage collector as a user."""

    name = COLLECTOR
    groups = ("system:serviceaccounts", "system:serviceaccounts:kube-system")
    uid = ""
    extra: dict[str, tuple[str, ...]] = {}  # noqa: RUF012 - never changed
