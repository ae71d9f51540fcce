"""Every way HTTP can fail, against a real server on loopback: ours to name, in bounded time."""

from __future__ import annotations

import os
import socket
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from tests.fakes import faults
from tests.fakes.clock import NOW
from tests.fakes.httpserver import Answers, Exchange, Script, Server, serving
from tests.fakes.repository import FakeRepository
from updog.errors import CutShort, NotThere, TrustError, UnreachableError, UpdogError
from updog.fetch import HttpFetcher
from updog.plainwire import PlainWire
from updog.requestswire import RequestsWire
from updog.session import RepositoryUrls, Session
from updog.tufstore import MetadataStore
from updog.wire import FetchSettings, Wire

DATA = bytes(range(256)) * 4096
QUICK = FetchSettings(timeout_connect=1.0, timeout_stall=0.3, retries=2)


class Sleeps(list[float]):
    """Stands for `time.sleep`: writes down instead of waiting."""

    def __call__(self, seconds: float) -> None:
        self.append(seconds)


@pytest.fixture
def sleeps() -> Sleeps:
    return Sleeps()


@pytest.fixture(params=[PlainWire, RequestsWire])
def wire(request: pytest.FixtureRequest) -> Callable[[FetchSettings], Wire]:
    """Both transports: nothing above them may notice which one it is."""
    made: Callable[[FetchSettings], Wire] = request.param
    return made


@pytest.fixture
def fetcher(sleeps: Sleeps, wire: Callable[[FetchSettings], Wire]) -> Iterator[HttpFetcher]:
    fetcher = HttpFetcher(QUICK, sleeps, wire, jitter=lambda: 1.0)
    yield fetcher
    fetcher.close()


def answer(status: int = 200, body: bytes = DATA, **headers: str) -> Script:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda exchange: exchange.reply(status, body, headers=named)


def cut(at: int, *, of: int = len(DATA)) -> Script:
    """Promise more than is sent, then hang up."""
    return lambda exchange: exchange.reply(200, DATA[:at], length=of)


def ranged(exchange: Exchange) -> None:
    start = exchange.wanted_offset()
    told = {"Content-Range": f"bytes {start}-{len(DATA) - 1}/{len(DATA)}"} if start else {}
    exchange.reply(206 if start else 200, DATA[start:], headers=told)


def stall(exchange: Exchange) -> None:
    exchange.send_response(200)
    exchange.send_header("Content-Length", str(len(DATA)))
    exchange.end_headers()
    exchange.wfile.write(DATA[:1000])
    exchange.server.stop_stalling.wait(20)


def silence(exchange: Exchange) -> None:
    exchange.server.stop_stalling.wait(20)


def reset(exchange: Exchange) -> None:
    linger = struct.pack("ii", 1, 0)
    exchange.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    # Closed below Python, which would only count references: the peer gets a RST.
    os.close(exchange.connection.detach())


def garbage(exchange: Exchange) -> None:
    exchange.wfile.write(b"not HTTP at all\r\n\r\n")
    exchange.close_connection = True


def hang_up(exchange: Exchange) -> None:
    exchange.close_connection = True


def chunked(*chunks: bytes, end: bytes = b"0\r\n\r\n") -> Script:
    def script(exchange: Exchange) -> None:
        exchange.send_response(200)
        exchange.send_header("Transfer-Encoding", "chunked")
        exchange.end_headers()
        for chunk in chunks:
            exchange.wfile.write(b"%x\r\n%s\r\n" % (len(chunk), chunk))
        exchange.wfile.write(end)
        exchange.close_connection = True

    return script


def without_length(body: bytes) -> Script:
    def script(exchange: Exchange) -> None:
        exchange.send_response(200)
        exchange.end_headers()
        exchange.wfile.write(body)
        exchange.close_connection = True

    return script


