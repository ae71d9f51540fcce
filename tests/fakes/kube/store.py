"""Objects and the history of their changes, as etcd and the watch cache keep them."""

from __future__ import annotations

import threading
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic
from typing import Literal, NamedTuple

from tests.fakes.kube.errors import expired
from tests.fakes.kube.resources import Object


class Key(NamedTuple):
    """Where an object is stored; cluster-wide ones have an empty namespace."""

    place: tuple[str, str]
    namespace: str
    name: str


@dataclass(frozen=True, slots=True)
class Change:
    """One write.

    Attributes:
        version: the resourceVersion it got.
        type: what happened, as a watch names it.
        key: to which object.
        new: the object afterwards; what it was last, with the new version, where it was deleted.
        old: the object before, None where it was created.
        by: the name of the user who asked for it.
        moment: when, on the monotonic clock.
    """

    version: int
    type: Literal["ADDED", "MODIFIED", "DELETED"]
    key: Key
    new: Object
    old: Object | None
    by: str
    moment: float


class Store:
    """What is there. Stored objects are never changed in place: read them, do not write to them.

    Attributes:
        lock: held over everything that reads and then writes.
        version: the newest resourceVersion.
        observers: called with each change, under the lock, before anybody else can see it.
        listeners: called after each change, from whatever thread made it.
    """

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.version = 1000
        self.observers: list[Callable[[Change], None]] = []
        self.listeners: list[Callable[[], None]] = []
        self._objects: dict[Key, Object] = {}
        self._changes: list[Change] = []
        self._forgotten = self.version

    def get(self, key: Key) -> Object | None:
        return self._objects.get(key)

    def items(self, place: tuple[str, str], namespace: str = "") -> list[Object]:
        """All objects of a resource in the order of namespace and name."""
        with self.lock:
            return _listed(self._objects, place, namespace)

    def all(self) -> list[tuple[Key, Object]]:
        with self.lock:
            return list(self._objects.items())

    def put(self, key: Key, item: Object, by: str) -> Object:
        """Store an object under the next version; return it as stored."""
        with self.lock:
            old = self._objects.get(key)
            self.version += 1
            metadata = {**item["metadata"], "resourceVersion": str(self.version)}
            made = {**item, "metadata": metadata}
            self._objects[key] = made
            self._record("ADDED" if old is None else "MODIFIED", key, made, old, by)
            return made

    def remove(self, key: Key, by: str) -> Object:
        """Take an object out; return its last state."""
        with self.lock:
            old = self._objects.pop(key)
            self.version += 1
            last = {**old, "metadata": {**old["metadata"], "resourceVersion": str(self.version)}}
            self._record("DELETED", key, last, old, by)
            return last

    def _record(
        self,
        kind: Literal["ADDED", "MODIFIED", "DELETED"],
        key: Key,
        new: Object,
        old: Object | None,
        by: str,
    ) -> None:
        change = Change(self.version, kind, key, new, old, by, monotonic())
        self._changes.append(change)
        for observer in self.observers:
            observer(change)
        for listener in list(self.listeners):
            listener()

    def since(self, version: int) -> list[Change]:
        """All changes after a version.

        Raises:
            ApiError: 410 where some of them are forgotten.
        """
        with self.lock:
            if version < self._forgotten:
                raise expired(f"too old resource version: {version} ({self._forgotten})")
            return self._changes[
                bisect_right(self._changes, version, key=lambda each: each.version) :
            ]

    def at(self, version: int, place: tuple[str, str], namespace: str = "") -> list[Object]:
        """The objects of a resource as they were at a version.

        Raises:
            ApiError: 410 where that is forgotten.
        """
        with self.lock:
            objects = dict(self._objects)
            for change in reversed(self.since(version)):
                if change.old is None:
                    objects.pop(change.key, None)
                else:
                    objects[change.key] = change.old
            return _listed(objects, place, namespace)

    def forget(self) -> None:
        """Compact: whoever resumes from before now is told 410."""
        with self.lock:
            self._changes.clear()
            self._forgotten = self.version


def _listed(objects: dict[Key, Object], place: tuple[str, str], namespace: str) -> list[Object]:
    found = [
        (key, item)
        for key, item in objects.items()
        if key.place == place and namespace in ("", key.namespace)
    ]
    return [item for _key, item in sorted(found, key=lambda each: each[0])]
