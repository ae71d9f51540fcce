"""The server as tests use it: started, stopped and restarted, and spoken to without HTTP.

with serving() as kube:
    kube.create(node("one"))
    run_the_operator(kube.kubeconfig(tmp_path / "config"))
    assert not kube.get("nodes", "one")["spec"].get("unschedulable")
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml
from aiohttp import web

from tests.fakes.kube.api import Api
from tests.fakes.kube.auth import ADMINISTRATOR, Guard
from tests.fakes.kube.faults import Faults
from tests.fakes.kube.resources import Object
from tests.fakes.kube.selectors import matching_labels
from tests.fakes.kube.store import Change, Key
from tests.fakes.kube.web import Web

LONG = 30.0
"""Seconds that starting or stopping may take on a busy machine."""
MERGE = "application/merge-patch+json"


class Kube:
    """An API server on 127.0.0.1, in a thread of its own; its objects outlive a restart."""

    def __init__(self) -> None:
        self.api = Api()
        self.guard = Guard(self.api.store)
        self.web = Web(self.api, self.guard)
        self.port = 0
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        for name in ("default", "kube-system"):
            self.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def faults(self) -> Faults:
        """What goes wrong on purpose."""
        return self.web.faults

    # What a test does to the server.

    def start(self) -> None:
        """Listen; on the port of before, after a stop."""
        ready: Future[None] = Future()
        self._thread = threading.Thread(target=self._run, args=(ready,), daemon=True)
        self._thread.start()
        ready.result(LONG)

    def _run(self, ready: Future[None]) -> None:
        try:
            asyncio.run(self._serve(ready))
        except BaseException as why:
            if ready.done():
                raise
            ready.set_exception(why)

    async def _serve(self, ready: Future[None]) -> None:
        application = web.Application(client_max_size=16 * 2**20)
        application.router.add_route("*", "/{tail:.*}", self.web.handle)
        runner = web.AppRunner(
            application, access_log=None, shutdown_timeout=0.1, handle_signals=False
        )
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", self.port, reuse_address=True)
        await site.start()
        self.port = runner.addresses[0][1]
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        ready.set_result(None)
        await self._stop.wait()
        await site.stop()
        self.web.break_off()
        await runner.cleanup()
        # Connections that were cut are closed in the next rounds of the loop.
        await asyncio.sleep(0.02)

    def stop(self) -> None:
        """Go down: connections break, nothing listens."""
        if self._thread is None or self._loop is None or self._stop is None:
            return
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(LONG)
        assert not self._thread.is_alive()
        self._thread = None

    def restart(self, *, forget: bool = True) -> None:
        """Go down and come back; with `forget`, whoever resumes a watch is told 410."""
        self.stop()
        if forget:
            self.api.store.forget()
        self.start()

    def expire_watches(self) -> None:
        """Break off every watch with 410, and forget what was before."""
        self.api.store.forget()
        self.web.expired += 1
        for listener in list(self.api.store.listeners):
            listener()

    def observe(self, observer: Callable[[Change], None]) -> None:
        """Show every write to an observer, in order, before anybody else sees it."""
        self.api.store.observers.append(observer)

    # What a test does to the objects, as the administrator.

    def create(self, item: Object) -> Object:
        """Create an object, with its status if it has one."""
        resource = self.api.registry.of(item)
        space = item["metadata"].get("namespace", "default") if resource.namespaced else ""
        made = self.api.create(resource, space, item, ADMINISTRATOR)
        if resource.status and "status" in item and made.get("status") != item["status"]:
            name = made["metadata"]["name"]
            return self.patch(
                resource.qualified, name, {"status": item["status"]}, space, sub="status"
            )
        return made

    def apply(self, *items: Object) -> None:
        """Create what is not there yet and replace what is, in order."""
        for item in items:
            resource = self.api.registry.of(item)
            space = item["metadata"].get("namespace", "default") if resource.namespaced else ""
            name = item["metadata"]["name"]
            if self.find(resource.qualified, name, space) is None:
                self.create(item)
            else:
                self.api.patch(resource, space, name, item, ADMINISTRATOR, content_type=MERGE)

    def find(self, resource: str, name: str, namespace: str = "default") -> Object | None:
        """An object, None where it is not there."""
        known = self.api.registry.named(resource)
        return self.api.store.get(self.api.key(known, namespace, name))

    def get(self, resource: str, name: str, namespace: str = "default") -> Object:
        """An object that is there."""
        return self.api.get(self.api.registry.named(resource), namespace, name)

    def all(self, resource: str, namespace: str = "", *, labels: str = "") -> list[Object]:
        """Objects, of all namespaces where none is named."""
        known = self.api.registry.named(resource)
        wanted = matching_labels(labels)
        return [each for each in self.api.store.items(known.place, namespace) if wanted(each)]

    def patch(
        self, resource: str, name: str, patch: Any, namespace: str = "default", *, sub: str = ""
    ) -> Object:
        """Merge something into an object."""
        known = self.api.registry.named(resource)
        return self.api.patch(
            known, namespace, name, patch, ADMINISTRATOR, content_type=MERGE, subresource=sub
        )

    def delete(self, resource: str, name: str, namespace: str = "default", **options: Any) -> None:
        """Delete an object."""
        known = self.api.registry.named(resource)
        self.api.delete(known, namespace, name, ADMINISTRATOR, options)

    def remove(self, resource: str, name: str, namespace: str = "default") -> None:
        """Take an object out at once, whatever its finalizers say."""
        key = self.api.key(self.api.registry.named(resource), namespace, name)
        if self.api.store.get(key) is not None:
            self.api.store.remove(key, ADMINISTRATOR.name)
            self.api.collect()

    def events(self, name: str = "") -> list[Object]:
        """The events about an object, or all."""
        found = self.api.store.items(("", "events"))
        return [each for each in found if name in ("", each["involvedObject"].get("name"))]

    # What a test hands to others.

    def kubeconfig(
        self, path: Path, *, token: str | None = None, namespace: str = "default"
    ) -> Path:
        """Write a kubeconfig for this server."""
        user = {"token": token} if token else {}
        context = {"cluster": "fake", "user": "somebody", "namespace": namespace}
        said = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "fake",
            "clusters": [{"name": "fake", "cluster": {"server": self.url}}],
            "contexts": [{"name": "fake", "context": context}],
            "users": [{"name": "somebody", "user": user}],
        }
        path.write_text(yaml.safe_dump(said))
        return path

    def key(self, resource: str, name: str, namespace: str = "default") -> Key:
        """Where an object is stored, for observers."""
        return self.api.key(self.api.registry.named(resource), namespace, name)


@contextmanager
def serving() -> Iterator[Kube]:
    """A server while the block runs."""
    kube = Kube()
    kube.start()
    try:
        yield kube
    finally:
        kube.stop()