class TestGet:
    def test_a_whole_file_arrives(self, fetcher: HttpFetcher) -> None:
        with serving(answer()) as server:
            assert fetcher.get(f"{server.base}/a", max_bytes=len(DATA)) == DATA

    def test_a_chunked_file_arrives(self, fetcher: HttpFetcher) -> None:
        with serving(chunked(b"abc", b"def")) as server:
            assert fetcher.get(f"{server.base}/a", max_bytes=6) == b"abcdef"

    def test_an_empty_file_arrives(self, fetcher: HttpFetcher) -> None:
        with serving(answer(body=b"")) as server:
            assert fetcher.get(f"{server.base}/a", max_bytes=0) == b""

    def test_one_connection_serves_many_requests(self, fetcher: HttpFetcher) -> None:
        with serving(answer()) as server:
            for _ in range(5):
                fetcher.get(f"{server.base}/a", max_bytes=len(DATA))
            assert len(server.connections) == 1

    def test_parameters_and_headers_reach_the_server(
        self, sleeps: Sleeps, wire: Callable[[FetchSettings], Wire]
    ) -> None:
        seen: list[tuple[str, str | None, str | None]] = []

        def script(exchange: Exchange) -> None:
            headers = exchange.headers
            seen.append((exchange.path, headers["X-Site"], headers["Accept-Encoding"]))
            exchange.reply(200)

        settings = FetchSettings(headers={"X-Site": "berlin"})
        with serving(script) as server:
            HttpFetcher(settings, sleeps, wire).get(f"{server.base}/a%2Fb?x=1%2C2", max_bytes=1)
        assert seen == [("/a%2Fb?x=1%2C2", "berlin", "identity")]

    @pytest.mark.parametrize("status", [403, 404, 410])
    def test_absent_is_told_at_once(
        self, fetcher: HttpFetcher, sleeps: Sleeps, status: int
    ) -> None:
        with serving(answer(status)) as server:
            with pytest.raises(NotThere):
                fetcher.get(f"{server.base}/a", max_bytes=10)
            assert len(server.log) == 1
        assert sleeps == []

    @pytest.mark.parametrize("status", [400, 401, 405, 418, 204, 304])
    def test_other_refusals_are_final(self, fetcher: HttpFetcher, status: int) -> None:
        with serving(answer(status, b"")) as server:
            with pytest.raises(UnreachableError, match=str(status)) as caught:
                fetcher.get(f"{server.base}/a", max_bytes=10)
            assert len(server.log) == 1
        assert not isinstance(caught.value, NotThere)

    @pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
    def test_what_may_pass_is_tried_again(
        self, fetcher: HttpFetcher, sleeps: Sleeps, status: int
    ) -> None:
        with serving(Answers([answer(status, b""), answer(status, b""), answer()])) as server:
            assert fetcher.get(f"{server.base}/a", max_bytes=len(DATA)) == DATA
        assert sleeps == [0.2, 0.4]

    def test_what_does_not_pass_ends(self, fetcher: HttpFetcher) -> None:
        with serving(answer(503, b"")) as server:
            with pytest.raises(UnreachableError, match="503"):
                fetcher.get(f"{server.base}/a", max_bytes=10)
            assert len(server.log) == 3

    @pytest.mark.parametrize(
        ("told", "waited"), [("7", 7.0), ("9999999", 60.0), ("soon", 0.2), ("-5", 0.2), ("", 0.2)]
    )
    def test_retry_after_is_honoured_within_reason(
        self, fetcher: HttpFetcher, sleeps: Sleeps, told: str, waited: float
    ) -> None:
        with serving(Answers([answer(503, b"", Retry_After=told), answer()])) as server:
            fetcher.get(f"{server.base}/a", max_bytes=len(DATA))
        assert sleeps == [waited]

    @pytest.mark.parametrize(
        "fault",
        [
            cut(0),
            cut(1),
            cut(len(DATA) // 2),
            cut(len(DATA) - 1),
            stall,
            silence,
            reset,
            garbage,
            hang_up,
            chunked(b"abc", end=b""),
            chunked(b"abc", end=b"zz\r\n"),
            chunked(b"abc", end=b"ffff\r\nx"),
        ],
        ids=[
            "cut before the body",
            "cut after a byte",
            "cut in the middle",
            "cut before the last byte",
            "stall in the body",
            "no answer",
            "reset",
            "garbage",
            "hang-up",
            "chunked without an end",
            "chunked with a bad size",
            "chunked cut in a chunk",
        ],
    )
    def test_each_fault_is_survived_once_and_named_at_last(
        self, fetcher: HttpFetcher, fault: Script
    ) -> None:
        with serving(Answers([fault, answer()])) as server:
            assert fetcher.get(f"{server.base}/a", max_bytes=len(DATA)) == DATA
        with serving(fault) as server:
            with pytest.raises(UnreachableError, match=r"http://localhost:\d+/a"):
                fetcher.get(f"{server.base}/a", max_bytes=len(DATA))
            assert 1 <= len(server.log) <= 3

    def test_a_closed_port_is_unreachable(self, fetcher: HttpFetcher) -> None:
        with serving(answer()) as server:
            base = server.base
        with pytest.raises(UnreachableError, match="cannot be reached"):
            fetcher.get(f"{base}/a", max_bytes=10)

    def test_a_name_that_does_not_resolve_is_unreachable(self, fetcher: HttpFetcher) -> None:
        with pytest.raises(UnreachableError, match="cannot be reached"):
            fetcher.get("http://name.invalid/a", max_bytes=10)


class TestSlowAndEndless:
    """Neither transport may be held, whatever part of an answer drips or never ends."""

    CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"

    @pytest.mark.parametrize(
        ("fault", "told"),
        [
            (faults.drips(b"HTTP/1.1 200 OK\r\nA: "), "too slow"),
            (faults.drips(b"HTTP/1.1 200 OK\r\n\r\n"), "too slow"),
            (faults.drips(CHUNKED + b"1;"), "too slow"),
            (faults.flood(b"HTTP/1.1 100 Continue\r\n\r\n"), "without an end"),
            (faults.flood(b"A: b\r\n", before=CHUNKED + b"0\r\n"), "without an end"),
            (faults.sends(faults.HALF_A_HEAD), "within the headers"),
        ],
        ids=["headers drip", "body drips", "chunk drips", "interim", "trailers", "half a head"],
    )
    def test_it_ends_in_our_words(
        self, wire: Callable[[FetchSettings], Wire], fault: faults.Fault, told: str
    ) -> None:
        settings = FetchSettings(timeout_stall=0.4, retries=0)
        fetcher = HttpFetcher(settings, wire=wire)
        with serving(lambda exchange: fault(exchange, DATA)) as server:
            with pytest.raises(UnreachableError, match=told):
                fetcher.get(f"{server.base}/a", max_bytes=len(DATA))
            fetcher.close()

    def test_a_slow_transfer_above_the_floor_arrives(
        self, wire: Callable[[FetchSettings], Wire]
    ) -> None:
        def slow(exchange: Exchange) -> None:
            exchange.wfile.write(faults.HEAD % 2000)
            for _ in range(10):
                exchange.wfile.write(bytes(200))
                exchange.wfile.flush()
                exchange.server.stop_stalling.wait(0.3)

        fetcher = HttpFetcher(FetchSettings(timeout_stall=2, retries=0), wire=wire)
        with serving(slow) as server:
            assert fetcher.get(f"{server.base}/a", max_bytes=2000) == bytes(2000)
            fetcher.close()

    def test_bytes_that_come_in_vain_are_bounded(
        self, sleeps: Sleeps, wire: Callable[[FetchSettings], Wire]
    ) -> None:
        fetcher = HttpFetcher(FetchSettings(retries=50), sleeps, wire)
        with serving(cut(len(DATA) - 1)) as server:
            with pytest.raises(UnreachableError, match=r"too often: .*stopped before its end"):
                fetcher.get(f"{server.base}/a", max_bytes=len(DATA))
            assert len(server.log) <= 5
            fetcher.close()

    def test_the_next_stream_waits_a_little_after_each_cut(
        self, sleeps: Sleeps, fetcher: HttpFetcher
    ) -> None:
        with serving(cut(10)) as server:
            for _ in range(3):
                with pytest.raises(CutShort):
                    list(fetcher.open(f"{server.base}/a"))
        assert sleeps == [0.2, 0.4]


class TestEndlessData:
    @pytest.mark.parametrize(
        "script", [answer(), chunked(DATA), without_length(DATA)], ids=["told", "chunked", "untold"]
    )
    def test_more_than_allowed_is_refused_without_a_retry(
        self, fetcher: HttpFetcher, script: Script
    ) -> None:
        with serving(script) as server:
            with pytest.raises(TrustError, match="longer than the 1000 bytes"):
                fetcher.get(f"{server.base}/a", max_bytes=1000)
            assert len(server.log) == 1

    def test_a_length_that_lies_low_does_not_help(self, fetcher: HttpFetcher) -> None:
        def script(exchange: Exchange) -> None:
            exchange.reply(200, DATA, length=10)

        with serving(script) as server:
            assert fetcher.get(f"{server.base}/a", max_bytes=1000) == DATA[:10]

    @pytest.mark.parametrize("told", ["-1", "zz", "9" * 40])
    def test_nonsense_for_a_length_is_our_error(self, fetcher: HttpFetcher, told: str) -> None:
        def script(exchange: Exchange) -> None:
            exchange.send_response(200)
            exchange.send_header("Content-Length", told)
            exchange.end_headers()
            exchange.wfile.write(DATA)
            exchange.close_connection = True

        with serving(script) as server, pytest.raises(UpdogError):
            fetcher.get(f"{server.base}/a", max_bytes=1000)


class TestEncoding:
    @pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "x-unknown", "gzip, identity"])
    def test_an_encoded_answer_is_refused(self, fetcher: HttpFetcher, encoding: str) -> None:
        with serving(answer(Content_Encoding=encoding)) as server:
            with pytest.raises(UnreachableError, match="Content-Encoding"):
                fetcher.get(f"{server.base}/a", max_bytes=len(DATA))
            with pytest.raises(UnreachableError, match="Content-Encoding"):
                fetcher.open(f"{server.base}/a")

    def test_identity_said_aloud_is_no_encoding(self, fetcher: HttpFetcher) -> None:
        with serving(answer(Content_Encoding="identity")) as server:
            assert fetcher.get(f"{server.base}/a", max_bytes=len(DATA)) == DATA


