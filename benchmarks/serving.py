"""nginx on loopback, and a link of 100 Mbit/s to it.

nginx's own ``limit_rate`` holds for each connection, so whoever opens several gets several times
the rate. The link here is one bucket for all connections together.
"""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

RATE = 12_500_000
"""Bytes a second of 100 Mbit/s."""
_PIECE = 16 << 10
_CREDIT = 0.02
"""Seconds that a late wake-up may catch up on."""


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def serving(work: Path) -> Iterator[int]:
    """Serve a folder; gives the port."""
    port, config = free_port(), work / "nginx.conf"
    user = "user root;" if os.geteuid() == 0 else ""
    (work / "sent").write_text("")
    places = " ".join(
        f"{name}_temp_path {work}/nginx.tmp;"
        for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    config.write_text(
        f"worker_processes 1; daemon off; {user} pid {work}/nginx.pid; error_log {work}/err;\n"
        "events { worker_connections 256; }\n"
        f"http {{ {places} log_format sent '$uri $bytes_sent'; access_log {work}/sent sent;\n"
        "sendfile on; keepalive_requests 1000000; max_ranges 100000;\n"
        "large_client_header_buffers 8 64k;\n"
        f"server {{ root {work}; listen 127.0.0.1:{port}; }} }}\n"
    )
    nginx = subprocess.Popen(["nginx", "-c", str(config), "-e", f"{work}/err"])
    try:
        _wait_for(port)
        yield port
    finally:
        nginx.terminate()
        nginx.wait()


@contextmanager
def link_to(port: int, rate: float = RATE) -> Iterator[int]:
    """A slow way to a port of this machine; gives the port where it begins."""
    bucket = _Bucket(rate)
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        threading.Thread(target=_accept, args=(listener, port, bucket), daemon=True).start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)


class _Bucket:
    """Lets bytes of all connections through at one rate."""

    def __init__(self, rate: float) -> None:
        self._rate = rate
        self._due = time.monotonic()
        self._lock = threading.Lock()

    def spend(self, count: int) -> None:
        with self._lock:
            now = time.monotonic()
            self._due = max(self._due, now - _CREDIT) + count / self._rate
            wait = self._due - now
        if wait > 0:
            time.sleep(wait)


def _accept(listener: socket.socket, port: int, bucket: _Bucket) -> None:
    with contextlib.suppress(OSError):
        while True:
            near, _ = listener.accept()
            far = socket.create_connection(("127.0.0.1", port))
            for one in (near, far):
                one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            # What the link holds on its way is little, as on a real one.
            far.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 17)
            threading.Thread(target=_carry, args=(near, far, None), daemon=True).start()
            threading.Thread(target=_carry, args=(far, near, bucket), daemon=True).start()


def _carry(source: socket.socket, sink: socket.socket, bucket: _Bucket | None) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(_PIECE):
            if bucket:
                bucket.spend(len(data))
            sink.sendall(data)
    for one in (source, sink):
        with contextlib.suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)
    sink.close()


def _wait_for(port: int) -> None:
    for _ in range(100):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
            return
        time.sleep(0.05)
    raise SystemExit("nginx does not answer")
