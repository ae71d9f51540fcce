"""The wire by requests: proxies, from the configuration or the environment, and all else."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping
from http.client import HTTPException
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from requests.utils import get_environ_proxies
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import HTTPError

from updog import tls
from updog.headway import Monotonic, watched
from updog.proxies import goes_direct
from updog.wire import FetchSettings, WireError
from updog.wirefault import Doing, failure

# What a transfer can end in, besides well. ValueError: addresses that cannot be parsed.
_FAILURES = (requests.RequestException, HTTPError, HTTPException, OSError, ValueError)


class RequestsWire:
    """One `requests.Session`.

    Args:
        settings: time limits, certificates, pins, proxies.
        monotonic: tells seconds that never step back.

    Raises:
        ConfigError: a certificate file cannot be used.
    """

    def __init__(self, settings: FetchSettings, monotonic: Monotonic = time.monotonic) -> None:
        self._settings = settings
        self._http = _Unredirected()
        # Off: it would also take passwords from .netrc and another CA file from the environment.
        self._http.trust_env = False
        self._http.headers.clear()
        adapter = _Adapter(settings, monotonic)
        for scheme in ("http://", "https://"):
            self._http.mount(scheme, adapter)

    def ask(self, address: str, headers: Mapping[str, str]) -> _RequestsAnswer:
        """Send one GET (see `updog.wire.Wire`)."""
        limits = (self._settings.timeout_connect, self._settings.timeout_stall)
        try:
            answer = self._http.get(
                address,
                headers=dict(headers),
                timeout=limits,
                stream=True,
                allow_redirects=False,
                proxies=self._proxies(address),
            )
        except _FAILURES as error:
            raise failure(error, _doing(error)) from error
        return _RequestsAnswer(answer)

    def close(self) -> None:
        """Give up the connections kept alive."""
        self._http.close()

    def _proxies(self, address: str) -> dict[str, str]:
        """For each address anew: a redirect may lead to a host that is reached another way."""
        if self._settings.proxies is None:
            return get_environ_proxies(address)
        parts = urlsplit(address)
        direct = goes_direct(parts.hostname or "", self._settings.no_proxy, parts.port)
        return {} if direct else dict(self._settings.proxies)


def _doing(error: BaseException) -> Doing:
    if isinstance(error, requests.exceptions.ProxyError):
        return Doing.PROXY
    return Doing.CONNECTING if isinstance(error, requests.ConnectTimeout) else Doing.TALKING


class _Unredirected(requests.Session):
    """Leaves redirects to us: the library would first read the body of one, however long it is."""

    def get_redirect_target(self, resp: requests.Response) -> None:
        """See no target in any answer."""
        del resp


class _Adapter(HTTPAdapter):
    """Uses our TLS context, and connections that check pins and watch for dripping servers."""

    def __init__(self, settings: FetchSettings, monotonic: Monotonic) -> None:
        self._context = tls.context(settings)
        self._pools = _pools(settings, monotonic)
        super().__init__()

    def init_poolmanager(self, *args: Any, **named: Any) -> None:  # noqa: ANN401
        """Make the manager of direct connections."""
        super().init_poolmanager(*args, ssl_context=self._context, **named)
        self.poolmanager.pool_classes_by_scheme = self._pools

    def proxy_manager_for(self, proxy: str, **named: Any) -> Any:  # noqa: ANN401 - the library's
        """Make the manager of connections through a proxy."""
        manager = super().proxy_manager_for(proxy, ssl_context=self._context, **named)
        manager.pool_classes_by_scheme = self._pools
        return manager

    def cert_verify(self, *args: object, **named: object) -> None:
        """Leave the context alone: the library would add its own list of authorities to it."""


def _pools(settings: FetchSettings, monotonic: Monotonic) -> dict[str, type[HTTPConnectionPool]]:
    floor = int(settings.slowest * settings.timeout_stall)
    response = watched(settings.timeout_stall, floor, monotonic)

    class Plain(HTTPConnection):
        response_class = response

    class Secure(HTTPSConnection):
        response_class = response

        def connect(self) -> None:
            super().connect()
            tls.check_pins(self.sock, settings.pins)

    class PlainPool(HTTPConnectionPool):
        ConnectionCls = Plain

    class SecurePool(HTTPSConnectionPool):
        ConnectionCls = Secure

    return {"http": PlainPool, "https": SecurePool}


class _RequestsAnswer:
    def __init__(self, answer: requests.Response) -> None:
        self._answer = answer

    @property
    def status(self) -> int:
        return self._answer.status_code

    def header(self, name: str) -> str:
        return self._answer.headers.get(name, "")

    def read1(self, amount: int) -> bytes:
        try:
            return self._answer.raw.read1(amount, decode_content=False)
        except _FAILURES as error:
            raise WireError(str(failure(error))) from error

    def stop(self) -> None:
        # ValueError: a transfer that has ended already has nothing to shut down.
        with contextlib.suppress(*_FAILURES, RuntimeError):
            self._answer.raw.shutdown()

    def close(self) -> None:
        self._answer.close()
