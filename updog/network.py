"""From the configuration to a fetcher: time limits, certificates, headers, and which way to go."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from urllib.parse import urlsplit

from updog.fetch import FetchSettings, HttpFetcher
from updog.settings import Settings


def fetcher(settings: Settings) -> HttpFetcher:
    """Make the fetcher that the configuration describes.

    Raises:
        ConfigError: a certificate file is missing or unusable.
    """
    download = settings.download
    return HttpFetcher(
        FetchSettings(
            timeout_connect=download.timeout_connect,
            timeout_stall=download.timeout_stall,
            retries=download.retries,
            ca_file=download.ca_file,
            client_cert=download.client_cert,
            client_key=download.client_key,
            headers=download.headers,
            proxies=proxies(settings),
        )
    )


def proxies(settings: Settings) -> Mapping[str, str] | None:
    """The proxies by scheme, with the exceptions that ``no_proxy`` makes for our hosts.

    A configured proxy stands above the environment (formats 5.4); without one, None leaves the
    choice to the environment. An entry ``https://HOST`` is more special than ``https`` and wins; an
    empty one means: go there directly.
    """
    if not settings.https_proxy:
        return None
    chosen = {"https": settings.https_proxy}
    for url in (settings.metadata_base_url, settings.targets_base_url):
        host = urlsplit(url).hostname
        if host and goes_direct(host, settings.no_proxy):
            chosen[f"https://{host}"] = ""
    return chosen


def goes_direct(host: str, no_proxy: Iterable[str]) -> bool:
    """Whether a host is among the exceptions: ``*``, itself, or a domain that it lies in."""
    host = host.lower()
    for entry in no_proxy:
        domain = entry.lower().removeprefix("*").lstrip(".")
        if entry == "*" or host == domain or (domain and host.endswith(f".{domain}")):
            return True
    return False
