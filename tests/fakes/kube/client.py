"""Plain requests to the server, for tests of what goes over the wire."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple
from urllib.parse import urlencode, urlsplit

from tests.fakes.kube.server import LONG, MERGE

JSON = "application/json"


class Answer(NamedTuple):
    """What came back."""

    code: int
    headers: dict[str, str]
    body: Any

    @property
    def reason(self) -> str:
        return str(self.body.get("reason", ""))


class Client:
    """Requests to one server, each on a connection of its own."""

    def __init__(self, url: str, token: str | None = None) -> None:
        self._port = urlsplit(url).port
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}

    def ask(
        self,
        method: str,
        path: str,
        body: object = None,
        kind: str = "application/json",
        **query: Any,
    ) -> Answer:
        """Send a request and read its answer."""
        wire = http.client.HTTPConnection("127.0.0.1", self._port, timeout=LONG)
        try:
            sent = None if body is None else json.dumps(body)
            headers = {**self._headers, "Content-Type": kind}
            wire.request(method, f"{path}?{urlencode(query)}", sent, headers)
            got = wire.getresponse()
            named = {name.lower(): value for name, value in got.getheaders()}
            return Answer(got.status, named, json.loads(got.read() or b"{}"))
        finally:
            wire.close()

    def get(self, path: str, **query: Any) -> Answer:
        return self.ask("GET", path, **query)

    def merge(self, path: str, body: object) -> Answer:
        return self.ask("PATCH", path, body, MERGE)

    @contextmanager
    def watching(self, path: str, **query: Any) -> Iterator[Iterator[Any]]:
        """The events of a watch, as they come; the connection is open when this returns."""
        wire = http.client.HTTPConnection("127.0.0.1", self._port, timeout=LONG)
        try:
            said = urlencode({"watch": "1", **query})
            wire.request("GET", f"{path}?{said}", headers=self._headers)
            got = wire.getresponse()
            assert got.status == 200, got.read()
            yield (json.loads(line) for line in got)
        finally:
            wire.close()