class TestRanges:
    def test_a_range_begins_where_it_was_asked_for(self, fetcher: HttpFetcher) -> None:
        with serving(ranged) as server, fetcher.open(f"{server.base}/a", offset=1000) as body:
            assert body.offset == 1000
            assert b"".join(body) == DATA[1000:]
            assert server.log == [("/a", "bytes=1000-")]

    def test_no_range_is_asked_for_at_the_start(self, fetcher: HttpFetcher) -> None:
        with serving(ranged) as server, fetcher.open(f"{server.base}/a") as body:
            assert b"".join(body) == DATA
            assert server.log == [("/a", "")]

    def test_a_200_to_a_range_is_noticed(self, fetcher: HttpFetcher) -> None:
        with serving(answer()) as server, fetcher.open(f"{server.base}/a", offset=1000) as body:
            assert body.offset == 0
            assert b"".join(body) == DATA

    @pytest.mark.parametrize(
        "told",
        ["bytes 999-1048575/1048576", "bytes 0-10/11", "bytes */5", "items 1000-2/3", "", "1000"],
    )
    def test_another_range_is_refused(self, fetcher: HttpFetcher, told: str) -> None:
        script = answer(206, Content_Range=told)
        with serving(script) as server, pytest.raises(UnreachableError, match="range"):
            fetcher.open(f"{server.base}/a", offset=1000)

    def test_a_range_nobody_asked_for_is_refused(self, fetcher: HttpFetcher) -> None:
        script = answer(206, Content_Range="bytes 0-9/10")
        with serving(script) as server, pytest.raises(UnreachableError, match="range"):
            fetcher.open(f"{server.base}/a")

    def test_a_range_is_asked_for_only_of_the_same_file(self, fetcher: HttpFetcher) -> None:
        seen: list[str | None] = []

        def script(exchange: Exchange) -> None:
            seen.append(exchange.headers["If-Range"])
            start = exchange.wanted_offset()
            headers = {"ETag": '"v1"', "Content-Range": f"bytes {start}-9/10"}
            exchange.reply(206 if start else 200, DATA[start:10], headers=headers)

        with serving(script) as server:
            for offset in (0, 5):
                with fetcher.open(f"{server.base}/a", offset=offset) as body:
                    assert b"".join(body) == DATA[offset:10]
        assert seen == [None, '"v1"']

    def test_a_part_of_another_file_is_noticed(self, fetcher: HttpFetcher) -> None:
        def script(exchange: Exchange) -> None:
            start = exchange.wanted_offset()
            headers = {"ETag": f'"{start}"', "Content-Range": f"bytes {start}-9/10"}
            exchange.reply(206 if start else 200, DATA[start:10], headers=headers)

        with serving(script) as server:
            fetcher.open(f"{server.base}/a").close()
            with pytest.raises(UnreachableError, match="replaced by another file"):
                fetcher.open(f"{server.base}/a", offset=5)

    def test_416_is_final(self, fetcher: HttpFetcher) -> None:
        with serving(answer(416, b"")) as server:
            with pytest.raises(UnreachableError, match="416"):
                fetcher.open(f"{server.base}/a", offset=1 << 40)
            assert len(server.log) == 1

    @pytest.mark.parametrize("fault", [cut(1000), stall], ids=["cut", "stall"])
    def test_what_came_before_a_fault_is_not_lost(
        self, fetcher: HttpFetcher, fault: Script
    ) -> None:
        got: list[bytes] = []
        with serving(fault) as server:
            body = fetcher.open(f"{server.base}/a")
            with pytest.raises(CutShort, match="stopped before its end"):
                got.extend(body)
        assert b"".join(got) == DATA[:1000]

    def test_opening_is_tried_again(self, fetcher: HttpFetcher, sleeps: Sleeps) -> None:
        script = Answers([reset, answer(503, b""), answer()])
        with serving(script) as server, fetcher.open(f"{server.base}/a") as body:
            assert b"".join(body) == DATA
        assert sleeps == [0.2, 0.4]

    def test_a_body_left_early_does_not_hold_the_next_one_up(self, fetcher: HttpFetcher) -> None:
        with serving(answer()) as server:
            for _ in range(20):
                fetcher.open(f"{server.base}/a").close()
            assert fetcher.get(f"{server.base}/a", max_bytes=len(DATA)) == DATA


