"""The `requests` library through a Unix socket."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection
from urllib3.connectionpool import HTTPConnectionPool

TIMEOUT = 30.0


class _Connection(HTTPConnection):
    path: Path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(TIMEOUT)
        self.sock.connect(str(self.path))


class UnixAdapter(HTTPAdapter):
    """Sends every request to one socket, whatever the host in its address."""

    def __init__(self, path: Path) -> None:
        kind = type("Connection", (_Connection,), {"path": path})
        self._pool = HTTPConnectionPool("localhost")
        self._pool.ConnectionCls = kind
        super().__init__()

    def get_connection_with_tls_context(
        self,
        request: requests.PreparedRequest,
        verify: bool | str | None,  # noqa: FBT001 - the library's own
        proxies: Mapping[str, str] | None = None,
        cert: Any = None,
    ) -> HTTPConnectionPool:
        del request, verify, proxies, cert
        return self._pool

    def close(self) -> None:
        self._pool.close()
        super().close()


def session(path: Path) -> requests.Session:
    """A session whose every request goes to the socket."""
    made = requests.Session()
    made.trust_env = False
    made.mount("http://", UnixAdapter(path))
    return made
