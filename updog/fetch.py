"""HTTP, with every way it can fail turned into one of our errors.

A slow link that moves is waited for; a dead one ends: there is a limit for connecting and one for
the silence between two reads, none for the whole transfer. Bytes are taken raw from the socket:
a ``Content-Encoding`` would make them other bytes than those that were signed, so it is refused.
"""

from __future__ import annotations

import re
import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from http.client import HTTPException
from pathlib import Path
from typing import TypeVar
from urllib.parse import urljoin, urlsplit

import requests
from requests.utils import get_environ_proxies
from urllib3.exceptions import HTTPError

from updog.body import CHUNK, Body, Fetcher, OneBody, read_capped, too_long
from updog.errors import ConfigError, CutShort, NotThere, UnreachableError
from updog.localfetch import LocalFetcher

__all__ = ["Body", "FetchSettings", "Fetcher", "HttpFetcher"]

T = TypeVar("T")

_REDIRECT_LIMIT = 5
_REDIRECTS = {301, 302, 303, 307, 308}
_ABSENT = {HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND, HTTPStatus.GONE}
_WORTH_RETRYING = {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS}
_CONTENT_RANGE = re.compile(r"bytes (\d{1,19})-(\d{1,19})/(?:\d{1,19}|\*)", re.ASCII)
_SHORT_BODY = 1 << 16
_FIRST_WAIT = 0.2
_LONGEST_WAIT = 10.0
_LONGEST_RETRY_AFTER = 60.0
# What a transfer can end in, besides well. ValueError: addresses that cannot be parsed.
_TRANSPORT = (requests.RequestException, HTTPError, HTTPException, OSError, ValueError)


@dataclass(frozen=True, slots=True)
class FetchSettings:
    """How to talk to the repository.

    Attributes:
        timeout_connect: seconds to wait for a connection.
        timeout_stall: seconds of silence after which a transfer counts as dead.
        retries: further attempts after the first.
        ca_file: the only certificate authorities to believe; None for the system's.
        client_cert: certificate to show to the server.
        client_key: its key, where it is not in the same file.
        headers: to send with each request to the repository's own host.
        proxies: by scheme; None takes them, and the exceptions, from the environment.
    """

    timeout_connect: float = 10.0
    timeout_stall: float = 30.0
    retries: int = 4
    ca_file: Path | None = None
    client_cert: Path | None = None
    client_key: Path | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    proxies: Mapping[str, str] | None = None


