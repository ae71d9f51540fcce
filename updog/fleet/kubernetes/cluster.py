"""The API server: few verbs, plain JSON, and errors of ours.

Writes name the `resourceVersion` that they go by wherever what was read decides about them, so
that nothing is decided on what has changed meanwhile.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from typing import Any, NamedTuple

import aiohttp
from kubernetes_asyncio.client import ApiClient
from kubernetes_asyncio.client.exceptions import ApiException

from updog.fleet.kubernetes.errors import ApiFailure, Cause
from updog.fleet.kubernetes.names import GROUP, PLURAL, VERSION
from updog.fleet.kubernetes.shadow import Tree

MERGE = "application/merge-patch+json"
REQUEST_SECONDS = 30.0
WATCH_SECONDS = 240
PAGE = 500
FIRST_ERROR = 400
_LONGEST_LINE = 16 << 20
_JSON = dict.fromkeys((200, 201, 202), "object")
_PATIENCE = aiohttp.ClientTimeout(total=REQUEST_SECONDS)
_WATCHING = aiohttp.ClientTimeout(sock_connect=REQUEST_SECONDS, sock_read=WATCH_SECONDS + 30)

NODES = "/api/v1/nodes"
PODS = "/api/v1/pods"
BUDGETS = "/apis/policy/v1/poddisruptionbudgets"


class Access(NamedTuple):
    """How an API server is reached.

    Attributes:
        server: its address.
        ca_path: the file of certificates that it is believed by.
        insecure: whether it is believed without.
        scheme: of the credentials, such as ``Bearer``.
        token: the credentials.
        certificate: the file of a client certificate.
        key: the file of its key.
    """

    server: str
    ca_path: str | None
    insecure: bool
    scheme: str | None
    token: str | None
    certificate: str | None
    key: str | None


class Cluster:
    """What controller, agent and command line ask of the API server.

    Args:
        api: the client.
        namespace: where shadows and the ledger are.
    """

    def __init__(self, api: ApiClient, namespace: str) -> None:
        self._api = api
        self.namespace = namespace
        self.shadows = f"/apis/{GROUP}/{VERSION}/namespaces/{namespace}/{PLURAL}"
        self.ledgers = f"/api/v1/namespaces/{namespace}/configmaps"
        self.leases = f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases"

    async def access(self) -> Access:
        """How others reach the same API server with the same rights."""
        settings = self._api.configuration
        headers: dict[str, str] = {}
        await self._api.update_params_for_auth(headers, [], ["BearerToken"])
        said = {name.lower(): value for name, value in headers.items()}
        scheme, _, token = said.get("authorization", "").partition(" ")
        return Access(
            settings.host or "",
            settings.ssl_ca_cert,
            not settings.verify_ssl,
            scheme or None,
            token or None,
            settings.cert_file,
            settings.key_file,
        )

    async def get(self, path: str, name: str) -> Tree:
        """One object.

        Raises:
            ApiFailure: it is not there, or cannot be had.
        """
        return await self._ask("GET", f"{path}/{name}")

    async def all(self, path: str, *, labels: str = "", fields: str = "") -> list[Tree]:
        """All objects, read page by page.

        Raises:
            ApiFailure: they cannot be had.
        """
        query = {"limit": str(PAGE), "labelSelector": labels, "fieldSelector": fields}
        found: list[Tree] = []
        while True:
            page = await self._ask("GET", path, query={k: v for k, v in query.items() if v})
            found.extend(page.get("items") or [])
            query["continue"] = (page.get("metadata") or {}).get("continue") or ""
            if not query["continue"]:
                return found

    async def create(self, path: str, item: Tree) -> Tree:
        """Make an object.

        Raises:
            ApiFailure: it is there already, or cannot be made.
        """
        return await self._ask("POST", path, item)

    async def merge(self, path: str, name: str, patch: Tree, version: str = "") -> Tree:
        """Change an object by a merge patch.

        Args:
            path: of its kind.
            name: of the object.
            patch: what changes.
            version: the `resourceVersion` that it must have; empty for any.

        Raises:
            ApiFailure: it has another (409), or cannot be changed.
        """
        if version:
            metadata = {**patch.get("metadata", {}), "resourceVersion": version}
            patch = {**patch, "metadata": metadata}
        return await self._ask("PATCH", f"{path}/{name}", patch, kind=MERGE)

    async def delete(self, path: str, name: str, uid: str) -> None:
        """Delete an object, if it is still that one.

        Raises:
            ApiFailure: it is another by now (409), or cannot be deleted.
        """
        await self._ask("DELETE", f"{path}/{name}", {"preconditions": {"uid": uid}})

    async def evict(self, namespace: str, name: str, uid: str) -> None:
        """Ask that a pod be evicted, if it is still that one.

        A pod that several budgets choose is refused by an answer 201 whose body is a failure 500.

        Raises:
            ApiFailure: 429 a budget holds it, 403 it may not be, and so on.
        """
        body = {
            "apiVersion": "policy/v1",
            "kind": "Eviction",
            "metadata": {"name": name, "namespace": namespace},
            "deleteOptions": {"preconditions": {"uid": uid}},
        }
        path = f"{pods_in(namespace)}/{name}/eviction"
        answer = await self._ask("POST", path, body)
        if answer.get("status") == "Failure":
            raise _told(f"POST {path}", int(answer.get("code") or 0), answer)

    async def watch(self, path: str, *, fields: str, version: str) -> AsyncIterator[Tree]:
        """The changes of objects, until the server ends the watch.

        Yields:
            Events: ``type`` and ``object``.

        Raises:
            ApiFailure: it cannot be begun, or breaks off.
        """
        query = {
            "watch": "true",
            "fieldSelector": fields,
            "resourceVersion": version,
            "timeoutSeconds": str(WATCH_SECONDS),
        }
        answer = await self._send("GET", path, None, query, patience=_WATCHING, whole=False)
        try:
            if answer.status >= FIRST_ERROR:
                raise ApiFailure(f"watching {path}", answer.status, answer.reason or "")
            async for line in _lines(answer.content):
                yield json.loads(line)
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
            raise ApiFailure(f"watching {path}", 0, str(error)) from error
        finally:
            answer.close()

    async def _ask(
        self,
        method: str,
        path: str,
        body: Tree | None = None,
        *,
        query: Mapping[str, str] | None = None,
        kind: str = "application/json",
    ) -> Tree:
        found = await self._send(method, path, body, query or {}, kind=kind)
        return found if isinstance(found, dict) else {}

    async def _send(
        self,
        method: str,
        path: str,
        body: Tree | None,
        query: Mapping[str, str],
        *,
        kind: str = "application/json",
        patience: aiohttp.ClientTimeout = _PATIENCE,
        whole: bool = True,
    ) -> Any:  # noqa: ANN401 - JSON, or an answer to be read bit by bit
        what = f"{method} {path}"
        try:
            return await self._api.call_api(
                path,
                method,
                query_params=list(query.items()),
                header_params={"Accept": "application/json", "Content-Type": kind},
                body=body,
                response_types_map=_JSON,
                auth_settings=["BearerToken"],
                _return_http_data_only=True,
                _preload_content=whole,
                _request_timeout=patience,
            )
        except ApiException as error:
            raise _failure(what, error) from error
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise ApiFailure(what, 0, str(error) or type(error).__name__) from error


def pods_in(namespace: str) -> str:
    """Where the pods of a namespace are."""
    return f"/api/v1/namespaces/{namespace}/pods"


def events_in(namespace: str) -> str:
    """Where the events of a namespace are."""
    return f"/api/v1/namespaces/{namespace}/events"


async def _lines(content: aiohttp.StreamReader) -> AsyncIterator[bytes]:
    """Whole lines; those of events may be longer than the reader's own limit."""
    rest = b""
    async for piece in content.iter_any():
        *whole, rest = (rest + piece).split(b"\n")
        if len(rest) > _LONGEST_LINE:
            raise ValueError("a line without end")
        for line in whole:
            if line.strip():
                yield line


def _failure(what: str, error: ApiException) -> ApiFailure:
    said = error.body if isinstance(error.body, str) else ""
    try:
        tree = json.loads(said or "{}")
    except ValueError:
        tree = {}
    if not isinstance(tree, dict):
        tree = {}
    return _told(what, int(error.status or 0), tree, error.reason or said[:200])


def _told(what: str, status: int, tree: Tree, otherwise: str = "") -> ApiFailure:
    """A failure as the server's `Status` tells it."""
    causes = tuple(
        Cause(str(each.get("reason") or ""), str(each.get("message") or ""))
        for each in (tree.get("details") or {}).get("causes") or []
    )
    return ApiFailure(what, status, str(tree.get("message") or otherwise), causes)