class TestChoice:
    """Without a word from us, whole files go the plain way and images go by requests."""

    @staticmethod
    def agents(directory: Path, settings: FetchSettings, code: str) -> set[str]:
        """Which of the two libraries a fresh process has imported after `code`."""
        probe = (
            "import sys\n"
            "from updog.fetch import FetchSettings, HttpFetcher\n"
            f"fetcher = HttpFetcher(FetchSettings(proxies={settings.proxies!r}))\n"
            f"{code}\n"
            "print(*({'requests', 'http.client'} & set(sys.modules)))\n"
        )
        environment = {"PATH": os.environ["PATH"], "HOME": str(directory)}
        run = subprocess.run(
            [sys.executable, "-c", probe],
            capture_output=True,
            text=True,
            check=True,
            env=environment,
            cwd=Path(__file__).parents[2],
        )
        return set(run.stdout.split())

    def test_asking_for_a_file_imports_no_requests(self, tmp_path: Path) -> None:
        with serving(answer()) as server:
            code = f"fetcher.get('{server.base}/a', max_bytes=10**7)"
            assert self.agents(tmp_path, FetchSettings(), code) == {"http.client"}

    def test_a_proxy_needs_requests(self, tmp_path: Path) -> None:
        with serving(answer()) as server:
            settings = FetchSettings(proxies={"http": server.base})
            code = "assert len(fetcher.get('http://name.invalid/a', max_bytes=10**7)) > 0"
            assert "requests" in self.agents(tmp_path, settings, code)
            assert server.log == [("http://name.invalid/a", "")]

    def test_a_stream_needs_no_requests_either(self, tmp_path: Path) -> None:
        with serving(answer()) as server:
            code = f"assert sum(map(len, fetcher.open('{server.base}/a'))) == {len(DATA)}"
            assert self.agents(tmp_path, FetchSettings(), code) == {"http.client"}

    def test_a_stream_through_a_proxy_goes_by_requests(self, tmp_path: Path) -> None:
        with serving(answer()) as server:
            settings = FetchSettings(proxies={"http": server.base})
            code = f"assert sum(map(len, fetcher.open('http://name.invalid/a'))) == {len(DATA)}"
            assert "requests" in self.agents(tmp_path, settings, code)


