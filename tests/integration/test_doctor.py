"""`updog doctor` over real sockets, TLS and disks: each fault has a name, and nothing moves."""

from __future__ import annotations

import hashlib
import json
import os
import socket
import ssl
import threading
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trustme

from repo_tools.serve import Server
from tests.integration.conftest import World

Found = list[dict[str, str]]
DAY = timedelta(days=1)


@contextmanager
def over_tls(
    world: World, certificate: trustme.LeafCert, *, clients: trustme.CA | None = None
) -> Iterator[int]:
    """The repository over https; the machine is configured for it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    if clients is not None:
        clients.configure_trust(context)
        context.verify_mode = ssl.CERT_REQUIRED
    server = Server(world.publisher.published)
    server.handle_error = lambda *_: None  # type: ignore[method-assign]
    server.socket = context.wrap_socket(
        server.socket, server_side=True, do_handshake_on_connect=False
    )
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    port = server.server_address[1]
    point_at(world, f"https://localhost:{port}")
    try:
        yield port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def point_at(world: World, base: str) -> None:
    config = world.machine.config
    config.write_text(config.read_text().replace(world.url, base))


def dropin(world: World, text: str) -> None:
    folder = world.machine.home / "updog.d"
    folder.mkdir(exist_ok=True)
    (folder / "test.toml").write_text(text)


def believe(world: World, authority: trustme.CA) -> None:
    path = world.machine.home / "ca.pem"
    authority.cert_pem.write_to_path(path)
    dropin(world, f'[download]\nca_file = "{path}"\ntimeout_connect = 2\ntimeout_stall = 2\n')


def doctor(world: World) -> tuple[int, Found]:
    done = world.machine.updog("doctor", "--json")
    assert "Traceback" not in done.stderr, done.stderr
    assert done.stderr == ""
    return done.returncode, json.loads(done.stdout)


def of(found: Found, name: str) -> dict[str, str]:
    (check,) = (check for check in found if check["check"] == name)
    return check


def failures(found: Found) -> list[str]:
    return [check["check"] for check in found if check["verdict"] == "fail"]


def names(found: Found) -> list[str]:
    return [check["check"] for check in found]


@pytest.fixture
def authority() -> trustme.CA:
    return trustme.CA()


# All well -----------------------------------------------------------------------------------------


def test_a_healthy_machine_has_no_failure(world: World) -> None:
    code, found = doctor(world)
    assert (code, failures(found)) == (0, [])
    every = {"config", "host", "trusted root", "permissions", "lock", "disk", "boot", "confirmed"}
    every |= {"clock", "dns", "tcp", "tls", "manifest.json", "target"}
    every |= {f"{role}.json" for role in ("root", "timestamp", "snapshot", "targets")}
    assert set(names(found)) == every
    assert "came from byte" in of(found, "target")["said"]
    assert of(found, "timestamp.json")["said"].startswith("version 1, expires ")


def test_it_prints_one_verdict_a_line(world: World) -> None:
    done = world.machine.updog("doctor")
    assert done.returncode == 0
    lines = done.stdout.splitlines()
    assert lines[0].startswith(f"ok    config          read from {world.machine.config}")
    assert all(line[:4] in {"ok  ", "warn", "FAIL"} for line in lines)


def test_tls_with_its_own_authority_is_well(world: World, authority: trustme.CA) -> None:
    believe(world, authority)
    with over_tls(world, authority.issue_cert("localhost")):
        code, found = doctor(world)
    assert (code, failures(found)) == (0, [])
    assert "valid certificates" in of(found, "tls")["said"]


def snapshot(home: Path) -> dict[str, tuple[int, int, str]]:
    made = {}
    for path in [home, *home.rglob("*")]:
        facts = path.lstat()
        content = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
        made[str(path)] = (facts.st_mode, facts.st_mtime_ns, content)
    return made


@pytest.mark.parametrize("before", [(), ("check-update",), ("update-image",)])
def test_it_changes_nothing(world: World, before: tuple[str, ...]) -> None:
    if before:
        world.machine.updog(*before, check=True)
        world.publisher.publish_again()
    config = world.machine.config
    config.write_text(config.read_text().replace("seed = 1000\n", ""))
    was = snapshot(world.machine.home)
    code, found = doctor(world)
    assert code == 0, found
    assert snapshot(world.machine.home) == was


def test_it_tells_no_server_who_it_is(world: World) -> None:
    asked: list[str] = []
    server = Server(world.publisher.published, log=asked.append)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        point_at(world, server.url)
        assert doctor(world)[0] == 0
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
    assert asked
    assert not any("seed=" in line or "version=" in line for line in asked)


def test_a_local_repository_needs_no_network(world: World) -> None:
    point_at(world, f"file://{world.publisher.published}")
    code, found = doctor(world)
    assert (code, failures(found)) == (0, [])
    assert "none is needed" in of(found, "network")["said"]


# The way to the server ----------------------------------------------------------------------------


def test_a_name_that_does_not_resolve_is_dns(world: World) -> None:
    point_at(world, "https://updates.invalid")
    code, found = doctor(world)
    assert (code, failures(found)) == (69, ["dns"])
    assert "updates.invalid cannot be resolved" in of(found, "dns")["said"]
    assert "not asked" in of(found, "tuf")["said"]


def test_a_refused_port_is_tcp(world: World) -> None:
    with closing(socket.socket()) as unused:
        unused.bind(("127.0.0.1", 0))
        point_at(world, f"http://127.0.0.1:{unused.getsockname()[1]}")
        code, found = doctor(world)
    assert (code, failures(found)) == (69, ["tcp"])
    assert "connection refused" in of(found, "tcp")["said"]


def test_what_an_earlier_run_kept_is_told_without_a_server(world: World) -> None:
    world.machine.updog("check-update", check=True)
    point_at(world, "https://updates.invalid")
    _, found = doctor(world)
    assert "kept by an earlier run: version 1, to " in of(found, "snapshot.json")["said"]


def test_an_expired_certificate_is_tls(world: World, authority: trustme.CA) -> None:
    believe(world, authority)
    expired = authority.issue_cert("localhost", not_after=datetime.now(UTC) - DAY)
    with over_tls(world, expired):
        code, found = doctor(world)
    assert (code, failures(found)) == (69, ["tls"])
    assert "the certificate has expired at 20" in of(found, "tls")["said"]


def test_a_certificate_that_expires_soon_is_a_warning(world: World, authority: trustme.CA) -> None:
    believe(world, authority)
    soon = authority.issue_cert("localhost", not_after=datetime.now(UTC) + 3 * DAY)
    with over_tls(world, soon):
        code, found = doctor(world)
    assert (code, of(found, "tls")["verdict"]) == (0, "warn")
    assert "in 2 days" in of(found, "tls")["said"]


def test_a_certificate_not_valid_yet_points_at_the_clock(
    world: World, authority: trustme.CA
) -> None:
    believe(world, authority)
    early = authority.issue_cert("localhost", not_before=datetime.now(UTC) + DAY)
    with over_tls(world, early):
        code, found = doctor(world)
    assert (code, failures(found)) == (69, ["tls"])
    assert "not valid yet until 20" in of(found, "tls")["said"]
    assert "clock is probably behind" in of(found, "tls")["todo"]


def test_a_certificate_for_another_name_is_tls(world: World, authority: trustme.CA) -> None:
    believe(world, authority)
    with over_tls(world, authority.issue_cert("updates.example.com")):
        code, found = doctor(world)
    assert (code, failures(found)) == (69, ["tls"])
    assert "for another name; it is for updates.example.com" in of(found, "tls")["said"]


def test_an_unknown_authority_is_tls(world: World, authority: trustme.CA) -> None:
    believe(world, authority)
    with over_tls(world, trustme.CA().issue_cert("localhost")):
        code, found = doctor(world)
    assert (code, failures(found)) == (69, ["tls"])
    assert "not from an authority we believe" in of(found, "tls")["said"]


def test_a_server_that_wants_our_certificate_is_tls(world: World, authority: trustme.CA) -> None:
    believe(world, authority)
    with over_tls(world, authority.issue_cert("localhost"), clients=authority):
        code, found = doctor(world)
    assert (code, failures(found)) == (69, ["tls"])
    (check,) = (one for one in found if one["verdict"] == "fail")
    assert "set client_cert" in check["todo"], check


def test_our_certificate_opens_the_way(world: World, authority: trustme.CA) -> None:
    believe(world, authority)
    mine = world.machine.home / "mine.pem"
    authority.issue_cert("machine.example").private_key_and_cert_chain_pem.write_to_path(mine)
    text = (world.machine.home / "updog.d/test.toml").read_text()
    dropin(world, f'{text}client_cert = "{mine}"\n')
    with over_tls(world, authority.issue_cert("localhost"), clients=authority):
        code, found = doctor(world)
    assert (code, failures(found)) == (0, [])


def test_a_server_with_another_key_than_the_pinned_is_tls(
    world: World, authority: trustme.CA
) -> None:
    believe(world, authority)
    text = (world.machine.home / "updog.d/test.toml").read_text()
    pin = b64encode(hashlib.sha256(b"another key").digest()).decode()
    dropin(world, f'{text}pin_sha256 = ["{pin}"]\n')
    with over_tls(world, authority.issue_cert("localhost")):
        code, found = doctor(world)
    assert (code, failures(found)) == (69, ["tls"])
    assert "none of pin_sha256" in of(found, "tls")["said"]


def test_a_server_without_tls_is_told(world: World) -> None:
    point_at(world, world.url.replace("http://", "https://"))
    code, found = doctor(world)
    assert (code, failures(found)) == (69, ["tls"])
    assert "does not speak TLS" in of(found, "tls")["said"]


def test_a_server_that_says_nothing_is_told(world: World, authority: trustme.CA) -> None:
    believe(world, authority)
    with closing(socket.create_server(("127.0.0.1", 0))) as mute:
        point_at(world, f"https://127.0.0.1:{mute.getsockname()[1]}")
        code, found = doctor(world)
    assert (code, failures(found)) == (69, ["tls"])
    assert "no answer in time" in of(found, "tls")["said"]


# The proxy ----------------------------------------------------------------------------------------

Answer = Callable[[socket.socket, str], None]


@contextmanager
def proxy(answer: Answer) -> Iterator[tuple[str, list[str]]]:
    """A proxy on loopback; yields its address and what it was asked."""
    listener = socket.create_server(("127.0.0.1", 0))
    asked: list[str] = []

    def serve() -> None:
        while True:
            try:
                line, _ = listener.accept()
            except OSError:
                return
            with line:
                request = b""
                while b"\r\n\r\n" not in request and (got := line.recv(4096)):
                    request += got
                asked.append(request.decode())
                answer(line, request.decode().split(" ")[1])

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", asked
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()


def saying(status: str) -> Answer:
    return lambda line, _: line.sendall(f"HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n".encode())


def passing(line: socket.socket, wanted: str) -> None:
    host, _, port = wanted.rpartition(":")
    with socket.create_connection((host, int(port))) as server:
        line.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        back = threading.Thread(target=pump, args=(server, line))
        back.start()
        pump(line, server)
        back.join()


def pump(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while got := source.recv(1 << 16):
            sink.sendall(got)
    # However the one side ended: the other would wait a minute for more.
    with suppress(OSError):
        sink.shutdown(socket.SHUT_WR)


def by_proxy(world: World, authority: trustme.CA, address: str) -> None:
    believe(world, authority)
    text = (world.machine.home / "updog.d/test.toml").read_text()
    dropin(world, f'https_proxy = "{address}"\n{text}')


@pytest.mark.parametrize("status", ["403 Forbidden", "407 Proxy Authentication Required"])
def test_a_proxy_that_refuses_is_the_proxy(
    world: World, authority: trustme.CA, status: str
) -> None:
    with proxy(saying(status)) as (address, _), over_tls(world, authority.issue_cert("localhost")):
        by_proxy(world, authority, address)
        code, found = doctor(world)
    assert (code, failures(found)) == (69, ["proxy"])
    assert "refuses to connect to localhost:" in of(found, "proxy")["said"]
    assert status in of(found, "proxy")["said"]


def test_a_proxy_that_is_down_is_the_proxy(world: World, authority: trustme.CA) -> None:
    with over_tls(world, authority.issue_cert("localhost")):
        by_proxy(world, authority, "http://127.0.0.1:9")
        code, found = doctor(world)
    assert (code, failures(found)) == (69, ["proxy"])
    assert "the proxy 127.0.0.1:9 cannot be reached" in of(found, "proxy")["said"]


def test_a_working_proxy_is_well(world: World, authority: trustme.CA) -> None:
    with proxy(passing) as (address, asked), over_tls(world, authority.issue_cert("localhost")):
        by_proxy(world, authority, address)
        code, found = doctor(world)
    assert (code, failures(found)) == (0, []), found
    assert "connects to localhost:" in of(found, "proxy")["said"]
    assert asked[0].startswith("CONNECT localhost:")


def test_behind_a_proxy_a_bad_certificate_is_still_tls(world: World, authority: trustme.CA) -> None:
    with proxy(passing) as (address, _), over_tls(world, authority.issue_cert("other.example")):
        by_proxy(world, authority, address)
        code, found = doctor(world)
    assert (code, failures(found)) == (69, ["tls"])
    assert "it is for other.example" in of(found, "tls")["said"]


# Trust, clock, machine ----------------------------------------------------------------------------


@pytest.mark.parametrize("role", ["timestamp", "snapshot", "targets"])
def test_expired_metadata_is_tuf(world: World, role: str) -> None:
    world.publisher.expire(role)
    code, found = doctor(world)
    assert (code, failures(found)) == (65, ["tuf"])
    assert f"{role}.json expired at" in of(found, "tuf")["said"]


def test_older_metadata_than_was_seen_is_tuf(world: World) -> None:
    old = world.publisher.metadata("timestamp").read_bytes()
    world.publisher.publish_again()
    world.machine.updog("check-update", check=True)
    world.publisher.metadata("timestamp").write_bytes(old)
    code, found = doctor(world)
    assert (code, failures(found)) == (65, ["tuf"])
    assert "went back to version 1 after 2" in of(found, "tuf")["said"]


def test_a_missing_image_is_the_target(world: World) -> None:
    world.publisher.target("-root.ext4.lz4").unlink()
    code, found = doctor(world)
    assert (code, failures(found)) == (69, ["target"])


def test_an_image_from_the_future_is_the_clock(world: World) -> None:
    later = (datetime.now(UTC) + DAY).timestamp()
    os.utime(world.machine.home / "root.json", (later, later))
    code, found = doctor(world)
    assert (code, failures(found)) == (78, ["clock"])
    assert any("before this image was built" in check["said"] for check in found)


def test_metadata_is_judged_by_the_time_that_a_run_would_take(world: World) -> None:
    later = (datetime.now(UTC) + 40 * DAY).timestamp()
    os.utime(world.machine.home / "root.json", (later, later))
    update = world.machine.updog("check-update")
    assert (update.returncode, "expired" in update.stderr) == (65, True)
    assert failures(doctor(world)[1]) == ["clock", "tuf"]


def test_one_damaged_copy_of_the_table_is_a_warning(world: World) -> None:
    with world.machine.disk.open("r+b") as disk:
        disk.seek(512)
        disk.write(b"\0" * 512)
    code, found = doctor(world)
    assert (code, of(found, "disk")["verdict"]) == (0, "warn")
    assert "signpost repair" in of(found, "disk")["todo"]


def test_no_table_at_all_is_the_disk(world: World) -> None:
    with world.machine.disk.open("r+b") as disk:
        disk.truncate(1 << 20)
        disk.seek(0)
        disk.write(bytes(1 << 20))
    code, found = doctor(world)
    assert (code, failures(found)) == (65, ["disk"])
    assert of(found, "target")["verdict"] == "ok"


def test_an_unknown_key_is_the_configuration(world: World) -> None:
    dropin(world, "sead = 4\n")
    code, found = doctor(world)
    assert (code, names(found)) == (78, ["config"])
    assert "unknown key sead" in found[0]["said"]


def test_a_root_that_everybody_can_write_fails(world: World) -> None:
    (world.machine.home / "root.json").chmod(0o666)
    code, found = doctor(world)
    assert (code, failures(found)) == (77, ["trusted root"])


def test_the_first_failure_gives_the_exit_code(world: World) -> None:
    (world.machine.home / "root.json").chmod(0o666)
    point_at(world, "https://updates.invalid")
    code, found = doctor(world)
    assert (code, failures(found)) == (77, ["trusted root", "dns"])
