"""HTTP over the service's socket: one request, one connection, one answer."""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from updog.apiclient.errors import ClientError, NoService, Refused

ANSWER_LIMIT = 64 << 20
FIRST_ERROR = 400


class Answer(NamedTuple):
    """What the service said.

    Attributes:
        status: HTTP status.
        reason: its words.
        headers: by name, in lower case.
        body: as text.
    """

    status: int
    reason: str
    headers: Mapping[str, str]
    body: str

    def tree(self) -> Any:  # noqa: ANN401 - whatever the service says
        """The body as JSON.

        Raises:
            ClientError: it is none.
        """
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError) as error:
            raise ClientError(f"The service did not answer in JSON: {error}.") from error


class Connection(NamedTuple):
    """The way to a service.

    Attributes:
        path: its socket.
        timeout: seconds that one answer may take.
        told: gets a line about each answer, where somebody wants to see them.
    """

    path: Path
    timeout: float
    told: Callable[[str], object] | None = None

    def ask(self, method: str, uri: str, data: str | None = None) -> Answer:
        """Send a request.

        Args:
            method: GET, POST and so on.
            uri: path and query.
            data: a body, in JSON.

        Raises:
            NoService: nobody answered.
            Refused: the answer is an error.
        """
        wire = _Wire(self.path, self.timeout)
        headers = {} if data is None else {"Content-Type": "application/json"}
        try:
            wire.request(method, uri, None if data is None else data.encode(), headers)
            got = wire.getresponse()
            body = got.read(ANSWER_LIMIT).decode(errors="replace")
        except (OSError, http.client.HTTPException) as error:
            said = getattr(error, "strerror", None) or str(error) or type(error).__name__
            hint = "See whether the service runs: systemctl status updog-api.service"
            raise NoService(f"No answer on {self.path}: {said}.", hint=hint) from error
        finally:
            wire.close()
        if self.told is not None:
            self.told(f"{method} {uri}: {got.status} {got.reason}\n")
        if got.status >= FIRST_ERROR:
            raise Refused(got.status, method, uri, body.strip())
        named = {name.lower(): value for name, value in got.getheaders()}
        return Answer(got.status, got.reason, named, body)


class _Wire(http.client.HTTPConnection):
    """HTTP as the standard library speaks it, through a file instead of a port."""

    def __init__(self, path: Path, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))
