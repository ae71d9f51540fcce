"""The plain wire under several threads, and a transfer that is ended from another one."""

from __future__ import annotations

import threading
import time

import pytest

from tests.fakes.httpserver import Exchange, serving
from updog.plainwire import PlainWire
from updog.requestswire import RequestsWire
from updog.wire import FetchSettings, Wire, WireError

DATA = b"x" * 100_000


def reply(exchange: Exchange) -> None:
    exchange.reply(200, DATA)


def read_all(wire: Wire, address: str) -> int:
    answer = wire.ask(address, {})
    size = 0
    while data := answer.read1(1 << 16):
        size += len(data)
    answer.close()
    return size


def test_threads_share_a_wire() -> None:
    sizes: list[int] = []
    with serving(reply) as server:
        wire = PlainWire(FetchSettings())

        def work() -> None:
            sizes.extend(read_all(wire, f"{server.base}/a") for _ in range(20))

        threads = [threading.Thread(target=work) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        wire.close()
    assert sizes == [len(DATA)] * 120


@pytest.mark.parametrize("make", [PlainWire, RequestsWire])
def test_a_transfer_that_waits_is_ended_from_another_thread(
    make: type[PlainWire | RequestsWire],
) -> None:
    release = threading.Event()

    def stall(exchange: Exchange) -> None:
        exchange.send_response(200)
        exchange.send_header("Content-Length", "1000")
        exchange.end_headers()
        exchange.wfile.write(b"x")
        exchange.wfile.flush()
        release.wait(10)

    with serving(stall) as server:
        wire = make(FetchSettings(timeout_stall=20.0))
        answer = wire.ask(f"{server.base}/a", {})
        assert answer.read1(10) == b"x"
        timer = threading.Timer(0.1, answer.stop)
        timer.start()
        begun = time.monotonic()
        with pytest.raises(WireError):
            list(iter(lambda: answer.read1(10), b""))
        assert time.monotonic() - begun < 5
        timer.join()
        answer.close()
        wire.close()
        release.set()
