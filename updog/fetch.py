"""HTTP, with every way it can fail turned into one of our errors.

A slow link that moves is waited for; a dead one ends: there is a limit for connecting and one for
the silence between two reads, none for the whole transfer. Bytes are taken as they were sent: a
``Content-Encoding`` would make them other bytes than those that were signed, so it is refused.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterator
from http import HTTPStatus
from typing import TypeAlias, TypeVar
from urllib.parse import urljoin, urlsplit

from updog.body import CHUNK, Body, Fetcher, OneBody, read_capped, too_long
from updog.errors import ConfigError, CutShort, NotThere, UnreachableError
from updog.localfetch import LocalFetcher
from updog.wire import Answer, FetchSettings, TlsError, Wire, WireError

__all__ = ["Body", "FetchSettings", "Fetcher", "HttpFetcher"]

T = TypeVar("T")
_Make: TypeAlias = Callable[[FetchSettings], Wire]

_REDIRECT_LIMIT = 5
_REDIRECTS = {301, 302, 303, 307, 308}
_ABSENT = {HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND, HTTPStatus.GONE}
_WORTH_RETRYING = {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS}
_CONTENT_RANGE = re.compile(r"bytes (\d{1,19})-(\d{1,19})/(?:\d{1,19}|\*)", re.ASCII)
_SHORT_BODY = 1 << 16
_FIRST_WAIT = 0.2
_LONGEST_WAIT = 10.0
_LONGEST_RETRY_AFTER = 60.0
_DEFAULTS = FetchSettings()
_EVERYWHERE = {"Accept": "*/*", "Accept-Encoding": "identity", "User-Agent": "updog"}


class _TryAgain(UnreachableError):
    """An answer that may be better next time.

    Args:
        message: what happened.
        after: seconds that the server asked us to wait, or 0.
    """

    def __init__(self, message: str, after: float = 0.0) -> None:
        super().__init__(message)
        self.after = after


class HttpFetcher:
    """Gets files over HTTP and HTTPS, and from ``file://`` addresses.

    Args:
        settings: time limits, certificates, headers, proxies.
        sleep: waits that many seconds between two attempts.
        wire: makes the transport for everything; None chooses: the plain one for whole files where
            no proxy is set, requests otherwise.

    Raises:
        ConfigError: a certificate file is missing.
    """

    def __init__(
        self,
        settings: FetchSettings = _DEFAULTS,
        sleep: Callable[[float], None] = time.sleep,
        wire: _Make | None = None,
    ) -> None:
        _check_files(settings)
        self._settings = settings
        self._sleep = sleep
        self._wire = wire
        self._wires: dict[_Make, Wire] = {}
        self._local = LocalFetcher()

    def get(self, url: str, *, max_bytes: int) -> bytes:
        """Return a whole file (see `updog.body.Fetcher`)."""
        if _is_local(url):
            return self._local.get(url, max_bytes=max_bytes)
        wire = self._made(_by_requests if self._needs_requests(url) else _plain)
        return self._attempts(lambda: self._get_once(wire, url, max_bytes))

    def open(self, url: str, *, offset: int = 0) -> Body:
        """Begin to read a file (see `updog.body.Fetcher`)."""
        if _is_local(url):
            return self._local.open(url, offset=offset)
        wire = self._made(_by_requests)
        return self._attempts(lambda: self._open_once(wire, url, offset))

    def close(self) -> None:
        """Give up the connections kept alive."""
        for wire in self._wires.values():
            wire.close()

    # Which way -----------------------------------------------------------------------------------
    def _needs_requests(self, url: str) -> bool:
        proxies = self._settings.proxies
        if proxies is None:
            proxies = {n: v for n, v in os.environ.items() if n.lower().endswith("_proxy") and v}
        return bool(proxies) or "@" in urlsplit(url).netloc

    def _made(self, make: _Make) -> Wire:
        """Make a wire when it is first needed: whoever only asks for updates imports no more."""
        make = self._wire or make
        if make not in self._wires:
            self._wires[make] = make(self._settings)
        return self._wires[make]

    # How often -----------------------------------------------------------------------------------
    def _attempts(self, attempt: Callable[[], T]) -> T:
        wait = _FIRST_WAIT
        for _ in range(self._settings.retries):
            try:
                return attempt()
            except (_TryAgain, CutShort) as error:
                asked = error.after if isinstance(error, _TryAgain) else 0.0
                self._sleep(max(wait, asked))
                wait = min(wait * 2, _LONGEST_WAIT)
        return attempt()

    def _get_once(self, wire: Wire, url: str, max_bytes: int) -> bytes:
        answer = self._request(wire, url, offset=0)
        told = answer.header("Content-Length")
        if told.isdecimal() and int(told) > max_bytes:
            answer.close()
            raise too_long(_shown(url), max_bytes)
        _start(answer, 0, _shown(url))
        return read_capped(_body(answer, 0, url), _shown(url), max_bytes)

    def _open_once(self, wire: Wire, url: str, offset: int) -> OneBody:
        answer = self._request(wire, url, offset=offset)
        return _body(answer, _start(answer, offset, _shown(url)), url)

    # One request ---------------------------------------------------------------------------------
    def _request(self, wire: Wire, url: str, *, offset: int) -> Answer:
        """Follow redirects to a usable answer."""
        address = url
        for _ in range(_REDIRECT_LIMIT + 1):
            answer = _ask(wire, address, self._headers(url, address, offset))
            if answer.status not in _REDIRECTS:
                return _usable(answer, _shown(url))
            location = answer.header("Location")
            _discard(answer)
            address = _next_address(address, location)
        raise UnreachableError(f"{_shown(url)} redirects more than {_REDIRECT_LIMIT} times")

    def _headers(self, url: str, address: str, offset: int) -> dict[str, str]:
        same_host = urlsplit(url)[:2] == urlsplit(address)[:2]
        # A token meant for the repository is not for whoever it redirects to.
        headers = {**_EVERYWHERE, **(self._settings.headers if same_host else {})}
        if offset:
            headers["Range"] = f"bytes={offset}-"
        return headers


def _ask(wire: Wire, address: str, headers: dict[str, str]) -> Answer:
    try:
        return wire.ask(address, headers)
    except TlsError as error:
        # Another attempt meets the same certificate.
        raise UnreachableError(
            f"{_shown(address)}: TLS failed: {error}",
            hint="Check the server's certificate, ca_file, and this machine's clock.",
        ) from error
    except WireError as error:
        raise _TryAgain(f"{_shown(address)} cannot be reached: {error}") from error


def _usable(answer: Answer, url: str) -> Answer:
    status = answer.status
    sent = status in {HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT}
    encoding = answer.header("Content-Encoding") or "identity"
    if sent and encoding == "identity":
        return answer
    _discard(answer)
    if status in _ABSENT:
        raise NotThere(f"{url} does not exist ({status})")
    if status in _WORTH_RETRYING or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        raise _TryAgain(f"{url} was answered with {status}", _retry_after(answer))
    if sent:
        raise UnreachableError(f"{url} was sent with Content-Encoding {encoding!r}, unasked")
    raise UnreachableError(f"{url} was answered with {status}")


def _discard(answer: Answer) -> None:
    """Read a short body that nobody wants, so that the connection can serve the next request."""
    told = answer.header("Content-Length")
    try:
        if told.isdecimal() and int(told) <= _SHORT_BODY:
            while answer.read1(_SHORT_BODY):
                pass
    except WireError:
        # What was wanted, the status, is known; the next request gets a new connection.
        pass
    finally:
        answer.close()


def _start(answer: Answer, offset: int, url: str) -> int:
    """Where the bytes of an answer begin, which need not be where we asked for."""
    if answer.status == HTTPStatus.OK:
        return 0
    told = answer.header("Content-Range")
    found = _CONTENT_RANGE.fullmatch(told)
    if not offset or found is None or int(found[1]) != offset:
        answer.close()
        raise UnreachableError(f"{url} was answered with the range {told!r}, not from {offset}")
    return offset


def _body(answer: Answer, start: int, url: str) -> OneBody:
    return OneBody(_chunks(answer, _shown(url)), start, answer.close)


def _chunks(answer: Answer, url: str) -> Iterator[bytes]:
    try:
        # read1 gives what is there: what came before a cut is not lost with the rest of a chunk.
        while chunk := answer.read1(CHUNK):
            yield chunk
    except WireError as error:
        raise CutShort(f"{url} stopped before its end: {error}") from error
    finally:
        answer.close()


def _next_address(address: str, location: str) -> str:
    try:
        target = urljoin(address, location)
        before, after = urlsplit(address).scheme, urlsplit(target).scheme
    except ValueError as error:
        raise UnreachableError(f"{_shown(address)} redirects to no address: {error}") from error
    if not location or after not in {"http", "https"} or (before, after) == ("https", "http"):
        raise UnreachableError(f"{_shown(address)} redirects to {_shown(target)!r}: refused")
    return target


def _retry_after(answer: Answer) -> float:
    told = answer.header("Retry-After")
    return min(float(told), _LONGEST_RETRY_AFTER) if told.isdecimal() else 0.0


def _is_local(url: str) -> bool:
    try:
        scheme = urlsplit(url).scheme
    except ValueError:
        scheme = ""
    if scheme not in {"http", "https", "file"}:
        raise ConfigError(
            f"{url!r} is not an address to fetch from",
            hint="Addresses begin with https://, http:// or file://.",
        )
    return scheme == "file"


def _shown(url: str) -> str:
    """An address for messages: without parameters, and without a password."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def _check_files(settings: FetchSettings) -> None:
    names = {"ca_file": settings.ca_file, "client_cert": settings.client_cert}
    for name, path in (names | {"client_key": settings.client_key}).items():
        if path is not None and not path.is_file():
            raise ConfigError(f"{name}: {path} is not a file.")


def _plain(settings: FetchSettings) -> Wire:
    from updog.plainwire import PlainWire  # noqa: PLC0415 - start-up: local repositories need none

    return PlainWire(settings)


def _by_requests(settings: FetchSettings) -> Wire:
    from updog.requestswire import RequestsWire  # noqa: PLC0415 - start-up: see updog.wire

    return RequestsWire(settings)
