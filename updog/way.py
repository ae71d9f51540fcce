"""Which way a run meets the repository: over the network, or in what was carried here by hand."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

from updog.body import Fetcher
from updog.clock import Clock
from updog.select import Host
from updog.settings import Settings

_NO_GRACE = timedelta(0)


@dataclass(frozen=True, slots=True)
class Way:
    """Everything to meet a repository with (`updog.visit.Visitor`).

    Attributes:
        settings: the configuration; for a carried repository, with its addresses.
        host: who asks.
        now: the time of the whole run.
        fetcher: the way to the repository.
        grace: how long past its expiry metadata is believed.
        clock: for what takes long (`updog.session`); None where time stands still.
    """

    settings: Settings
    host: Host
    now: datetime
    fetcher: Fetcher
    grace: timedelta
    clock: Clock | None = None


def way(
    settings: Settings,
    host: Host,
    now: datetime,
    source: Path | None,
    clock: Clock | None = None,
) -> Way:
    """Choose the way.

    Args:
        settings: the configuration.
        host: who asks.
        now: the time of the whole run.
        source: a bundle or a directory, or None for the network.
        clock: for what takes long; None lets time stand still.

    Raises:
        UpdogError: the source cannot be used, or a certificate of the configuration is missing.
    """
    if source is None:
        from updog import network  # noqa: PLC0415 - start-up: what is carried needs none

        return Way(settings, host, now, network.fetcher(settings, now), _NO_GRACE, clock)
    return replace(_carried(settings, host, now, source), clock=clock)


def _carried(settings: Settings, host: Host, now: datetime, path: Path) -> Way:
    from updog.offline import carried, sources  # noqa: PLC0415 - start-up: most runs carry nothing

    source = sources.open_source(path)
    urls = carried.find_urls(source, host.variant, host.arch)
    there = settings._replace(metadata_base_url=urls.metadata, targets_base_url=urls.targets)
    return Way(there, host, now, carried.CarriedFetcher(source), settings.freshness)
