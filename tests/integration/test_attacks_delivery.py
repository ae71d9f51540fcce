"""Attacks on the delivery: files without an end, answers that never come, a lying mirror.

Each test is a row of docs/threat-model.md.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.fakes.attack_world import REFUSED, UNREACHABLE, AttackWorld, attack_world
from tests.fakes.client_world import V3
from tests.fakes.httpserver import Exchange, Script, serving

METADATA = ("root", "timestamp", "snapshot", "targets", "manifest.json")
IMAGES = ("boot.lz4", "root.lz4", "hash.lz4")
MIB = 1 << 20
# What the kernel takes off our hands before the client's hanging up is noticed.
BUFFERS = 8 * MIB
CHUNK = b"\0" * 65536


@pytest.fixture
def world(tmp_path: Path) -> Iterator[AttackWorld]:
    with attack_world(tmp_path) as made:
        yield made


class Endless:
    """Sends zeros until the client hangs up.

    Attributes:
        sent: bytes so far, over all requests.
        told: the length it promises, or None for none.
    """

    def __init__(self, told: int | None = None) -> None:
        self.sent = 0
        self.told = told

    def __call__(self, exchange: Exchange) -> None:
        exchange.send_response(200)
        if self.told is not None:
            exchange.send_header("Content-Length", str(self.told))
        exchange.send_header("Connection", "close")
        exchange.end_headers()
        try:
            while self.sent < 64 * MIB:
                self.sent += exchange.wfile.write(CHUNK)
        except OSError:
            return


@pytest.mark.parametrize("told", [None, 1 << 40])
@pytest.mark.parametrize("file", [*METADATA, *IMAGES])
def test_endless_data(world: AttackWorld, file: str, told: int | None) -> None:
    endless = Endless(told)
    world.odd[world.path(file)] = endless
    done = world.updog("update")
    assert done.returncode in {REFUSED, UNREACHABLE}, done.stderr
    assert file in done.stderr
    assert "Traceback" not in done.stderr
    assert endless.sent < 2 * MIB + BUFFERS


def silent(exchange: Exchange, honest: bytes) -> None:
    """Begin the honest answer and never go on."""
    exchange.wfile.write(honest[:1])
    exchange.wfile.flush()
    exchange.server.stop_stalling.wait(60)


def dripping(exchange: Exchange, honest: bytes) -> None:
    """Send the honest answer a byte now and then, for as long as anybody listens."""
    for at in range(len(honest)):
        exchange.wfile.write(honest[at : at + 1])
        exchange.wfile.flush()
        if exchange.server.stop_stalling.wait(0.05):
            return


Pace = Callable[[Exchange, bytes], None]


def at_a_pace(pace: Pace, honest: bytes) -> Script:
    def answer(exchange: Exchange) -> None:
        exchange.send_response(200)
        exchange.send_header("Content-Length", str(len(honest)))
        exchange.end_headers()
        with suppress(OSError):
            pace(exchange, honest)

    return answer


def slowly(world: AttackWorld, file: str, pace: Pace) -> None:
    """`update` gives up a file that comes too slowly, within the bounds of the configuration."""
    world.configure("[download]\nretries = 0\ntimeout_stall = 0.5\n")
    if file == "root":
        world.repo.publish_root()
        path = "metadata/2.root.json"
    else:
        path = world.path(file)
    world.odd[path] = at_a_pace(pace, world.repo.files[path])
    begun = time.monotonic()
    world.refuses(path.rpartition("/")[2], file, code=UNREACHABLE)
    assert time.monotonic() - begun < 50


@pytest.mark.parametrize("pace", [silent, dripping])
@pytest.mark.parametrize("file", METADATA)
def test_slow_retrieval(world: AttackWorld, file: str, pace: Pace) -> None:
    slowly(world, file, pace)


@pytest.mark.slow
@pytest.mark.parametrize("pace", [silent, dripping])
@pytest.mark.parametrize("file", IMAGES)
def test_slow_retrieval_of_an_image(world: AttackWorld, file: str, pace: Pace) -> None:
    slowly(world, file, pace)


def test_a_server_that_never_answers(world: AttackWorld) -> None:
    world.configure("[download]\nretries = 0\ntimeout_stall = 0.5\n")

    def nothing(exchange: Exchange) -> None:
        exchange.server.stop_stalling.wait(30)

    world.odd[world.path("timestamp")] = nothing
    world.refuses_untouched("timestamp.json", code=UNREACHABLE)


def test_a_chain_of_redirects_without_an_end(world: AttackWorld) -> None:
    path = world.path("timestamp")
    world.odd[path] = lambda e: e.reply(302, headers={"Location": f"/{path}"})
    world.refuses_untouched("redirects", code=UNREACHABLE)
    assert sum(path in asked for asked, _ in world.server.log) <= 6


@contextmanager
def honest_mirror(world: AttackWorld, *, first: bool) -> Iterator[None]:
    """Another server with the files as they are now, asked before or after the attacker's."""
    files = dict(world.repo.files)

    def answer(exchange: Exchange) -> None:
        content = files.get(exchange.path.partition("?")[0].lstrip("/"))
        exchange.reply(404) if content is None else exchange.reply(200, content)

    with serving(answer) as honest:
        bases = [honest.base, world.server.base] if first else [world.server.base, honest.base]
        world.configure(
            f'metadata_base_url = "{bases[0]}/metadata"\ntargets_base_url = "{bases[0]}/targets"\n'
            "[download]\nretries = 0\ntimeout_stall = 0.5\n"
            f'mirrors = [{{ metadata = "{bases[1]}/metadata", targets = "{bases[1]}/targets" }}]\n'
        )
        yield


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("file", [*METADATA, *IMAGES])
def test_a_forging_mirror_beside_a_good_one(world: AttackWorld, file: str, *, first: bool) -> None:
    with honest_mirror(world, first=first):
        if file == "root":
            world.repo.publish_root()
            world.replace("root", world.repo.metadata("root").replace(b'"sig": "', b'"sig": "00'))
        else:
            honest = world.repo.files[world.path(file)]
            world.replace(file, honest[:-2] + bytes([honest[-2] ^ 1]) + honest[-1:])
        world.updates()


@pytest.mark.parametrize("file", ["timestamp", "targets"])
def test_a_silent_mirror_beside_a_good_one(world: AttackWorld, file: str) -> None:
    with honest_mirror(world, first=False):
        path = world.path(file)
        world.odd[path] = at_a_pace(silent, world.repo.files[path])
        world.updates()


def test_a_mirror_that_is_behind_does_not_take_a_host_back(world: AttackWorld) -> None:
    old = dict(world.repo.files)
    world.repo.publish()
    with honest_mirror(world, first=False):
        world.sees(V3)
        world.repo.files = old
        world.updates()
