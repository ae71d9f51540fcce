"""TLS and mutual TLS against a real nginx, with certificates made for each test."""

from __future__ import annotations

import hashlib
import socket
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.fakes.nginx import Site, free_port, nginx
from updog.errors import ConfigError, UnreachableError
from updog.fetch import HttpFetcher
from updog.plainwire import PlainWire
from updog.requestswire import RequestsWire
from updog.tls import public_key_hash
from updog.wire import FetchSettings, Wire

CONTENT = bytes(range(256)) * 64
DAY = timedelta(days=1)


@pytest.fixture(params=[PlainWire, RequestsWire])
def wire(request: pytest.FixtureRequest) -> Callable[[FetchSettings], Wire]:
    made: Callable[[FetchSettings], Wire] = request.param
    return made


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


class Place:
    """A directory to serve, and files to trust."""

    def __init__(self, home: Path, authority: trustme.CA) -> None:
        self.home = home
        self.authority = authority
        self.ca = home / "ca.pem"
        authority.cert_pem.write_to_path(self.ca)
        (home / "files").mkdir()
        (home / "files/a").write_bytes(CONTENT)

    def write(self, issued: trustme.LeafCert, name: str) -> Path:
        path = self.home / name
        issued.private_key_and_cert_chain_pem.write_to_path(path)
        return path

    @contextmanager
    def serving(
        self, issued: trustme.LeafCert, *, clients: Path | None = None, extra: str = ""
    ) -> Iterator[str]:
        port = free_port()
        certificate = self.write(issued, "server.pem")
        site = Site(self.home / "files", certificate, clients, extra)
        with nginx(self.home / "nginx", site, f"127.0.0.1:{port}"):
            yield f"https://localhost:{port}/a"


@pytest.fixture
def place(tmp_path: Path, authority: trustme.CA) -> Place:
    return Place(tmp_path, authority)


@pytest.fixture
def get(place: Place, wire: Callable[[FetchSettings], Wire]) -> Callable[..., bytes]:
    def fetch(url: str, **named: object) -> bytes:
        settings = FetchSettings(**{"ca_file": place.ca, "retries": 0, **named})  # type: ignore[arg-type]
        fetcher = HttpFetcher(settings, wire=wire)
        try:
            return fetcher.get(url, max_bytes=len(CONTENT))
        finally:
            fetcher.close()

    return fetch


Get = Callable[..., bytes]


class TestServerCertificates:
    def test_one_of_our_authority_is_believed(
        self, place: Place, authority: trustme.CA, get: Get
    ) -> None:
        with place.serving(authority.issue_cert("localhost")) as url:
            assert get(url) == CONTENT

    def test_one_behind_an_intermediate_is_believed(
        self, place: Place, authority: trustme.CA, get: Get
    ) -> None:
        with place.serving(authority.create_child_ca().issue_cert("localhost")) as url:
            assert get(url) == CONTENT

    def test_an_address_can_stand_in_it(
        self, place: Place, authority: trustme.CA, get: Get
    ) -> None:
        with place.serving(authority.issue_cert("127.0.0.1")) as url:
            assert get(url.replace("localhost", "127.0.0.1")) == CONTENT

    def test_the_systems_authorities_do_not_know_ours(
        self, place: Place, authority: trustme.CA, get: Get
    ) -> None:
        with (
            place.serving(authority.issue_cert("localhost")) as url,
            pytest.raises(UnreachableError, match="not signed by an authority that we believe"),
        ):
            get(url, ca_file=None)

    def test_with_our_authority_the_systems_do_not_count(self, place: Place, get: Get) -> None:
        with (
            place.serving(trustme.CA().issue_cert("localhost")) as url,
            pytest.raises(UnreachableError, match=r"TLS failed.*not signed by an authority"),
        ):
            get(url)

    def test_the_name_of_another_server_is_told_as_such(
        self, place: Place, authority: trustme.CA, get: Get
    ) -> None:
        with (
            place.serving(authority.issue_cert("other.example")) as url,
            pytest.raises(UnreachableError, match=r"localhost:\d+/a: TLS failed.*another name"),
        ):
            get(url)

    def test_an_expired_one_is_told_as_such(
        self, place: Place, authority: trustme.CA, get: Get
    ) -> None:
        expired = authority.issue_cert("localhost", not_after=datetime.now(UTC) - DAY)
        with (
            place.serving(expired) as url,
            pytest.raises(UnreachableError, match="certificate has expired") as caught,
        ):
            get(url)
        assert "clock" in caught.value.hint

    def test_one_from_the_future_is_told_as_such(
        self, place: Place, authority: trustme.CA, get: Get
    ) -> None:
        early = authority.issue_cert(
            "localhost",
            not_before=datetime.now(UTC) + DAY,
            not_after=datetime.now(UTC) + 2 * DAY,
        )
        with (
            place.serving(early) as url,
            pytest.raises(UnreachableError, match="not valid yet"),
        ):
            get(url)

    def test_plain_http_on_the_other_side_is_a_tls_fault(self, place: Place, get: Get) -> None:
        port = free_port()
        with (
            nginx(place.home / "nginx", Site(place.home / "files"), f"127.0.0.1:{port}"),
            pytest.raises(UnreachableError, match="TLS failed"),
        ):
            get(f"https://localhost:{port}/a")

    def test_old_protocol_versions_are_refused(
        self, place: Place, authority: trustme.CA, get: Get
    ) -> None:
        old = "ssl_protocols TLSv1.1; ssl_ciphers ALL:@SECLEVEL=0;"
        with (
            place.serving(authority.issue_cert("localhost"), extra=old) as url,
            pytest.raises(UnreachableError, match="TLS failed"),
        ):
            get(url)


