"""The real command against a server that fails: it goes on, or ends in its own words, in time."""

from __future__ import annotations

import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trustme
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import load_pem_x509_certificate

from fixtures.machine import Machine, configure
from tests.fakes import faults
from tests.fakes.faults import Fault, FaultySite
from tests.fakes.httpserver import Exchange, Server, serving
from tests.fakes.nginx import Site, free_port, nginx
from tests.integration.conftest import SEED, Releases, World, make_world
from updog.tls import public_key_hash

pytestmark = pytest.mark.slow(seconds=80)

DEAD, BAD = 69, 65
LIMIT = 25.0
"""Seconds in which every run of these tests has to end; two further attempts are configured."""
QUICK = "[download]\ntimeout_connect = 1\ntimeout_stall = 0.6\nretries = 2\n"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, releases: Releases) -> Iterator[World]:
    """Images without maps: they come whole, whatever the machine has."""
    yield from make_world(tmp_path_factory.mktemp("faults"), releases, maps=False)


@pytest.fixture
def mapped(tmp_path: Path, releases: Releases) -> Iterator[World]:
    """Images with maps, which come in parts."""
    yield from make_world(tmp_path, releases)


@pytest.fixture
def machine(world: World) -> Machine:
    """The machine, with nothing known from an earlier run."""
    machine = world.machine
    shutil.rmtree(machine.home / "state")
    (machine.home / "state").mkdir()
    words(machine, QUICK)
    return machine


def words(machine: Machine, text: str) -> None:
    dropin = machine.home / "updog.d/network.toml"
    dropin.parent.mkdir(exist_ok=True)
    dropin.write_text(text)


@contextmanager
def faulty(
    world: World, where: str = "", fault: Fault | None = None, times: int = 1 << 30
) -> Iterator[Server]:
    """Serve the repository with a fault, and let the machine ask there."""
    site = FaultySite(world.publisher.published, where, fault, times)
    with serving(site) as server:
        point(world, server.base)
        yield server


def point(world: World, url: str) -> None:
    configure(world.machine, world.releases.first, seed=SEED, url=url)