class TestProxies:
    def test_the_exceptions_count_where_a_redirect_leads(self, sleeps: Sleeps) -> None:
        with serving(answer()) as there:
            away = answer(302, b"", Location=f"{there.base}/b")
            with serving(away) as proxy:
                settings = FetchSettings(
                    proxies={"http": proxy.base}, no_proxy=("localhost",), retries=0
                )
                fetcher = HttpFetcher(settings, sleeps)
                assert fetcher.get("http://name.invalid/a", max_bytes=len(DATA)) == DATA
                fetcher.close()
                assert proxy.log == [("http://name.invalid/a", "")]
            assert there.log == [("/b", "")]

    def test_one_that_cannot_be_one_is_not_tried_again(self, sleeps: Sleeps) -> None:
        fetcher = HttpFetcher(FetchSettings(proxies={"http": "socks9://localhost:1"}), sleeps)
        with pytest.raises(UnreachableError, match=r"http://name.invalid/a: "):
            fetcher.get("http://name.invalid/a", max_bytes=1)
        fetcher.close()
        assert sleeps == []


class TestKeptConnections:
    def test_one_that_the_server_closed_meanwhile_is_no_fault(self, fetcher: HttpFetcher) -> None:
        def once(exchange: Exchange) -> None:
            exchange.reply(200, b"x")
            exchange.close_connection = True

        with serving(once) as server:
            for _ in range(3):
                assert fetcher.get(f"{server.base}/a", max_bytes=1) == b"x"
            assert len(server.connections) == 3

    def test_one_with_an_unread_rest_is_not_used_again(self, fetcher: HttpFetcher) -> None:
        with serving(answer()) as server:
            with fetcher.open(f"{server.base}/a") as body:
                next(iter(body))
            assert fetcher.get(f"{server.base}/b", max_bytes=len(DATA)) == DATA

    def test_an_absent_file_keeps_it(self, fetcher: HttpFetcher) -> None:
        with serving(Answers([answer(404, b"no such file"), answer()])) as server:
            with pytest.raises(NotThere):
                fetcher.get(f"{server.base}/a", max_bytes=1)
            fetcher.get(f"{server.base}/b", max_bytes=len(DATA))
            assert len(server.connections) == 1


