"""The wire by requests: proxies, from the configuration or the environment, and all else."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from http.client import HTTPException

import requests
from requests.utils import get_environ_proxies
from urllib3.exceptions import HTTPError

from updog.wire import FetchSettings, WireError, failure

# What a transfer can end in, besides well. ValueError: addresses that cannot be parsed.
_FAILURES = (requests.RequestException, HTTPError, HTTPException, OSError, ValueError)


class RequestsWire:
    """One `requests.Session`.

    Args:
        settings: time limits, certificates, proxies.
    """

    def __init__(self, settings: FetchSettings) -> None:
        self._settings = settings
        self._http = _Unredirected()
        # Off: it would also take passwords from .netrc and another CA file from the environment.
        self._http.trust_env = False
        self._http.headers.clear()
        self._http.verify = str(settings.ca_file) if settings.ca_file else _system_cas()
        self._http.cert = _client_cert(settings)

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
            raise failure(error) from error
        return _RequestsAnswer(answer)

    def close(self) -> None:
        """Give up the connections kept alive."""
        self._http.close()

    def _proxies(self, address: str) -> dict[str, str]:
        if self._settings.proxies is not None:
            return dict(self._settings.proxies)
        return get_environ_proxies(address)


class _Unredirected(requests.Session):
    """Leaves redirects to us: the library would first read the body of one, however long it is."""

    def get_redirect_target(self, resp: requests.Response) -> None:
        """See no target in any answer."""
        del resp


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

    def close(self) -> None:
        self._answer.close()


def _system_cas() -> str | bool:
    paths = ssl.get_default_verify_paths()
    return paths.cafile or paths.capath or True


def _client_cert(settings: FetchSettings) -> str | tuple[str, str] | None:
    if settings.client_cert is None:
        return None
    if settings.client_key is None:
        return str(settings.client_cert)
    return str(settings.client_cert), str(settings.client_key)
