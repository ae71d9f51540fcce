"""Which hosts are reached without the configured proxy."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import ip_address, ip_network


def goes_direct(host: str, no_proxy: Iterable[str], port: int | None = None) -> bool:
    """Whether a host is among the exceptions.

    Args:
        host: a name or an address, without brackets.
        no_proxy: each ``*``, a name, a domain (``.example.com``), an address, or a network
            (``10.0.0.0/8``); a name may end in a port.
        port: of the server, where the address says one.
    """
    return any(_matches(host.lower(), port, entry.strip().lower()) for entry in no_proxy)


def _matches(host: str, port: int | None, entry: str) -> bool:
    if entry == "*":
        return True
    if (inside := _in_network(host, entry.strip("[]"))) is not None:
        return inside
    name, _, wanted = entry.partition(":")
    if wanted and wanted != str(port):
        return False
    domain = name.removeprefix("*").lstrip(".")
    return host == domain or bool(domain and host.endswith(f".{domain}"))


def _in_network(host: str, entry: str) -> bool | None:
    """Whether an address lies in a network; None where the entry is none."""
    try:
        network = ip_network(entry, strict=False)
    except ValueError:
        return None
    try:
        return ip_address(host) in network
    except ValueError:
        return False