class TestRedirects:
    @staticmethod
    def hops(count: int) -> Script:
        def script(exchange: Exchange) -> None:
            hop = int(exchange.path.removeprefix("/"))
            if hop < count:
                exchange.reply(302, headers={"Location": f"/{hop + 1}"})
            else:
                exchange.reply(200, b"there")

        return script

    def test_five_are_followed(self, fetcher: HttpFetcher) -> None:
        with serving(self.hops(5)) as server:
            assert fetcher.get(f"{server.base}/0", max_bytes=10) == b"there"

    def test_six_are_too_many(self, fetcher: HttpFetcher) -> None:
        with serving(self.hops(6)) as server:
            with pytest.raises(UnreachableError, match="more than 5"):
                fetcher.get(f"{server.base}/0", max_bytes=10)
            assert len(server.log) == 6

    @pytest.mark.parametrize(
        "location", ["file:///etc/passwd", "ftp://x/y", "", "http://[bad", "gopher:1", "data:,x"]
    )
    def test_to_anything_but_http_is_refused(self, fetcher: HttpFetcher, location: str) -> None:
        script = answer(302, b"", Location=location)
        with serving(script) as server, pytest.raises(UnreachableError, match="redirects"):
            fetcher.get(f"{server.base}/a", max_bytes=10)

    def test_the_body_of_one_is_not_read(self, fetcher: HttpFetcher) -> None:
        def endless(exchange: Exchange) -> None:
            if exchange.path == "/b":
                exchange.reply(200, b"there")
                return
            exchange.send_response(302)
            exchange.send_header("Location", "/b")
            exchange.send_header("Content-Length", str(1 << 40))
            exchange.end_headers()
            exchange.server.stop_stalling.wait(20)

        with serving(endless) as server:
            assert fetcher.get(f"{server.base}/a", max_bytes=10) == b"there"

    def test_a_range_survives_one(self, fetcher: HttpFetcher) -> None:
        with serving(Answers([answer(307, b"", Location="/b"), ranged])) as server:
            with fetcher.open(f"{server.base}/a", offset=10) as body:
                assert body.offset == 10
            assert server.log == [("/a", "bytes=10-"), ("/b", "bytes=10-")]

    def test_our_headers_do_not_follow_to_another_host(
        self, sleeps: Sleeps, wire: Callable[[FetchSettings], Wire]
    ) -> None:
        seen: list[str | None] = []

        def other(exchange: Exchange) -> None:
            seen.append(exchange.headers["Authorization"])
            exchange.reply(200)

        settings = FetchSettings(headers={"Authorization": "Bearer x"})
        with serving(other) as elsewhere:
            away = answer(302, b"", Location=f"{elsewhere.base}/b")
            with serving(away) as server:
                HttpFetcher(settings, sleeps, wire).get(f"{server.base}/a", max_bytes=1)
        assert seen == [None]


