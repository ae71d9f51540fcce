"""The wire by the standard library: straight to the server, in a fraction of the start-up time.

It goes nowhere by proxy; `updog.fetch` chooses it only where none is set.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
import time
import weakref
from collections.abc import Mapping
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from typing import TypeAlias
from urllib.parse import SplitResult, urlsplit

from updog import tls
from updog.headway import Monotonic, watched
from updog.wire import BadAddress, FetchSettings, WireError
from updog.wirefault import Doing, failure

_FAILURES = (HTTPException, OSError, ValueError)
_KEPT_EACH = 4
_Host: TypeAlias = tuple[str, str]


class PlainWire:
    """Connections by host, kept while the server keeps them; several threads may ask at once.

    Args:
        settings: time limits, certificates, pins.
        monotonic: tells seconds that never step back.
    """

    def __init__(self, settings: FetchSettings, monotonic: Monotonic = time.monotonic) -> None:
        self._settings = settings
        floor = int(settings.slowest * settings.timeout_stall)
        self._response = watched(settings.timeout_stall, floor, monotonic)
        self._idle = _Idle()
        # Whoever forgets to close us still leaves no open sockets behind.
        weakref.finalize(self, self._idle.close)
        self._tls: ssl.SSLContext | None = None

    def ask(self, address: str, headers: Mapping[str, str]) -> _PlainAnswer:
        """Send one GET (see `updog.wire.Wire`)."""
        try:
            parts = urlsplit(address)
            kept = self._idle.take(parts[:2])
            if kept is not None and (answer := self._again(kept, parts, headers)) is not None:
                return answer
        except _FAILURES as error:
            raise failure(error) from error
        connection = self._connected(parts)
        try:
            return self._send(connection, parts, headers)
        except _FAILURES as error:
            raise failure(error) from error

    def close(self) -> None:
        """Give up the connections kept alive."""
        self._idle.close()

    def _again(
        self, kept: HTTPConnection, parts: SplitResult, headers: Mapping[str, str]
    ) -> _PlainAnswer | None:
        """Use a kept connection; None if the server has closed it meanwhile, which is no fault."""
        try:
            return self._send(kept, parts, headers)
        except TimeoutError:
            raise
        except _FAILURES:
            return None

    def _connected(self, parts: SplitResult) -> HTTPConnection:
        try:
            connection = self._made(parts)
        except _FAILURES as error:
            raise BadAddress(str(error)) from error
        try:
            connection.connect()
            if parts.scheme == "https":
                tls.check_pins(connection.sock, self._settings.pins)
        except BaseException as error:
            connection.close()
            if isinstance(error, _FAILURES):
                raise failure(error, Doing.CONNECTING) from error
            raise
        connection.sock.settimeout(self._settings.timeout_stall)
        return connection

    def _made(self, parts: SplitResult) -> HTTPConnection:
        if not parts.hostname:
            raise ValueError("the address names no host")
        limit = self._settings.timeout_connect
        connection: HTTPConnection
        if parts.scheme == "https":
            context = self._context()
            connection = HTTPSConnection(parts.hostname, parts.port, timeout=limit, context=context)
        else:
            connection = HTTPConnection(parts.hostname, parts.port, timeout=limit)
        # Set on the object, where the library looks for it: a class of its own would do no more.
        connection.response_class = self._response
        return connection

    def _send(
        self, connection: HTTPConnection, parts: SplitResult, headers: Mapping[str, str]
    ) -> _PlainAnswer:
        target = f"{parts.path or '/'}?{parts.query}" if parts.query else parts.path or "/"
        try:
            connection.request("GET", target, headers=dict(headers))
            answer = connection.getresponse()
        except BaseException:
            connection.close()
            raise
        return _PlainAnswer(self._idle, parts[:2], connection, answer)

    def _context(self) -> ssl.SSLContext:
        if self._tls is None:
            self._tls = tls.context(self._settings)
        return self._tls


class _Idle:
    """Connections that wait for their next request, by host."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: dict[_Host, list[HTTPConnection]] = {}

    def take(self, host: _Host) -> HTTPConnection | None:
        with self._lock:
            waiting = self._waiting.get(host)
            return waiting.pop() if waiting else None

    def put(self, host: _Host, connection: HTTPConnection) -> None:
        with self._lock:
            waiting = self._waiting.setdefault(host, [])
            if len(waiting) < _KEPT_EACH:
                waiting.append(connection)
                return
        connection.close()

    def close(self) -> None:
        with self._lock:
            waiting, self._waiting = self._waiting, {}
        for connections in waiting.values():
            for connection in connections:
                connection.close()


class _PlainAnswer:
    def __init__(
        self, idle: _Idle, host: _Host, connection: HTTPConnection, answer: HTTPResponse
    ) -> None:
        self._idle = idle
        self._host = host
        self._connection: HTTPConnection | None = connection
        self._answer = answer

    @property
    def status(self) -> int:
        return self._answer.status

    def header(self, name: str) -> str:
        return self._answer.getheader(name, "")

    def read1(self, amount: int) -> bytes:
        try:
            data = self._answer.read1(amount)
        except _FAILURES as error:
            raise WireError(str(failure(error))) from error
        # An end before the promised length comes as silently as the right one.
        if not data and self._answer.length:
            raise WireError(f"{self._answer.length} bytes are missing")
        return data

    def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is None:
            return
        # No length left, or closed by the last chunk: nothing of this answer is on the way any
        # more, and the connection can carry the next.
        done = self._answer.length == 0 or self._answer.isclosed()
        keep = done and not self._answer.will_close
        self._answer.close()
        if keep:
            self._idle.put(self._host, connection)
        else:
            connection.close()

    def stop(self) -> None:
        """End the transfer now, from any thread: whoever waits for its next bytes is woken."""
        connection = self._connection
        # Taken once: the thread that reads may close it meanwhile.
        sock = None if connection is None else connection.sock
        if sock is not None:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
