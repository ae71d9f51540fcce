"""From the configuration to a fetcher: time limits, certificates, headers, and which way to go."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from updog.fetch import FetchSettings, HttpFetcher
from updog.mirrormemory import MirrorMemory, NoMemory
from updog.mirrors import Mirrors
from updog.patience import Patience
from updog.settings import Mirror, Settings


def fetcher(settings: Settings, now: datetime | None = None) -> HttpFetcher | Mirrors:
    """Make the fetcher that the configuration describes.

    Args:
        settings: the configuration.
        now: the time of the run; None to neither know nor change which servers failed lately.

    Raises:
        ConfigError: a certificate file is missing.
    """
    how = fetch_settings(settings)
    if not settings.download.mirrors:
        return HttpFetcher(how)
    main = Mirror(settings.metadata_base_url, settings.targets_base_url)
    # The other servers come before a second attempt at the first one.
    once = HttpFetcher(replace(how, retries=0))
    failures = settings.paths.mirror_failures
    memory = NoMemory() if now is None else MirrorMemory(failures, now)
    return Mirrors(main, settings.download.mirrors, once, Patience(how.retries), memory)


def fetch_settings(settings: Settings) -> FetchSettings:
    """How the configuration wants servers to be talked to."""
    download = settings.download
    return FetchSettings(
        timeout_connect=download.timeout_connect,
        timeout_stall=download.timeout_stall,
        retries=download.retries,
        ca_file=download.ca_file,
        client_cert=download.client_cert,
        client_key=download.client_key,
        pins=download.pins,
        headers=download.headers,
        proxies=proxies(settings),
        no_proxy=settings.no_proxy,
        rate_limit=download.rate_limit,
    )


def proxies(settings: Settings) -> Mapping[str, str] | None:
    """The proxies by scheme; a configured one stands above the environment (formats 5.4).

    None leaves the choice, and the exceptions, to the environment.
    """
    return {"https": settings.https_proxy} if settings.https_proxy else None
