from __future__ import annotations

from pathlib import Path

import pytest

from updog.mirrors import Mirrors
from updog.network import fetch_settings, fetcher, proxies
from updog.proxies import goes_direct
from updog.settings import Download, Mirror, Settings
from updog.wire import FetchSettings


def settings(proxy: str = "", *no_proxy: str) -> Settings:
    return Settings(
        "https://meta.example.com/m", "https://cdn.net/t", https_proxy=proxy, no_proxy=no_proxy
    )


@pytest.mark.parametrize(
    ("host", "entry", "direct"),
    [
        ("example.com", "example.com", True),
        ("EXAMPLE.com", "example.COM", True),
        ("a.example.com", "example.com", True),
        ("a.example.com", ".example.com", True),
        ("a.example.com", "*.example.com", True),
        ("badexample.com", "example.com", False),
        ("example.com", "a.example.com", False),
        ("example.com", "*", True),
        ("example.com", ".", False),
        ("10.0.0.1", "10.0.0.1", True),
        ("10.0.0.1", "10.0.0.0/8", True),
        ("11.0.0.1", "10.0.0.0/8", False),
        ("ten.example", "10.0.0.0/8", False),
        ("::1", "[::1]", True),
        ("fd00::7", "fd00::/8", True),
        ("example.com", "example.com:8443", True),
        ("example.com", "example.com:443", False),
    ],
)
def test_exceptions_from_the_proxy(host: str, entry: str, direct: bool) -> None:  # noqa: FBT001
    assert goes_direct(host, [entry], 8443) is direct


def test_without_a_configured_proxy_the_environment_decides() -> None:
    assert proxies(settings("", "example.com")) is None


def test_a_configured_proxy_is_for_https() -> None:
    assert proxies(settings("http://proxy:3128")) == {"https": "http://proxy:3128"}


def test_a_fetcher_is_made_from_the_settings() -> None:
    fetcher(settings("http://proxy:3128")).close()


def test_mirrors_make_a_fetcher_over_all_of_them() -> None:
    download = Download(mirrors=(Mirror("https://b/m", "https://b/t"),))
    made = fetcher(settings()._replace(download=download))
    assert isinstance(made, Mirrors)
    made.close()


def test_every_word_about_the_network_arrives() -> None:
    download = Download(
        timeout_connect=1,
        timeout_stall=2,
        retries=3,
        ca_file=Path("/ca"),
        client_cert=Path("/cert"),
        client_key=Path("/key"),
        pins=frozenset({b"pin"}),
        headers={"A": "b"},
        rate_limit=4,
    )
    said = settings("http://proxy:3128", "x")._replace(download=download)
    assert fetch_settings(said) == FetchSettings(
        timeout_connect=1,
        timeout_stall=2,
        retries=3,
        ca_file=Path("/ca"),
        client_cert=Path("/cert"),
        client_key=Path("/key"),
        pins=frozenset({b"pin"}),
        headers={"A": "b"},
        proxies={"https": "http://proxy:3128"},
        no_proxy=("x",),
        rate_limit=4,
    )
