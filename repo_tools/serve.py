"""A small HTTP server for trying a repository out on one's own machine.

It knows what an update client asks for: GET and HEAD, one byte range, ``If-Range`` and
``If-None-Match`` by hash, connections that stay open, query parameters that mean nothing here. It
gives plain files below ``published/`` and nothing else: no listings, no hidden files, no links that
lead out. For a fleet use a real web server or a bucket; the same folder is all they need.
"""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from hashlib import file_digest
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BufferedReader
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import unquote, urlsplit

from repo_tools import byterange
from repo_tools.byterange import OutOfRange, Part

Log: TypeAlias = Callable[[str], None]
LOOPBACK = "127.0.0.1"
_CHUNK = 1 << 18
_HASHED_NAME = re.compile(r"([0-9a-f]{64})\..+", re.ASCII)


def silent(_line: str) -> None:
    """Log nothing."""


class Server(ThreadingHTTPServer):
    """Serves the files below one folder.

    Args:
        folder: usually ``published/`` of a repository.
        host: address to listen on.
        port: 0 takes any free one.
        log: told one line for each request.
    """

    daemon_threads = True
    request_queue_size = 128

    def __init__(
        self, folder: Path, *, host: str = LOOPBACK, port: int = 0, log: Log = silent
    ) -> None:
        self.log = log
        handler = partial(_Handler, folder=folder.resolve(strict=True), log=log)
        super().__init__((host, port), handler)

    @property
    def url(self) -> str:
        """Where it listens, without a slash at the end."""
        host, port = self.server_address[:2]
        return f"http://{host!s}:{port}"

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ANN401, ARG002
        """A client that went away is no event worth more than a line."""
        self.log(f"{client_address[0]} broke off")


@contextmanager
def serving(
    folder: Path, *, host: str = LOOPBACK, port: int = 0, log: Log = silent
) -> Iterator[str]:
    """Serve ``folder`` in the background for the length of the block; gives the URL.

    Raises:
        OSError: the port is taken, or the folder is not there.
    """
    with Server(folder, host=host, port=port, log=log) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield server.url
        finally:
            server.shutdown()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    """One connection, which may carry many requests."""

    protocol_version = "HTTP/1.1"
    server_version = "updog-repo"
    sys_version = ""
    # A connection that stays silent this long, in seconds, is closed.
    timeout = 60.0
    # Headers and a short body leave together; without this, small answers wait for each other.
    wbufsize = -1
    disable_nagle_algorithm = True

    def __init__(self, *args: Any, folder: Path, log: Log) -> None:  # noqa: ANN401
        self._folder = folder
        self._log = log
        super().__init__(*args)

    def do_GET(self) -> None:
        """Answer with a file or a part of it."""
        self._answer(with_body=True)

    def do_HEAD(self) -> None:
        """Answer with the headers that GET would have."""
        self._answer(with_body=False)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002, ANN401
        """Pass a line on to whoever wants to see it."""
        self._log(f"{self.address_string()} {format % args}")

    def _answer(self, *, with_body: bool) -> None:
        path = _inside(self._folder, self.path)
        if path is None:
            self._refuse(HTTPStatus.NOT_FOUND)
            return
        # One open file for length, hash and bytes: a publish may replace the name in between.
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            tag = _tag(path, file)
            if self.headers.get("If-None-Match") == tag:
                self._headers(HTTPStatus.NOT_MODIFIED, tag, None)
                return
            try:
                part = self._part(tag, size)
            except OutOfRange:
                self._refuse(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, f"bytes */{size}")
                return
            self._send(file, part, size, tag, with_body=with_body)

    def _part(self, tag: str, size: int) -> Part | None:
        """The part asked for; None where the whole file is the right answer."""
        if self.headers.get("If-Range", tag) != tag:
            return None
        return byterange.parse(self.headers.get("Range"), size)

    def _send(
        self, file: BufferedReader, part: Part | None, size: int, tag: str, *, with_body: bool
    ) -> None:
        status = HTTPStatus.OK if part is None else HTTPStatus.PARTIAL_CONTENT
        shown = part or Part(0, size - 1)
        span = None if part is None else f"bytes {part.first}-{part.last}/{size}"
        self._headers(status, tag, shown.length, span)
        if with_body:
            self._copy(file, shown)

    def _headers(
        self, status: HTTPStatus, tag: str, length: int | None, span: str | None = None
    ) -> None:
        self.send_response(status)
        self.send_header("ETag", tag)
        self.send_header("Accept-Ranges", "bytes")
        if length is not None:
            self.send_header("Content-Type", "application/octet-stream")
            self.send_header("Content-Length", str(length))
        if span is not None:
            self.send_header("Content-Range", span)
        self.end_headers()

    def _refuse(self, status: HTTPStatus, span: str | None = None) -> None:
        """Say no and keep the connection: each refresh of a client ends with a root not there."""
        self.send_response(status)
        if span is not None:
            self.send_header("Content-Range", span)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _copy(self, file: BufferedReader, part: Part) -> None:
        file.seek(part.first)
        left = part.length
        while left and (chunk := file.read(min(_CHUNK, left))):
            self.wfile.write(chunk)
            left -= len(chunk)


def _inside(folder: Path, request_path: str) -> Path | None:
    """The plain file that a request names, if it lies below ``folder`` by every reading."""
    parts = unquote(urlsplit(request_path).path).split("/")
    names = parts[1:]
    if any(not name or name.startswith(".") or "\\" in name or "\0" in name for name in names):
        return None
    try:
        path = folder.joinpath(*names).resolve()
        return path if path.is_relative_to(folder) and path.is_file() else None
    except OSError:
        return None


def _tag(path: Path, file: BufferedReader) -> str:
    """The entity tag: the hash that the name carries, or that of the (small) metadata file."""
    if match := _HASHED_NAME.fullmatch(path.name):
        return f'"{match[1]}"'
    return f'"{file_digest(file, "sha256").hexdigest()}"'