def updog(
    machine: Machine, *arguments: str, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run the command, within the time that a run may take."""
    begun = time.monotonic()
    run = subprocess.run(
        [sys.executable, "-m", "updog", "--config", str(machine.config), *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=2 * LIMIT,
        env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "NO_COLOR": "1", **environment},
        cwd=Path(__file__).parents[2],
    )
    assert time.monotonic() - begun < LIMIT, run.stderr
    assert "Traceback" not in run.stderr, run.stderr
    return run


@dataclass(frozen=True, slots=True)
class Case:
    """A fault: what it is called, what it does, and what a run says that never sees it end."""

    name: str
    fault: Fault
    told: str
    code: int = DEAD
    passing: bool = True


CASES = (
    Case("cut before the headers", faults.sends(), "cannot be reached"),
    Case("cut in the status line", faults.sends(b"HTTP/1"), "cannot be reached"),
    Case("cut in the headers", faults.sends(faults.HALF_A_HEAD), "within the headers"),
    Case("cut where the body begins", faults.sends(faults.head), "stopped before its end"),
    Case(
        "cut in the middle of the body",
        faults.sends(faults.head, faults.first(0.5)),
        "stopped before its end",
    ),
    Case(
        "cut before the last byte",
        faults.sends(faults.head, faults.but_the_last),
        "stopped before its end",
    ),
    Case("cut in a chunk", faults.sends(faults.half_a_chunk), "stopped before its end"),
    Case("cut before the last chunk", faults.sends(faults.unended_chunks), "stopped before"),
    Case("stall before the headers", faults.sends_and_stalls(), "stalled"),
    Case("stall in the headers", faults.sends_and_stalls(faults.HALF_A_HEAD), "stalled"),
    Case("stall where the body begins", faults.sends_and_stalls(faults.head), "stalled"),
    Case(
        "stall in the middle of the body",
        faults.sends_and_stalls(faults.head, faults.first(0.5)),
        "stalled",
    ),
    Case("stall in a chunk", faults.sends_and_stalls(faults.half_a_chunk), "stalled"),
    Case("headers that drip", faults.drips(faults.HALF_A_HEAD), "too slow"),
    Case("a body that drips", faults.drips(b"HTTP/1.1 200 OK\r\n\r\n"), "too slow"),
    Case(
        "interim answers without an end",
        faults.flood(b"HTTP/1.1 100 Continue\r\n\r\n"),
        "without an end",
    ),
    Case(
        "trailers without an end",
        faults.flood(
            b"A: b\r\n", before=b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n"
        ),
        "without an end",
    ),
    Case(
        "headers without an end", faults.flood(b"A: b\r\n", before=b"HTTP/1.1 200 OK\r\n"), "head"
    ),
    Case("another protocol", faults.sends(b"SSH-2.0-OpenSSH_9.2\r\n"), "cannot be reached"),
    Case("500", faults.status(500), "answered with 500"),
    Case("502", faults.status(502), "answered with 502"),
    Case("503 with seconds", faults.status(503, Retry_After="1"), "answered with 503"),
    Case("429 with seconds", faults.status(429, Retry_After="1"), "answered with 429"),
    Case(
        "503 with a date in the past",
        faults.status(503, Retry_After="Sun, 06 Nov 1994 08:49:37 GMT"),
        "answered with 503",
    ),
    Case("408", faults.status(408), "answered with 408"),
    Case("400", faults.status(400), "answered with 400", passing=False),
    Case("401", faults.status(401), "answered with 401", passing=False),
    Case("404", faults.status(404), "does not exist", passing=False),
    Case("a part that nobody asked for", faults.wrong_part("bytes 0-9/10"), "range", passing=False),
    Case("gzip", faults.packed, "Content-Encoding 'gzip'", passing=False),
    Case("gzip in secret", faults.packed_in_secret, "malformed", BAD, passing=False),
    Case("a captive portal", faults.portal, "malformed", BAD, passing=False),
    Case("a flipped bit", faults.flipped, "timestamp", BAD, passing=False),
    Case("endless data", faults.endless, "longer than", BAD, passing=False),
    Case("a redirect in a circle", faults.moved("timestamp.json"), "more than 5", passing=False),
    Case("a redirect to a file", faults.moved("file:///etc/passwd"), "refused", passing=False),
    Case("a redirect to nowhere", faults.status(302), "redirects", passing=False),
)
PASSING = [case for case in CASES if case.passing]


@pytest.mark.parametrize("case", PASSING, ids=[case.name for case in PASSING])
def test_a_fault_that_passes_is_survived(world: World, machine: Machine, case: Case) -> None:
    with faulty(world, "timestamp", case.fault, times=1):
        run = updog(machine, "check-update")
    assert run.returncode == 0, run.stderr
    assert "1.1.0" in run.stdout


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_a_fault_that_lasts_ends_in_our_words(world: World, machine: Machine, case: Case) -> None:
    with faulty(world, "timestamp", case.fault) as server:
        run = updog(machine, "check-update")
        asked = [path for path, _ in server.log if "timestamp" in path]
    assert run.returncode == case.code, run.stderr
    # In the words of a pattern: a few faults are found by one of two checks.
    assert re.search(case.told, run.stderr), run.stderr
    assert len(asked) <= 6


IMAGE = r"root\.ext4\.lz4$"
STREAM = (
    Case("cut at its start", faults.sends(faults.head), "stopped before its end"),
    Case("cut in the middle", faults.sends(faults.head, faults.first(0.5)), "stopped before"),
    Case("cut before its last byte", faults.sends(faults.head, faults.but_the_last), "stopped"),
    Case("stall in the middle", faults.sends_and_stalls(faults.head, faults.first(0.5)), "stalled"),
    Case("drip", faults.drips(faults.head, faults.first(0.1), at=0.1), "too slow"),
    Case("503", faults.status(503), "answered with 503"),
    Case("gzip", faults.packed, "Content-Encoding", passing=False),
    Case("a flipped bit", faults.flipped, "root", BAD, passing=False),
    Case("a wrong part", faults.wrong_part("bytes 5-9/10"), "range", passing=False),
)
PASSING_STREAM = [case for case in STREAM if case.passing]


@pytest.mark.parametrize("case", PASSING_STREAM, ids=[case.name for case in PASSING_STREAM])
def test_an_image_survives_a_fault_that_passes(world: World, machine: Machine, case: Case) -> None:
    with faulty(world, IMAGE, case.fault, times=1) as server:
        run = updog(machine, "update-image")
        assert server.script.struck == 1  # type: ignore[attr-defined]
    assert run.returncode == 0, run.stderr


@pytest.mark.parametrize("case", STREAM, ids=[case.name for case in STREAM])
def test_an_image_that_never_comes_ends_in_our_words(
    world: World, machine: Machine, case: Case
) -> None:
    with faulty(world, IMAGE, case.fault):
        run = updog(machine, "update-image")
    assert run.returncode == case.code, run.stderr
    assert re.search(case.told, run.stderr), run.stderr


class TestNobodyThere:
    def test_a_name_that_does_not_resolve(self, world: World, machine: Machine) -> None:
        point(world, "http://name.invalid")
        run = updog(machine, "check-update")
        assert run.returncode == DEAD
        assert "name.invalid" in run.stderr
        assert "DNS" in run.stderr

    def test_a_closed_port(self, world: World, machine: Machine) -> None:
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            point(world, f"http://127.0.0.1:{unused.getsockname()[1]}")
            run = updog(machine, "check-update")
        assert run.returncode == DEAD
        assert "connection refused" in run.stderr

    def test_a_server_that_takes_no_connection(self, world: World, machine: Machine) -> None:
        with socket.socket() as full:
            full.bind(("127.0.0.1", 0))
            full.listen(0)
            place = full.getsockname()
            fillers = [socket.socket() for _ in range(4)]
            for filler in fillers:
                filler.setblocking(False)  # noqa: FBT003 - the library's
                filler.connect_ex(place)
            point(world, f"http://127.0.0.1:{place[1]}")
            run = updog(machine, "check-update")
            for filler in fillers:
                filler.close()
        assert run.returncode == DEAD
        assert "no connection in time" in run.stderr


class TestProxies:
    def test_one_from_the_environment_is_used(self, world: World, machine: Machine) -> None:
        def proxy(exchange: Exchange) -> None:
            exchange.path = exchange.path.removeprefix("http://updates.invalid")
            FaultySite(world.publisher.published)(exchange)

        with serving(proxy) as server:
            point(world, "http://updates.invalid")
            run = updog(machine, "check-update", http_proxy=server.base)
        assert run.returncode == 0, run.stderr

    def test_no_proxy_makes_an_exception(self, world: World, machine: Machine) -> None:
        with faulty(world):
            run = updog(
                machine, "check-update", http_proxy="http://127.0.0.1:1", no_proxy="localhost"
            )
        assert run.returncode == 0, run.stderr

    def test_a_dead_one_is_told_as_such(self, world: World, machine: Machine) -> None:
        with faulty(world):
            run = updog(machine, "check-update", http_proxy="http://me:secret@127.0.0.1:1")
        assert run.returncode == DEAD
        assert "the proxy failed: connection refused" in run.stderr
        assert "secret" not in run.stderr

    @pytest.mark.parametrize(
        ("answer", "told"),
        [
            (b"", "cannot be reached"),
            (b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", "the proxy failed.*407"),
            (b"HTTP/1.1 200 OK\r\n\r\n", "cannot be reached"),
        ],
        ids=["drops", "wants a password", "drops after its answer"],
    )
    def test_a_tunnel_that_fails(
        self, world: World, machine: Machine, answer: bytes, told: str
    ) -> None:
        with dropping_proxy(answer) as address:
            point(world, "https://updates.invalid")
            run = updog(machine, "check-update", https_proxy=address)
        assert run.returncode == DEAD
        assert re.search(told, run.stderr), run.stderr


@contextmanager
def dropping_proxy(answer: bytes) -> Iterator[str]:
    """A proxy that says this to a CONNECT, and hangs up."""

    class Proxy(Exchange):
        def do_CONNECT(self) -> None:  # noqa: N802 - the name is the library's
            self.wfile.write(answer)
            self.wfile.flush()
            self.close_connection = True

    with serving(lambda exchange: exchange.reply(500)) as server:
        server.RequestHandlerClass = Proxy
        yield server.base


class TestMirrors:
    """A dead, an empty, a lying and a good server in a row."""

    def run(
        self, world: World, machine: Machine, verb: str, *urls: str
    ) -> subprocess.CompletedProcess[str]:
        point(world, urls[0])
        edition = f"{world.releases.first.variant}/{world.releases.first.arch}"
        tables = ", ".join(
            f'{{ metadata = "{url}/{edition}", targets = "{url}/targets" }}' for url in urls[1:]
        )
        words(machine, f"{QUICK}mirrors = [{tables}]\n")
        return updog(machine, verb)

    def test_a_dead_first_one_is_passed_over(self, world: World, machine: Machine) -> None:
        with serving(FaultySite(world.publisher.published)) as good:
            run = self.run(world, machine, "update", "http://127.0.0.1:1", good.base)
        assert run.returncode == 0, run.stderr
        world.machine.updog("revert-update")

    def test_an_empty_one_is_passed_over(
        self, world: World, machine: Machine, tmp_path: Path
    ) -> None:
        with (
            serving(FaultySite(tmp_path)) as empty,
            serving(FaultySite(world.publisher.published)) as good,
        ):
            run = self.run(world, machine, "check-update", empty.base, good.base)
        assert run.returncode == 0, run.stderr
        assert "not used any more" in run.stderr

    def test_an_image_that_the_first_one_lacks_comes_from_the_next(
        self, world: World, machine: Machine
    ) -> None:
        site = FaultySite(world.publisher.published, IMAGE, faults.status(404))
        with serving(site) as lacking, serving(FaultySite(world.publisher.published)) as good:
            run = self.run(world, machine, "update-image", lacking.base, good.base)
            assert [path for path, _ in lacking.log if re.search(IMAGE, path.partition("?")[0])]
            assert [path for path, _ in good.log if re.search(IMAGE, path.partition("?")[0])]
        assert run.returncode == 0, run.stderr

    def test_parts_that_the_first_one_lacks_come_from_the_next(self, mapped: World) -> None:
        site = FaultySite(mapped.publisher.published, IMAGE, faults.status(404))
        with serving(site) as lacking, serving(FaultySite(mapped.publisher.published)) as good:
            run = self.run(mapped, mapped.machine, "update-image", lacking.base, good.base)
            assert [ranges for path, ranges in lacking.log if "root.ext4.lz4?" in path and ranges]
            assert [ranges for path, ranges in good.log if "root.ext4.lz4?" in path and ranges]
        assert run.returncode == 0, run.stderr

    def test_one_that_failed_is_not_waited_for_by_the_next_run(
        self, world: World, machine: Machine
    ) -> None:
        site = FaultySite(world.publisher.published, "", faults.status(503))
        with serving(site) as failing, serving(FaultySite(world.publisher.published)) as good:
            bases = failing.base, good.base
            assert self.run(world, machine, "check-update", *bases).returncode == 0
            assert failing.log
            failing.log.clear()
            assert self.run(world, machine, "check-update", *bases).returncode == 0
            assert not failing.log

    @pytest.mark.parametrize("where", ["timestamp", "snapshot", "targets.json", "manifest.json"])
    def test_a_liar_about_metadata_is_passed_over(
        self, world: World, machine: Machine, where: str
    ) -> None:
        with (
            serving(FaultySite(world.publisher.published, where, faults.flipped)) as bad,
            serving(FaultySite(world.publisher.published)) as good,
        ):
            run = self.run(world, machine, "check-update", bad.base, good.base)
        assert run.returncode == 0, run.stderr
        assert "1.1.0" in run.stdout

    def test_a_liar_about_an_image_is_passed_over(self, world: World, machine: Machine) -> None:
        with (
            serving(FaultySite(world.publisher.published, IMAGE, faults.flipped)) as bad,
            serving(FaultySite(world.publisher.published)) as good,
        ):
            run = self.run(world, machine, "update-image", bad.base, good.base)
            assert [path for path, _ in bad.log if re.search(IMAGE, path.partition("?")[0])]
        assert run.returncode == 0, run.stderr
        assert "not used any more" in run.stderr

    def test_when_all_lie_that_is_what_is_told(self, world: World, machine: Machine) -> None:
        site = FaultySite(world.publisher.published, "timestamp", faults.flipped)
        with serving(site) as bad:
            run = self.run(world, machine, "check-update", bad.base, "http://127.0.0.1:1")
        assert run.returncode == BAD, run.stderr

    def test_a_local_directory_can_be_one(self, world: World, machine: Machine) -> None:
        place = str(world.publisher.published)
        run = self.run(world, machine, "update-image", "http://127.0.0.1:1", place)
        assert run.returncode == 0, run.stderr


def test_a_local_directory_can_be_the_repository(world: World, machine: Machine) -> None:
    point(world, str(world.publisher.published))
    assert updog(machine, "update-image").returncode == 0


def test_a_rate_limit_is_kept(world: World, machine: Machine) -> None:
    size = world.publisher.target("root.ext4.lz4").stat().st_size
    words(machine, f"{QUICK}rate_limit = {size // 3}\n")
    with faulty(world):
        begun = time.monotonic()
        assert updog(machine, "update-image").returncode == 0
    assert time.monotonic() - begun > 2


def test_host_info_can_be_kept_at_home(world: World, machine: Machine) -> None:
    words(machine, "[download]\nsend_host_info = false\n")
    with faulty(world) as server:
        assert updog(machine, "update-image").returncode == 0
    assert not [path for path, _ in server.log if "?" in path]


class TestTls:
    """The real command against nginx: the whole update with mutual TLS and a pinned key."""

    @staticmethod
    def say(machine: Machine, home: Path, authority: trustme.CA, **more: str) -> Path:
        ca, mine = home / "ca.pem", home / "mine.pem"
        authority.cert_pem.write_to_path(ca)
        device = authority.issue_cert("device@example.com")
        device.private_key_and_cert_chain_pem.write_to_path(mine)
        lines = [f'ca_file = "{ca}"', f'client_cert = "{mine}"']
        lines += [f'{name} = ["{value}"]' for name, value in more.items()]
        words(machine, QUICK + "\n".join(lines) + "\n")
        return ca

    def test_an_update_by_mutual_tls_with_a_pinned_key(
        self, world: World, machine: Machine, tmp_path: Path
    ) -> None:
        authority = trustme.CA()
        issued = authority.issue_cert("localhost")
        issued.private_key_and_cert_chain_pem.write_to_path(tmp_path / "server.pem")
        shown = load_pem_x509_certificate(issued.cert_chain_pems[0].bytes())
        pin = public_key_hash(shown.public_bytes(Encoding.DER)).hex()
        ca = self.say(machine, tmp_path, authority, pin_sha256=pin)
        port = free_port()
        site = Site(world.publisher.published, tmp_path / "server.pem", ca)
        point(world, f"https://localhost:{port}")
        with nginx(tmp_path / "nginx", site, f"127.0.0.1:{port}"):
            run = updog(machine, "update-image")
            assert run.returncode == 0, run.stderr
            self.say(machine, tmp_path, authority, pin_sha256="00" * 32)
            run = updog(machine, "check-update")
        assert run.returncode == DEAD
        assert "none of pin_sha256" in run.stderr

    @pytest.mark.parametrize(
        ("name", "ago", "told"),
        [("localhost", 1, "has expired"), ("other.example", -1, "for another name")],
        ids=["expired", "another name"],
    )
    def test_a_bad_certificate_is_told_as_such(
        self, world: World, machine: Machine, tmp_path: Path, name: str, ago: int, told: str
    ) -> None:
        authority = trustme.CA()
        until = datetime.now(UTC) - timedelta(days=ago)
        issued = authority.issue_cert(name, not_after=until)
        issued.private_key_and_cert_chain_pem.write_to_path(tmp_path / "server.pem")
        self.say(machine, tmp_path, authority)
        port = free_port()
        site = Site(world.publisher.published, tmp_path / "server.pem")
        point(world, f"https://localhost:{port}")
        with nginx(tmp_path / "nginx", site, f"127.0.0.1:{port}"):
            run = updog(machine, "check-update")
        assert run.returncode == DEAD
        assert told in run.stderr