class _Unredirected(requests.Session):
    """Leaves redirects to us: the library would first read the body of one, however long it is."""

    def get_redirect_target(self, resp: requests.Response) -> None:
        """See no target in any answer."""
        del resp


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
    """

    def __init__(
        self,
        settings: FetchSettings = FetchSettings(),
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._settings = settings
        self._sleep = sleep
        self._local = LocalFetcher()
        self._http = _Unredirected()
        # Off: it would also take passwords from .netrc and another CA file from the environment.
        self._http.trust_env = False
        self._http.headers.update({"Accept-Encoding": "identity", "User-Agent": "updog"})
        self._http.verify = str(settings.ca_file) if settings.ca_file else _system_cas()
        self._http.cert = _client_cert(settings)

    def get(self, url: str, *, max_bytes: int) -> bytes:
        """Return a whole file (see `updog.body.Fetcher`)."""
        if _is_local(url):
            return self._local.get(url, max_bytes=max_bytes)
        return self._attempts(lambda: self._get_once(url, max_bytes))

    def open(self, url: str, *, offset: int = 0) -> Body:
        """Begin to read a file (see `updog.body.Fetcher`)."""
        if _is_local(url):
            return self._local.open(url, offset=offset)
        return self._attempts(lambda: self._open_once(url, offset))

    def close(self) -> None:
        """Give up the connections kept alive."""
        self._http.close()

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

    def _get_once(self, url: str, max_bytes: int) -> bytes:
        answer = self._request(url, offset=0)
        told = answer.headers.get("Content-Length", "")
        if told.isdecimal() and int(told) > max_bytes:
            answer.close()
            raise too_long(_shown(url), max_bytes)
        return read_capped(_body(answer, 0, url), _shown(url), max_bytes)

    def _open_once(self, url: str, offset: int) -> OneBody:
        answer = self._request(url, offset=offset)
        start = _start(answer, offset, _shown(url))
        return _body(answer, start, url)

    def _request(self, url: str, *, offset: int) -> requests.Response:
        """Follow redirects to a usable answer."""
        address = url
        for _ in range(_REDIRECT_LIMIT + 1):
            answer = self._ask(address, self._headers(url, address, offset))
            if answer.status_code not in _REDIRECTS:
                return _usable(answer, _shown(url))
            _discard(answer)
            address = _next_address(address, answer.headers.get("Location", ""))
        raise UnreachableError(f"{_shown(url)} redirects more than {_REDIRECT_LIMIT} times")

    def _ask(self, address: str, headers: Mapping[str, str]) -> requests.Response:
        limits = (self._settings.timeout_connect, self._settings.timeout_stall)
        try:
            return self._http.get(
                address,
                headers=dict(headers),
                timeout=limits,
                stream=True,
                allow_redirects=False,
                proxies=self._proxies(address),
            )
        except requests.exceptions.SSLError as error:
            # Another attempt meets the same certificate.
            raise UnreachableError(
                f"{_shown(address)}: TLS failed: {_reason(error)}",
                hint="Check the server's certificate, ca_file, and this machine's clock.",
            ) from error
        except _TRANSPORT as error:
            message = f"{_shown(address)} cannot be reached: {_reason(error)}"
            raise _TryAgain(message) from error

    def _headers(self, url: str, address: str, offset: int) -> dict[str, str]:
        same_host = urlsplit(url)[:2] == urlsplit(address)[:2]
        # A token meant for the repository is not for whoever it redirects to.
        headers = dict(self._settings.headers) if same_host else {}
        if offset:
            headers["Range"] = f"bytes={offset}-"
        return headers

    def _proxies(self, address: str) -> dict[str, str]:
        if self._settings.proxies is not None:
            return dict(self._settings.proxies)
        return get_environ_proxies(address)


def _usable(answer: requests.Response, url: str) -> requests.Response:
    status = answer.status_code
    encoding = answer.headers.get("Content-Encoding", "identity")
    if status in {HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT} and encoding == "identity":
        return answer
    _discard(answer)
    if status in _ABSENT:
        raise NotThere(f"{url} does not exist ({status})")
    if status in _WORTH_RETRYING or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        raise _TryAgain(f"{url} was answered with {status}", _retry_after(answer))
    if status in {HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT}:
        raise UnreachableError(f"{url} was sent with Content-Encoding {encoding!r}, unasked")
    raise UnreachableError(f"{url} was answered with {status}")


def _discard(answer: requests.Response) -> None:
    """Read a short body that nobody wants, so that the connection can serve the next request."""
    told = answer.headers.get("Content-Length", "")
    try:
        if told.isdecimal() and int(told) <= _SHORT_BODY:
            answer.raw.read(_SHORT_BODY, decode_content=False)
    except _TRANSPORT:
        # What was wanted, the status, is known; the next request gets a new connection.
        pass
    finally:
        answer.close()


def _start(answer: requests.Response, offset: int, url: str) -> int:
    """Where the bytes of an answer begin, which need not be where we asked for."""
    if answer.status_code == HTTPStatus.OK:
        return 0
    told = answer.headers.get("Content-Range", "")
    found = _CONTENT_RANGE.fullmatch(told)
    if not offset or found is None or int(found[1]) != offset:
        answer.close()
        raise UnreachableError(f"{url} was answered with the range {told!r}, not from {offset}")
    return offset


def _body(answer: requests.Response, start: int, url: str) -> OneBody:
    return OneBody(_chunks(answer, _shown(url)), start, answer.close)


def _chunks(answer: requests.Response, url: str) -> Iterator[bytes]:
    try:
        # read1 gives what is there: what came before a cut is not lost with the rest of a chunk.
        while chunk := answer.raw.read1(CHUNK, decode_content=False):
            yield chunk
    except _TRANSPORT as error:
        raise CutShort(f"{url} stopped before its end: {_reason(error)}") from error
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


def _retry_after(answer: requests.Response) -> float:
    told = answer.headers.get("Retry-After", "")
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


def _reason(error: BaseException) -> str:
    """The innermost cause, which is the one that says something."""
    while True:
        inner = getattr(error, "reason", None)
        inner = inner if isinstance(inner, BaseException) else None
        inner = inner or next((a for a in error.args if isinstance(a, BaseException)), None)
        if inner is None:
            return str(error) or type(error).__name__
        error = inner


def _system_cas() -> str | bool:
    paths = ssl.get_default_verify_paths()
    return paths.cafile or paths.capath or True


def _client_cert(settings: FetchSettings) -> str | tuple[str, str] | None:
    if settings.client_cert is None:
        return None
    if settings.client_key is None:
        return str(settings.client_cert)
    return str(settings.client_cert), str(settings.client_key)
