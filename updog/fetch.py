"""HTTP, with every way it can fail turned into one of our errors.

A slow link that moves is waited for; a dead one ends: there is a limit for connecting, one for the
silence between two reads, and a least number of bytes in each stretch of waiting (`updog.headway`),
but none for the whole transfer. Bytes are taken as they were sent: a ``Content-Encoding`` would
make them other bytes than those that were signed, so it is refused.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, TypeAlias
from urllib.parse import urlsplit

from updog.body import CHUNK, Body, Fetcher, OneBody, read_capped, too_long
from updog.errors import ConfigError, CutShort, UnreachableError
from updog.httpanswer import (
    REDIRECTS,
    discard,
    next_address,
    shown,
    start,
    total,
    usable,
    validator,
)
from updog.localfetch import LocalFetcher
from updog.patience import DRAW, Budget, Patience, TryAgain
from updog.ratelimit import PacedAnswer, TokenBucket
from updog.resume import STEP
from updog.wire import Answer, FetchSettings, Wire, WireError

if TYPE_CHECKING:
    from updog.pipeline.source import RangeSource

__all__ = ["Body", "FetchSettings", "Fetcher", "HttpFetcher"]

_Make: TypeAlias = Callable[[FetchSettings], Wire]

_REDIRECT_LIMIT = 5
_DEFAULTS = FetchSettings()
_EVERYWHERE = {"Accept": "*/*", "User-Agent": "updog"}


class HttpFetcher:
    """Gets files over HTTP and HTTPS, and from ``file://`` addresses.

    Args:
        settings: time limits, certificates, headers, proxies.
        sleep: waits that many seconds between two attempts.
        wire: makes the transport for everything; None chooses: the plain one where no proxy is
            set, requests otherwise.
        jitter: draws from 0 up to 1 for the waits.
        monotonic: tells seconds that never step back.

    Raises:
        ConfigError: a certificate file is missing.
    """

    def __init__(
        self,
        settings: FetchSettings = _DEFAULTS,
        sleep: Callable[[float], None] = time.sleep,
        wire: _Make | None = None,
        *,
        jitter: Callable[[], float] = DRAW,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        _check_files(settings)
        self._settings = settings
        self._patience = Patience(settings.retries, sleep, jitter, monotonic)
        rate = settings.rate_limit
        self._bucket = TokenBucket(rate, sleep, monotonic) if rate else None
        self._wire = wire
        self._wires: dict[_Make, Wire] = {}
        self._local = LocalFetcher()
        self._validators: dict[str, str] = {}
        self._cuts = 0

    def get(self, url: str, *, max_bytes: int) -> bytes:
        """Return a whole file (see `updog.body.Fetcher`)."""
        if _is_local(url):
            return self._local.get(url, max_bytes=max_bytes)
        wire = self._wire_for(url)
        budget = Budget(2 * max_bytes + CHUNK, shown(url))
        return self._patience.attempts(lambda: self._get_once(wire, url, max_bytes, budget))

    def open(self, url: str, *, offset: int = 0) -> Body:
        """Begin to read a file (see `updog.body.Fetcher`)."""
        if _is_local(url):
            return self._local.open(url, offset=offset)
        wire = self._wire_for(url)
        if self._cuts:
            # The last transfer broke off. Opening works, so nothing else would slow us down.
            self._patience.sleep(self._patience.wait(self._cuts - 1))
        return self._patience.attempts(lambda: self._open_once(wire, url, offset))

    def ask(self, url: str, ranges: str) -> Answer:
        """Send one GET with a ``Range`` header; the answer is the whole file or parts (200, 206).

        Raises:
            NotThere: the server says that there is no such file.
            UnreachableError: no usable answer, after some attempts.
        """
        wire = self._wire_for(url)
        return self._patience.attempts(lambda: self._request(wire, url, {"Range": ranges}))

    def ranges(self, url: str, name: str, spend: Callable[[int], object]) -> RangeSource | None:
        """Return a file in ranges (see `updog.body.RangeFetcher`)."""
        from updog.pipeline.httpranges import HttpRanges  # noqa: PLC0415 - start-up: images only

        if _is_local(url):
            return self._local.ranges(url, name, spend)
        return HttpRanges(partial(self.ask, url), name, spend)

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

    def _wire_for(self, url: str) -> Wire:
        """The plain one where no proxy and no password in the address asks for more."""
        return self._made(_by_requests if self._needs_requests(url) else _plain)

    def _made(self, make: _Make) -> Wire:
        """Make a wire when it is first needed: whoever only asks for updates imports no more."""
        make = self._wire or make
        if make not in self._wires:
            self._wires[make] = make(self._settings)
        return self._wires[make]

    # One attempt ---------------------------------------------------------------------------------
    def _get_once(self, wire: Wire, url: str, max_bytes: int, budget: Budget) -> bytes:
        answer = self._request(wire, url, {})
        told = answer.header("Content-Length")
        if told.isdecimal() and int(told) > max_bytes:
            answer.close()
            raise too_long(shown(url), max_bytes)
        start(answer, 0, shown(url))
        chunks = _counted(_chunks(answer, shown(url)), budget)
        return read_capped(OneBody(chunks, 0, answer.close), shown(url), max_bytes)

    def _open_once(self, wire: Wire, url: str, offset: int) -> OneBody:
        known = self._validators.get(url, "")
        wanted = {"Range": f"bytes={offset}-"} if offset else {}
        if offset and known:
            # A file that was replaced meanwhile is sent whole then, instead of its end alone.
            wanted["If-Range"] = known
        answer = self._request(wire, url, wanted)
        self._check_unchanged(answer, url, known if offset else "")
        begin = start(answer, offset, shown(url))
        chunks = self._remembering(_chunks(answer, shown(url)))
        return OneBody(chunks, begin, answer.close, total(answer))

    def _check_unchanged(self, answer: Answer, url: str, known: str) -> None:
        told = validator(answer)
        self._validators[url] = told
        if known and told and told != known and answer.status == HTTPStatus.PARTIAL_CONTENT:
            answer.close()
            raise UnreachableError(f"{shown(url)} was replaced by another file while it was read")

    def _remembering(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        """Count the transfers that broke off in a row without getting anywhere."""
        gained = 0
        try:
            for chunk in chunks:
                gained += len(chunk)
                yield chunk
        except CutShort:
            self._cuts = 1 if gained >= STEP else self._cuts + 1
            raise
        self._cuts = 0

    # One request ---------------------------------------------------------------------------------
    def _request(self, wire: Wire, url: str, wanted: Mapping[str, str]) -> Answer:
        """Follow redirects to a usable answer."""
        address = url
        for _ in range(_REDIRECT_LIMIT + 1):
            self._refuse_unpinned(address)
            answer = _ask(wire, address, self._headers(url, address, wanted))
            if answer.status not in REDIRECTS:
                found = usable(answer, shown(url))
                return PacedAnswer(found, self._bucket) if self._bucket else found
            location = answer.header("Location")
            discard(answer)
            address = next_address(address, location)
        raise UnreachableError(f"{shown(url)} redirects more than {_REDIRECT_LIMIT} times")

    def _refuse_unpinned(self, address: str) -> None:
        if self._settings.pins and urlsplit(address).scheme != "https":
            raise UnreachableError(
                f"{shown(address)} is not https, but pin_sha256 asks for certain servers only",
                hint="Use https addresses, or remove pin_sha256.",
            )

    def _headers(self, url: str, address: str, wanted: Mapping[str, str]) -> dict[str, str]:
        same_host = urlsplit(url)[:2] == urlsplit(address)[:2]
        # A token meant for the repository is not for whoever it redirects to.
        custom = self._settings.headers if same_host else {}
        named = {name.title(): value for name, value in custom.items()}
        return {**_EVERYWHERE, **named, "Accept-Encoding": "identity", **wanted}


def _ask(wire: Wire, address: str, headers: dict[str, str]) -> Answer:
    try:
        return wire.ask(address, headers)
    except WireError as error:
        if not error.hopeless:
            message = f"{shown(address)} cannot be reached: {error}"
            raise TryAgain(message, hint=error.hint) from error
        # Another attempt meets the same certificate.
        raise UnreachableError(f"{shown(address)}: {error}", hint=error.hint) from error


def _chunks(answer: Answer, url: str) -> Iterator[bytes]:
    try:
        # read1 gives what is there: what came before a cut is not lost with the rest of a chunk.
        while chunk := answer.read1(CHUNK):
            yield chunk
    except WireError as error:
        raise CutShort(f"{url} stopped before its end: {error}", hint=error.hint) from error
    finally:
        answer.close()


def _counted(chunks: Iterator[bytes], budget: Budget) -> Iterator[bytes]:
    try:
        for chunk in chunks:
            budget.take(len(chunk))
            yield chunk
    except CutShort as error:
        budget.cause = str(error)
        raise


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
