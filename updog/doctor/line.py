"""The way to a server, step by step, so that it shows which step fails: DNS, TCP, proxy, TLS."""

from __future__ import annotations

import socket
import ssl
from base64 import b64encode
from collections.abc import Iterator
from contextlib import closing, suppress
from datetime import datetime
from email.utils import parsedate_to_datetime
from http.client import HTTPConnection, HTTPException, RemoteDisconnected
from urllib.parse import unquote, urlsplit

from updog import tls
from updog.doctor.certificates import about_refused, about_verified
from updog.doctor.check import Check, fail, ok, warn
from updog.doctor.clockcheck import against_server
from updog.doctor.route import Endpoint, Route
from updog.errors import UnreachableError
from updog.wire import FetchSettings

_ANSWER_LIMIT = 1 << 16
_PROXY_TODO = "Check https_proxy, no_proxy, and the proxy variables of the environment."
_DNS_TODO = "Check the address in the configuration, and this machine's DNS."


class _Stop(Exception):
    """A step failed: those after it would only repeat that.

    Args:
        check: the failure.
    """

    def __init__(self, check: Check) -> None:
        super().__init__()
        self.check = check


def walk(route: Route, settings: FetchSettings, now: datetime) -> Iterator[Check]:
    """Go to a server as far as it goes.

    Args:
        route: the way.
        settings: time limits and certificates.
        now: for what expires, and to compare with the server's clock.

    Raises:
        ConfigError: a certificate file of the configuration cannot be used.
    """
    context = tls.context(settings) if route.server.scheme == "https" else None
    try:
        check, addresses = _resolve(route)
        yield check
        check, line = _connect(route, addresses, settings.timeout_connect)
        yield check
        with closing(line):
            if route.proxy is not None and route.proxy.scheme == "https":
                # TLS inside TLS: what lies behind shows when the metadata is asked for.
                yield ok("proxy", f"{route.proxy} speaks TLS itself; not looked behind")
                return
            if route.proxy is not None and context is not None:
                yield _tunnel(line, route)
            yield from _talk(line, route, context, settings, now)
    except _Stop as stop:
        yield stop.check


