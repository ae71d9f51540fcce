"""A small HTTP server for trying a repository out on one's own machine.

It knows what an update client asks for: GET and HEAD, byte ranges, ``If-Range`` and
``If-None-Match`` by hash, connections that stay open, query parameters that mean nothing here. It
gives plain files below ``published/`` and nothing else: no listings, no hidden files, no links that
lead out. For a fleet use a real web server or a bucket; the same folder is all they need.
"""

from __future__ import annotations

import os
import re
import secrets
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from hashlib import file_digest
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BufferedReader
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import unquote, urlsplit

from repo_tools import byterange
from repo_tools.byterange import Multipart, OutOfRange, Part, content_range

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


@dataclass(frozen=True, slots=True)
class _Body:
    """What an answer carries.

    Attributes:
        pieces: parts of the file, each with what goes before it.
        length: of all, in bytes.
        content_range: of a single part; empty otherwise.
        end: what goes behind the last piece.
    """

    pieces: Sequence[tuple[bytes, Part]]
    length: int
    content_type: str = "application/octet-stream"
    content_range: str = ""
    end: bytes = b""


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
                parts = self._parts(tag, size)
            except OutOfRange:
                self._refuse(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, f"bytes */{size}")
                return
            body = _body(parts, size)
            self._headers(HTTPStatus.OK if parts is None else HTTPStatus.PARTIAL_CONTENT, tag, body)
            if with_body:
                self._send(file, body)

    def _parts(self, tag: str, size: int) -> tuple[Part, ...] | None:
        """The parts asked for; None where the whole file is the right answer."""
        if self.headers.get("If-Range", tag) != tag:
            return None
        return byterange.parse(self.headers.get("Range"), size)

    def _send(self, file: BufferedReader, body: _Body) -> None:
        for head, part in body.pieces:
            self.wfile.write(head)
            self._copy(file, part)
        self.wfile.write(body.end)

    def _headers(self, status: HTTPStatus, tag: str, body: _Body | None) -> None:
        self.send_response(status)
        self.send_header("ETag", tag)
        self.send_header("Accept-Ranges", "bytes")
        if body is not None:
            self.send_header("Content-Type", body.content_type)
            self.send_header("Content-Length", str(body.length))
            if body.content_range:
                self.send_header("Content-Range", body.content_range)
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


def _body(parts: tuple[Part, ...] | None, size: int) -> _Body:
    """The whole file, one part of it, or several."""
    if parts is None:
        return _Body([(b"", Part(0, size - 1))], size)
    if len(parts) == 1:
        (part,) = parts
        return _Body([(b"", part)], part.length, content_range=content_range(part, size))
    many = Multipart(parts, size, secrets.token_hex(16))
    pieces = [(many.head(part), part) for part in parts]
    return _Body(pieces, many.length, many.content_type, end=many.end)


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
