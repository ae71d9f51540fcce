"""Which way leads to a server; the environment's proxies are given to a process of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from updog.doctor.route import Endpoint, routes
from updog.errors import ConfigError
from updog.settings import Settings

ROOT = Path(__file__).parents[4]
SETTINGS = Settings("https://a.example/m", "https://a.example/t", https_proxy="http://p:3128")


def ways(settings: Settings) -> list[tuple[str, str]]:
    return [(str(one.server), str(one.first)) for one in routes(settings)]


def test_a_server_for_both_is_asked_once() -> None:
    assert ways(SETTINGS) == [("a.example:443", "p:3128")]


def test_an_exception_leads_straight_there() -> None:
    assert ways(SETTINGS._replace(no_proxy=(".example",))) == [("a.example:443", "a.example:443")]


def test_another_port_is_another_server() -> None:
    settings = SETTINGS._replace(targets_base_url="https://a.example:8443/t")
    assert [way for way, _ in ways(settings)] == ["a.example:443", "a.example:8443"]


def test_a_local_repository_has_no_way() -> None:
    assert ways(Settings("file:///m", "file:///t")) == []


def test_an_ipv6_address_keeps_its_brackets() -> None:
    assert str(Endpoint("https", "::1", 443)) == "[::1]:443"


def test_the_password_of_a_proxy_is_not_shown() -> None:
    (way,) = routes(SETTINGS._replace(https_proxy="http://me:secret@p:3128"))
    assert way.authorization == "me:secret"
    assert "secret" not in str(way.first)


@pytest.mark.parametrize("address", ["http://p:port", "http://", "http://p:99999"])
def test_a_proxy_that_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(ConfigError):
        list(routes(SETTINGS._replace(https_proxy=address)))


@pytest.mark.parametrize(
    ("name", "value", "first"),
    [("https_proxy", "http://q:1", "q:1"), ("HTTPS_PROXY", "q:2", "q:2"), ("http_proxy", "q", "a")],
)
def test_the_environment_decides_without_a_configured_proxy(
    name: str, value: str, first: str
) -> None:
    probe = (
        "from updog.doctor.route import routes; from updog.settings import Settings\n"
        "print(next(routes(Settings('https://a/m', 'https://a/t'))).first)\n"
    )
    clean = {key: said for key, said in os.environ.items() if not key.lower().endswith("_proxy")}
    done = subprocess.run(
        [sys.executable, "-c", probe],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
        env={**clean, name: value},
    )
    assert done.stdout.strip().startswith(first)