def _resolve(route: Route) -> tuple[Check, list[str]]:
    host = route.first.host
    try:
        found = socket.getaddrinfo(host, route.first.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        said = f"{host} cannot be resolved: {getattr(error, 'strerror', None) or error}"
        todo = _PROXY_TODO if route.proxy else _DNS_TODO
        raise _Stop(fail("dns", said, todo, UnreachableError)) from error
    addresses = list(dict.fromkeys(str(one[4][0]) for one in found))
    return ok("dns", f"{host} is {', '.join(addresses)}"), addresses


def _connect(route: Route, addresses: list[str], timeout: float) -> tuple[Check, socket.socket]:
    """Connect to the first address that answers; the others are named if they do not."""
    refused: list[str] = []
    for address in addresses:
        try:
            line = socket.create_connection((address, route.first.port), timeout)
        except OSError as error:
            refused.append(f"{address}: {_reason(error)}")
            continue
        said = f"{_named(route)} answers at {address}"
        if not refused:
            return ok("tcp", said), line
        todo = "Each connection loses time there; mend that address or take it out of DNS."
        return warn("tcp", f"{said}, but not at {'; '.join(refused)}", todo), line
    todo = _PROXY_TODO if route.proxy else "Check the server, the port, and firewalls between."
    said = f"{_named(route)} cannot be reached: {'; '.join(refused)}"
    raise _Stop(fail("proxy" if route.proxy else "tcp", said, todo, UnreachableError))


def _named(route: Route) -> str:
    return f"the proxy {route.proxy}" if route.proxy else str(route.server)


def _reason(error: OSError) -> str:
    if isinstance(error, TimeoutError):
        return "no answer in time"
    return (error.strerror or str(error)).lower()


def _tunnel(line: socket.socket, route: Route) -> Check:
    """Ask the proxy for a way to the server."""
    request = (
        f"CONNECT {route.server} HTTP/1.1\r\nHost: {route.server}\r\n{_credentials(route)}\r\n"
    )
    try:
        line.sendall(request.encode())
        status = _status(line)
    except OSError as error:
        said = f"the proxy {route.proxy} breaks off: {_reason(error)}"
        raise _Stop(fail("proxy", said, _PROXY_TODO, UnreachableError)) from error
    if status.split(" ")[1:2] != ["200"]:
        said = f"the proxy {route.proxy} refuses to connect to {route.server}: {status!r}"
        raise _Stop(fail("proxy", said, _PROXY_TODO, UnreachableError))
    return ok("proxy", f"{route.proxy} connects to {route.server}")


def _credentials(route: Route) -> str:
    if not route.authorization:
        return ""
    told = b64encode(unquote(route.authorization).encode()).decode()
    return f"Proxy-Authorization: Basic {told}\r\n"


def _status(line: socket.socket) -> str:
    """The first line of an answer, read up to the end of its headers and not beyond."""
    answer = b""
    while b"\r\n\r\n" not in answer and len(answer) < _ANSWER_LIMIT:
        byte = line.recv(1)
        if not byte:
            break
        answer += byte
    return answer.partition(b"\r\n")[0].decode("latin-1")


def _talk(
    line: socket.socket,
    route: Route,
    context: ssl.SSLContext | None,
    settings: FetchSettings,
    now: datetime,
) -> Iterator[Check]:
    if context is None:
        yield ok("tls", f"{route.server} is asked without TLS; signatures protect what it sends")
        yield against_server(now, str(route.server), _date(line, route))
        return
    check, secured = _handshake(line, route, context, settings, now)
    with closing(secured):
        yield check
        yield against_server(now, str(route.server), _date(secured, route))


def _handshake(
    line: socket.socket,
    route: Route,
    context: ssl.SSLContext,
    settings: FetchSettings,
    now: datetime,
) -> tuple[Check, ssl.SSLSocket]:
    line.settimeout(settings.timeout_stall)
    server = route.server
    try:
        secured = context.wrap_socket(line, server_hostname=server.host)
        tls.check_pins(secured, settings.pins)
    except ssl.SSLCertVerificationError as error:
        shown = _shown(route, settings)
        raise _Stop(about_refused(error, str(server), shown, now)) from error
    except OSError as error:
        raise _Stop(_broken(error, server)) from error
    return about_verified(secured, str(server), now), secured


def _broken(error: OSError, server: Endpoint) -> Check:
    reason = getattr(error, "reason", "") or _reason(error)
    if reason in {"WRONG_VERSION_NUMBER", "HTTP_REQUEST"}:
        said, todo = f"{server} does not speak TLS", "Check the port, or use an http address."
    elif "ALERT" in str(reason):
        said = f"{server} refuses us: {reason}"
        todo = "It may ask for a certificate: set client_cert and client_key."
    else:
        said = f"{server} breaks TLS off: {reason}"
        todo = "Check the server; if it asks for a certificate, set client_cert and client_key."
    return fail("tls", said, todo, UnreachableError)


def _shown(route: Route, settings: FetchSettings) -> bytes:
    """The certificate that was refused, for the message; asked for once more, believing nothing."""
    blind = ssl.create_default_context()
    blind.check_hostname, blind.verify_mode = False, ssl.CERT_NONE
    with suppress(OSError, _Stop):
        address = (route.first.host, route.first.port)
        with socket.create_connection(address, settings.timeout_connect) as line:
            if route.proxy is not None:
                _tunnel(line, route)
            with blind.wrap_socket(line, server_hostname=route.server.host) as secured:
                return secured.getpeercert(binary_form=True) or b""
    return b""


def _date(line: socket.socket, route: Route) -> datetime | None:
    """What time the server says it is, if it does."""
    connection = HTTPConnection(route.server.host, route.server.port)
    connection.sock = line
    absolute = route.proxy is not None and route.server.scheme == "http"
    try:
        connection.request("HEAD", route.url if absolute else urlsplit(route.url).path or "/")
        answer = connection.getresponse()
        return parsedate_to_datetime(answer.getheader("Date", ""))
    except RemoteDisconnected:
        # It may not know HEAD.
        return None
    except (ssl.SSLError, ConnectionError) as error:
        # In TLS 1.3 a server that wants our certificate says so only after the handshake, and what
        # it says may be lost when it hangs up.
        if route.server.scheme == "http":
            return None
        raise _Stop(_broken(error, route.server)) from error
    except (OSError, HTTPException, ValueError):
        return None