def certificate(directory: Path, *, name: str = "localhost", valid_days: int = 1) -> Path:
    """A self-signed certificate with its key, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    # Real time: the TLS library reads the clock by itself.
    begin = datetime.now(UTC) - timedelta(days=10)
    built = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(begin)
        .not_valid_after(begin + timedelta(days=10 + valid_days))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = directory / f"{name}.pem"
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path.write_bytes(private + built.public_bytes(Encoding.PEM))
    return path


class TestTls:
    @pytest.fixture
    def trusting(
        self, sleeps: Sleeps, wire: Callable[[FetchSettings], Wire]
    ) -> Callable[[Path], HttpFetcher]:
        return lambda path: HttpFetcher(FetchSettings(ca_file=path, retries=2), sleeps, wire)

    def test_our_own_authority_is_believed(
        self, tmp_path: Path, trusting: Callable[[Path], HttpFetcher]
    ) -> None:
        path = certificate(tmp_path)
        with serving(answer(), path) as server:
            got = trusting(path).get(f"{server.base}/a", max_bytes=len(DATA))
        assert got == DATA

    def test_an_unknown_authority_is_refused_at_once(
        self, tmp_path: Path, sleeps: Sleeps, fetcher: HttpFetcher
    ) -> None:
        with serving(answer(), certificate(tmp_path)) as server:
            address = f"{server.base}/a"
            with pytest.raises(UnreachableError, match="TLS failed") as caught:
                fetcher.get(address, max_bytes=10)
        assert "certificate" in caught.value.hint
        assert sleeps == []

    @pytest.mark.parametrize(
        ("name", "days"), [("other", 1), ("localhost", -1)], ids=["another name", "expired"]
    )
    def test_a_bad_certificate_is_refused(
        self, tmp_path: Path, trusting: Callable[[Path], HttpFetcher], name: str, days: int
    ) -> None:
        path = certificate(tmp_path, name=name, valid_days=days)
        with serving(answer(), path) as server, pytest.raises(UnreachableError, match="TLS"):
            trusting(path).get(f"{server.base}/a", max_bytes=10)

    @pytest.mark.parametrize("apart", [False, True], ids=["one file", "key apart"])
    def test_a_client_certificate_is_shown(
        self,
        tmp_path: Path,
        sleeps: Sleeps,
        wire: Callable[[FetchSettings], Wire],
        *,
        apart: bool,
    ) -> None:
        path, mine = certificate(tmp_path), certificate(tmp_path, name="device")
        settings = FetchSettings(
            ca_file=path, client_cert=mine, client_key=mine if apart else None, retries=0
        )
        with serving(answer(), path, clients=mine) as server:
            got = HttpFetcher(settings, sleeps, wire).get(f"{server.base}/a", max_bytes=len(DATA))
            assert got == DATA

    def test_without_a_client_certificate_a_server_that_wants_one_refuses(
        self, tmp_path: Path, trusting: Callable[[Path], HttpFetcher]
    ) -> None:
        path = certificate(tmp_path)
        with serving(answer(), path, clients=path) as server, pytest.raises(UnreachableError):
            trusting(path).get(f"{server.base}/a", max_bytes=10)

    def test_no_redirect_leads_from_https_to_http(
        self, tmp_path: Path, trusting: Callable[[Path], HttpFetcher]
    ) -> None:
        path = certificate(tmp_path)
        with serving(answer()) as plain:
            away = answer(302, b"", Location=f"{plain.base}/a")
            with serving(away, path) as server, pytest.raises(UnreachableError, match="refused"):
                trusting(path).get(f"{server.base}/a", max_bytes=len(DATA))
            assert plain.log == []


class TestWholeSession:
    """A repository over the real wire, with the fetcher that devices use."""

    @pytest.fixture
    def repo(self) -> FakeRepository:
        repo = FakeRepository()
        repo.add_target("image", DATA)
        repo.publish()
        return repo

    @staticmethod
    def serve_files(repo: FakeRepository) -> Script:
        def script(exchange: Exchange) -> None:
            data = repo.files.get(exchange.path.removeprefix("/").partition("?")[0])
            if data is None:
                exchange.reply(404)
                return
            start = exchange.wanted_offset()
            told = {"Content-Range": f"bytes {start}-{len(data) - 1}/{len(data)}"} if start else {}
            exchange.reply(206 if start else 200, data[start:], headers=told)

        return script

    @staticmethod
    def session(server: Server, repo: FakeRepository, fetcher: HttpFetcher, at: Path) -> Session:
        urls = RepositoryUrls(f"{server.base}/metadata", f"{server.base}/targets")
        return Session(urls, repo.shipped_root(), MetadataStore(at), fetcher, NOW)

    def test_refresh_and_read(
        self, repo: FakeRepository, fetcher: HttpFetcher, tmp_path: Path
    ) -> None:
        with serving(self.serve_files(repo)) as server:
            session = self.session(server, repo, fetcher, tmp_path)
            session.query("seed", "7")
            session.refresh()
            with session.stream(session.target("image")) as body:
                assert b"".join(body) == DATA
            assert len(server.connections) == 1
            assert all("?seed=7" in path for path, _ in server.log)

    def test_a_transfer_cut_three_times_is_put_together(
        self, repo: FakeRepository, fetcher: HttpFetcher, tmp_path: Path
    ) -> None:
        good = self.serve_files(repo)
        with serving(good) as server:
            session = self.session(server, repo, fetcher, tmp_path)
            session.refresh()

            def cut_ranged(exchange: Exchange) -> None:
                start = exchange.wanted_offset()
                told = f"bytes {start}-{len(DATA) - 1}/{len(DATA)}"
                some = DATA[start : start + 300_000]
                headers = {"Content-Range": told} if start else {}
                left = len(DATA) - start
                exchange.reply(206 if start else 200, some, length=left, headers=headers)

            server.script = cut_ranged
            with session.stream(session.target("image")) as body:
                assert b"".join(body) == DATA
            ranges = [wanted for _, wanted in server.log[-4:]]
            assert ranges == ["", "bytes=300000-", "bytes=600000-", "bytes=900000-"]

    def test_local_directories_serve_as_well(
        self, repo: FakeRepository, fetcher: HttpFetcher, tmp_path: Path
    ) -> None:
        for path, data in repo.files.items():
            file = tmp_path / "repo" / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(data)
        base = (tmp_path / "repo").as_uri()
        urls = RepositoryUrls(f"{base}/metadata", f"{base}/targets")
        store = MetadataStore(tmp_path / "state")
        session = Session(urls, repo.shipped_root(), store, fetcher, NOW)
        session.query("seed", "7")
        session.refresh()
        assert session.read("image") == DATA
