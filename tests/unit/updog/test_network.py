from __future__ import annotations

import pytest
from requests.utils import select_proxy

from updog.network import fetcher, goes_direct, proxies
from updog.settings import Settings


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
    ],
)
def test_exceptions_from_the_proxy(host: str, entry: str, direct: bool) -> None:  # noqa: FBT001
    assert goes_direct(host, [entry]) is direct


def test_without_a_configured_proxy_the_environment_decides() -> None:
    assert proxies(settings("", "example.com")) is None


def test_a_configured_proxy_is_for_https() -> None:
    assert proxies(settings("http://proxy:3128")) == {"https": "http://proxy:3128"}


def test_a_host_of_the_repository_can_be_reached_directly() -> None:
    chosen = proxies(settings("http://proxy:3128", ".example.com"))
    assert chosen == {"https": "http://proxy:3128", "https://meta.example.com": ""}


def test_a_fetcher_is_made_from_the_settings() -> None:
    fetcher(settings("http://proxy:3128")).close()


def test_requests_follows_the_exception() -> None:
    chosen = dict(proxies(settings("http://proxy:3128", ".example.com")) or {})
    assert not select_proxy("https://meta.example.com/m/timestamp.json", chosen)
    assert select_proxy("https://cdn.net/t/image", chosen) == "http://proxy:3128"
