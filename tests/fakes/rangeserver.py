"""A real HTTP server on loopback with one file, and a choice of what it knows about ranges."""

from __future__ import annotations

import re
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

_SLICE = 64 << 10


class Knows(Enum):
    MANY = "many"
    """Answers several ranges with a multipart."""
    ONE = "one"
    """Answers several ranges with the whole file."""
    NONE = "none"
    """Answers everything with the whole file."""


@dataclass
class Served:
    """One file on a server.

    Attributes:
        content: the file.
        knows: which ranges are answered.
        cut_after: close the connection after that many bytes of a body, for the next answers.
        cuts: how many answers to cut.
        asked: the ``Range`` header of each request.
        sent: bytes of bodies that left, those on their way to a client that was killed included.
    """

    content: bytes
    knows: Knows = Knows.MANY
    cut_after: int = 0
    cuts: int = 0
    asked: list[str] = field(default_factory=list)
    sent: int = 0
    url: str = ""
    lock: threading.Lock = field(default_factory=threading.Lock)


@contextmanager
def serving(served: Served) -> Iterator[Served]:
    """Serve until the block ends."""
    handler = type("Handler", (_Handler,), {"served": served})
    with _Server(("127.0.0.1", 0), handler) as server:
        served.url = f"http://127.0.0.1:{server.server_port}/file"
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield served
        finally:
            server.shutdown()
            thread.join()


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing about clients that were killed."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]


class _Handler(BaseHTTPRequestHandler):
    served: Served
    protocol_version = "HTTP/1.1"

    def setup(self) -> None:
        # What waits on this side has not been sent: hold little of it, so that the count is right.
        self.request.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SLICE)
        super().setup()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
        pass

    def do_GET(self) -> None:
        asked = self.headers.get("Range", "")
        self.served.asked.append(asked)
        ranges = [(int(a), int(b)) for a, b in re.findall(r"(\d+)-(\d+)", asked)]
        if len(ranges) > 1 and self.served.knows is Knows.MANY:
            self._parts(ranges)
        elif len(ranges) == 1 and self.served.knows is not Knows.NONE:
            self._part(*ranges[0])
        else:
            self._body(200, {}, self.served.content)

    def _part(self, first: int, last: int) -> None:
        total = len(self.served.content)
        header = {"Content-Range": f"bytes {first}-{last}/{total}"}
        self._body(206, header, self.served.content[first : last + 1])

    def _parts(self, ranges: list[tuple[int, int]]) -> None:
        total = len(self.served.content)
        body = b""
        for first, last in ranges:
            head = (
                f"\r\n--BOUND\r\nContent-Type: x/y\r\nContent-Range: bytes {first}-{last}/{total}"
            )
            body += head.encode() + b"\r\n\r\n" + self.served.content[first : last + 1]
        kind = {"Content-Type": "multipart/byteranges; boundary=BOUND"}
        self._body(206, kind, body + b"\r\n--BOUND--\r\n")

    def _body(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.served.cuts and self.served.cut_after < len(body):
            self.served.cuts -= 1
            body = body[: self.served.cut_after]
            self.close_connection = True
        view = memoryview(body)
        try:
            while view:
                count = self.connection.send(view[:_SLICE])
                with self.served.lock:
                    self.served.sent += count
                view = view[count:]
        except OSError:
            # The client has what it wanted and hung up, or was killed.
            self.close_connection = True
