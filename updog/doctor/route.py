"""Which servers the configuration names, and by which proxy each is reached."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

from requests.utils import get_environ_proxies, select_proxy

from updog.errors import ConfigError
from updog.proxies import goes_direct
from updog.settings import Settings

_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A host to connect to.

    Attributes:
        scheme: ``http`` or ``https``.
        host: name or address, without brackets.
        port: of the server.
    """

    scheme: str
    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Route:
    """The way to a server.

    Attributes:
        url: the configured address.
        server: who is asked.
        proxy: who is asked to pass it on, or None.
        authorization: the proxy's user and password, as in the address; empty for none.
    """

    url: str
    server: Endpoint
    proxy: Endpoint | None = None
    authorization: str = ""

    @property
    def first(self) -> Endpoint:
        """Who is connected to."""
        return self.proxy or self.server


def routes(settings: Settings) -> Iterator[Route]:
    """Yield the way to each server once; local repositories have none.

    Raises:
        ConfigError: an address, of a proxy perhaps, cannot be understood.
    """
    mirrors = settings.download.mirrors
    others = [url for mirror in mirrors for url in (mirror.metadata, mirror.targets)]
    seen: set[Endpoint] = set()
    for url in (settings.metadata_base_url, settings.targets_base_url, *others):
        if urlsplit(url).scheme not in _PORTS:
            continue
        route = _route(url, settings)
        if route.server not in seen:
            seen.add(route.server)
            yield route


def _route(url: str, settings: Settings) -> Route:
    server = _endpoint(url)
    proxy = _proxy(url, server, settings)
    if not proxy:
        return Route(url, server)
    proxy = proxy if "://" in proxy else f"http://{proxy}"
    return Route(url, server, _endpoint(proxy), urlsplit(proxy).netloc.rpartition("@")[0])


def _proxy(url: str, server: Endpoint, settings: Settings) -> str:
    if not settings.https_proxy:
        return select_proxy(url, get_environ_proxies(url)) or ""
    if server.scheme != "https" or goes_direct(server.host, settings.no_proxy, server.port):
        return ""
    return settings.https_proxy


def _endpoint(url: str) -> Endpoint:
    try:
        parts = urlsplit(url)
        port = parts.port or _PORTS.get(parts.scheme, 80)
    except ValueError as error:
        raise ConfigError(f"{url!r} is not an address: {error}") from error
    if not parts.hostname:
        raise ConfigError(f"{url!r} names no host")
    return Endpoint(parts.scheme, parts.hostname, port)