class TestPins:
    @staticmethod
    def pin(issued: trustme.LeafCert) -> bytes:
        key = x509.load_pem_x509_certificate(issued.cert_chain_pems[0].bytes()).public_key()
        encoded = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return hashlib.sha256(encoded).digest()

    def test_the_pinned_key_is_let_in(self, place: Place, authority: trustme.CA, get: Get) -> None:
        issued = authority.issue_cert("localhost")
        with place.serving(issued) as url:
            assert get(url, pins=frozenset({bytes(32), self.pin(issued)})) == CONTENT

    def test_another_key_is_refused_before_anything_is_sent(
        self, place: Place, authority: trustme.CA, get: Get
    ) -> None:
        with (
            place.serving(authority.issue_cert("localhost")) as url,
            pytest.raises(UnreachableError, match="public key is none of pin_sha256"),
        ):
            get(url, pins=frozenset({bytes(32)}), headers={"Authorization": "secret"})
        assert place.home.joinpath("nginx/access.log").read_text() == ""

    def test_a_pin_does_not_replace_the_authority(self, place: Place, get: Get) -> None:
        issued = trustme.CA().issue_cert("localhost")
        with (
            place.serving(issued) as url,
            pytest.raises(UnreachableError, match="not signed by an authority"),
        ):
            get(url, pins=frozenset({self.pin(issued)}))

    def test_with_pins_plain_http_is_refused(self, get: Get) -> None:
        with pytest.raises(UnreachableError, match="is not https") as caught:
            get("http://localhost:1/a", pins=frozenset({bytes(32)}))
        assert "pin_sha256" in caught.value.hint

    def test_what_openssl_makes_of_a_certificate_is_the_same(self, authority: trustme.CA) -> None:
        issued = authority.issue_cert("localhost")
        shown = x509.load_pem_x509_certificate(issued.cert_chain_pems[0].bytes())
        assert public_key_hash(shown.public_bytes(Encoding.DER)) == self.pin(issued)
        assert len(b64encode(self.pin(issued))) == 44


