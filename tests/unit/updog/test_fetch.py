"""Addresses and local files: what needs no server. The rest is in the integration tests."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from updog.errors import ConfigError, NotThere, TrustError, UnreachableError
from updog.fetch import FetchSettings, HttpFetcher


@pytest.fixture
def fetcher() -> HttpFetcher:
    return HttpFetcher(FetchSettings(retries=0))


class TestAddresses:
    @pytest.mark.parametrize(
        "url", ["ftp://host/x", "host/x", "", "/x", "http//x", "http://[::1/x"]
    )
    def test_other_schemes_and_nonsense_are_a_configuration_error(
        self, fetcher: HttpFetcher, url: str
    ) -> None:
        with pytest.raises(ConfigError):
            fetcher.get(url, max_bytes=1)
        with pytest.raises(ConfigError):
            fetcher.open(url)

    @pytest.mark.parametrize("url", ["http:///x", "http://host:99999/x", "http://ho st/x"])
    def test_addresses_nobody_can_reach_are_unreachable(
        self, fetcher: HttpFetcher, url: str
    ) -> None:
        with pytest.raises(UnreachableError):
            fetcher.get(url, max_bytes=1)

    def test_messages_show_neither_parameters_nor_passwords(self, fetcher: HttpFetcher) -> None:
        with pytest.raises(UnreachableError) as caught:
            fetcher.get("http://me:secret@127.0.0.1:1/a?seed=7", max_bytes=1)
        assert "http://127.0.0.1:1/a" in str(caught.value)
        assert "secret" not in str(caught.value)
        assert "seed" not in str(caught.value)


class TestSettings:
    @pytest.mark.parametrize("name", ["ca_file", "client_cert", "client_key"])
    def test_a_missing_certificate_file_is_a_configuration_error(
        self, tmp_path: Path, name: str
    ) -> None:
        with pytest.raises(ConfigError, match=name):
            HttpFetcher(FetchSettings(**{name: tmp_path / "missing.pem"}))  # type: ignore[arg-type]


class TestLocalFiles:
    def test_a_file_is_read(self, fetcher: HttpFetcher, tmp_path: Path) -> None:
        (tmp_path / "a b").write_bytes(b"content")
        assert fetcher.get((tmp_path / "a b").as_uri(), max_bytes=7) == b"content"

    def test_parameters_are_ignored(self, fetcher: HttpFetcher, tmp_path: Path) -> None:
        (tmp_path / "a").write_bytes(b"content")
        assert fetcher.get(f"{(tmp_path / 'a').as_uri()}?seed=7", max_bytes=7) == b"content"

    def test_it_can_begin_in_the_middle(self, fetcher: HttpFetcher, tmp_path: Path) -> None:
        (tmp_path / "a").write_bytes(b"content")
        with fetcher.open((tmp_path / "a").as_uri(), offset=3) as body:
            assert body.offset == 3
            assert b"".join(body) == b"tent"

    def test_a_file_that_is_too_long_is_refused(self, fetcher: HttpFetcher, tmp_path: Path) -> None:
        (tmp_path / "a").write_bytes(b"content")
        with pytest.raises(TrustError, match="longer than the 6 bytes"):
            fetcher.get((tmp_path / "a").as_uri(), max_bytes=6)

    @pytest.mark.parametrize("name", ["missing", "dir", "file/below", "x" * 300])
    def test_what_is_no_file_is_not_there(
        self, fetcher: HttpFetcher, tmp_path: Path, name: str
    ) -> None:
        (tmp_path / "dir").mkdir()
        (tmp_path / "file").write_bytes(b"")
        with pytest.raises(NotThere):
            fetcher.get((tmp_path / name).as_uri(), max_bytes=1)

    def test_a_nul_in_a_name_is_our_error(self, fetcher: HttpFetcher) -> None:
        with pytest.raises(UnreachableError):
            fetcher.get("file:///a%00b", max_bytes=1)

    def test_a_host_in_the_address_is_refused_with_a_hint(self, fetcher: HttpFetcher) -> None:
        with pytest.raises(UnreachableError) as caught:
            fetcher.get("file://server/x", max_bytes=1)
        assert "three slashes" in caught.value.hint

    def test_a_pipe_is_refused_instead_of_waited_for(
        self, fetcher: HttpFetcher, tmp_path: Path
    ) -> None:
        os.mkfifo(tmp_path / "pipe")
        with pytest.raises(UnreachableError, match="no regular file"):
            fetcher.get((tmp_path / "pipe").as_uri(), max_bytes=1)

    def test_an_unread_body_frees_the_file_when_closed(
        self, fetcher: HttpFetcher, tmp_path: Path
    ) -> None:
        (tmp_path / "a").write_bytes(b"content")
        body = fetcher.open((tmp_path / "a").as_uri())
        body.close()
        body.close()
