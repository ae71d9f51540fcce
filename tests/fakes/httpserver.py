"""A real HTTP server on loopback that misbehaves as a test's script says."""

from __future__ import annotations

import http.server
import re
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType


class Exchange(http.server.BaseHTTPRequestHandler):
    """One request, answered by the script."""

    protocol_version = "HTTP/1.1"
    server: Server

    def do_GET(self) -> None:  # the name is the library's
        self.server.log.append((self.path, self.headers.get("Range", "")))
        self.server.connections.add(self.client_address)
        self.server.script(self)

    def reply(
        self,
        status: int,
        body: bytes = b"",
        *,
        length: int | None = None,
        headers: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        """Answer at once; `length` may lie about the body."""
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()
        if length is not None and length > len(body):
            self.close_connection = True

    def wanted_offset(self) -> int:
        told = self.headers.get("Range", "")
        return int(told.removeprefix("bytes=").removesuffix("-")) if told else 0

    def wanted_part(self, length: int) -> slice | None:
        """The one range that is asked for; None for the whole file, also where it is several."""
        found = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if found is None:
            return None
        return slice(int(found[1]), min(length, int(found[2] or length) + 1))

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
        del format, args


Script = Callable[[Exchange], None]


class Server(http.server.ThreadingHTTPServer):
    """The server; `script` answers each request, `log` holds path and Range of each."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, script: Script) -> None:
        super().__init__(("127.0.0.1", 0), Exchange)
        self.script = script
        self.log: list[tuple[str, str]] = []
        self.connections: set[object] = set()
        self.stop_stalling = threading.Event()
        self.scheme = "http"

    @property
    def base(self) -> str:
        return f"{self.scheme}://localhost:{self.server_address[1]}"

    def handle_error(self, request: object, client_address: object) -> None:
        # Clients that hang up in mid-answer are the point of these tests.
        del request, client_address


@contextmanager
def serving(
    script: Script, certificate: Path | None = None, *, clients: Path | None = None
) -> Iterator[Server]:
    """Serve while the block runs; with TLS, and asking for client certificates, where given."""
    server = Server(script)
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        if clients is not None:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(clients)
        server.socket = context.wrap_socket(server.socket, server_side=True)
        server.scheme = "https"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        server.stop_stalling.set()
        server.shutdown()
        server.server_close()
        thread.join()


@dataclass
class Answers:
    """A script that gives its answers in turn, the last one again and again."""

    answers: list[Script] = field(default_factory=list)

    def __call__(self, exchange: Exchange) -> None:
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        answer(exchange)