class TestClientCertificates:
    def test_one_of_the_right_authority_is_let_in(
        self, place: Place, authority: trustme.CA, get: Get
    ) -> None:
        mine = place.write(authority.issue_cert("device@example.com"), "mine.pem")
        with place.serving(authority.issue_cert("localhost"), clients=place.ca) as url:
            assert get(url, client_cert=mine) == CONTENT

    def test_the_key_may_lie_apart(self, place: Place, authority: trustme.CA, get: Get) -> None:
        issued = authority.issue_cert("device@example.com")
        cert, key = place.home / "cert.pem", place.home / "key.pem"
        issued.cert_chain_pems[0].write_to_path(cert)
        issued.private_key_pem.write_to_path(key)
        with place.serving(authority.issue_cert("localhost"), clients=place.ca) as url:
            assert get(url, client_cert=cert, client_key=key) == CONTENT

    def test_without_one_the_server_refuses(
        self, place: Place, authority: trustme.CA, get: Get
    ) -> None:
        with (
            place.serving(authority.issue_cert("localhost"), clients=place.ca) as url,
            pytest.raises(UnreachableError, match="400"),
        ):
            get(url)

    def test_one_of_another_authority_is_refused(
        self, place: Place, authority: trustme.CA, get: Get
    ) -> None:
        foreign = place.write(trustme.CA().issue_cert("device@example.com"), "foreign.pem")
        with (
            place.serving(authority.issue_cert("localhost"), clients=place.ca) as url,
            pytest.raises(UnreachableError),
        ):
            get(url, client_cert=foreign)

    @pytest.mark.parametrize("content", [b"", b"nonsense"])
    def test_a_broken_file_is_a_configuration_error(
        self, place: Place, get: Get, content: bytes
    ) -> None:
        broken = place.home / "broken.pem"
        broken.write_bytes(content)
        with pytest.raises(ConfigError, match="client_cert"):
            get("https://localhost:1/a", client_cert=broken)

    def test_a_broken_list_of_authorities_is_a_configuration_error(
        self, place: Place, get: Get
    ) -> None:
        broken = place.home / "broken.pem"
        broken.write_bytes(b"nonsense")
        with pytest.raises(ConfigError, match="ca_file"):
            get("https://localhost:1/a", ca_file=broken)

    def test_a_key_with_a_passphrase_is_refused_without_asking_for_it(
        self, place: Place, authority: trustme.CA, get: Get
    ) -> None:
        from cryptography.hazmat.primitives import serialization as s  # noqa: PLC0415

        issued = authority.issue_cert("device@example.com")
        key = s.load_pem_private_key(issued.private_key_pem.bytes(), None)
        locked = key.private_bytes(
            Encoding.PEM, s.PrivateFormat.PKCS8, s.BestAvailableEncryption(b"secret")
        )
        path = place.home / "locked.pem"
        path.write_bytes(locked + issued.cert_chain_pems[0].bytes())
        with pytest.raises(ConfigError, match="client_cert") as caught:
            get("https://localhost:1/a", client_cert=path)
        assert "passphrase" in caught.value.hint


class TestRealServer:
    def test_a_range_goes_on_with_the_same_file(
        self, place: Place, authority: trustme.CA, wire: Callable[[FetchSettings], Wire]
    ) -> None:
        fetcher = HttpFetcher(FetchSettings(ca_file=place.ca, retries=0), wire=wire)
        with place.serving(authority.issue_cert("localhost")) as url:
            with fetcher.open(url) as body:
                next(iter(body))
            with fetcher.open(url, offset=1000) as body:
                assert body.offset == 1000
                assert b"".join(body) == CONTENT[1000:]
            (place.home / "files/a").write_bytes(CONTENT + b"another")
            with fetcher.open(url, offset=1000) as body:
                assert body.offset == 0
        fetcher.close()

    def test_gzip_is_neither_asked_for_nor_applied(
        self, place: Place, authority: trustme.CA, get: Get
    ) -> None:
        extra = "gzip on; gzip_types *; gzip_min_length 1; default_type text/plain;"
        with place.serving(authority.issue_cert("localhost"), extra=extra) as url:
            assert get(url) == CONTENT

    def test_it_answers_by_ip_version_6(self, place: Place, get: Get) -> None:
        assert socket.has_ipv6
        port = free_port("::1")
        with nginx(place.home / "nginx", Site(place.home / "files"), f"[::1]:{port}"):
            assert get(f"http://[::1]:{port}/a") == CONTENT

    def test_a_slow_server_is_waited_for(
        self, place: Place, authority: trustme.CA, get: Get
    ) -> None:
        with place.serving(authority.issue_cert("localhost"), extra="limit_rate 6k;") as url:
            assert get(url, timeout_stall=1.8) == CONTENT
