"""A published repository on loopback that fails as told: which file, how often, in which way."""

from __future__ import annotations

import gzip
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from tests.fakes.httpserver import Exchange

Fault: TypeAlias = Callable[[Exchange, bytes], None]
"""Answers a request for these bytes, badly."""

HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n"
PATIENCE = 30.0
HALF_A_HEAD = b"HTTP/1.1 200 OK\r\nContent-Le"


@dataclass
class FaultySite:
    """A script that serves a directory, with a fault on the first requests for some file.

    Attributes:
        files: the directory.
        where: what the path must match for the fault to strike.
        fault: what happens then; None for a server without fault.
        times: how often.
    """

    files: Path
    where: str = ""
    fault: Fault | None = None
    times: int = 1 << 30
    struck: int = field(default=0, init=False)

    def __call__(self, exchange: Exchange) -> None:
        path = exchange.path.partition("?")[0]
        file = self.files / path.removeprefix("/")
        data = file.read_bytes() if file.is_file() else None
        if self.fault and self.struck < self.times and re.search(self.where, path):
            self.struck += 1
            self.fault(exchange, data or b"")
        elif data is None:
            exchange.reply(404, b"no such file")
        else:
            serve(exchange, data)


def serve(exchange: Exchange, data: bytes) -> None:
    """Answer as a good server does, ranges included."""
    part = exchange.wanted_part(len(data))
    if part is None:
        exchange.reply(200, data)
        return
    told = {"Content-Range": f"bytes {part.start}-{part.stop - 1}/{len(data)}"}
    exchange.reply(206, data[part], headers=told)


def status(code: int, **headers: str) -> Fault:
    """Answer with a status and nothing else."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda exchange, _: exchange.reply(code, headers=named)


def sends(*parts: bytes | Callable[[bytes], bytes]) -> Fault:
    """Send raw bytes, then hang up; a function makes a part from the file."""

    def fault(exchange: Exchange, data: bytes) -> None:
        for part in parts:
            exchange.wfile.write(part if isinstance(part, bytes) else part(data))
        exchange.wfile.flush()
        exchange.close_connection = True

    return fault


def sends_and_stalls(*parts: bytes | Callable[[bytes], bytes]) -> Fault:
    """Send raw bytes, and then nothing more, without hanging up."""

    def fault(exchange: Exchange, data: bytes) -> None:
        sends(*parts)(exchange, data)
        exchange.server.stop_stalling.wait(PATIENCE)

    return fault


def drips(
    *parts: bytes | Callable[[bytes], bytes], at: float | None = None, pause: float = 0.1
) -> Fault:
    """Send raw bytes, then single bytes, slowly: from that share of the file on, or rubbish."""

    def fault(exchange: Exchange, data: bytes) -> None:
        sends(*parts)(exchange, data)
        rest = bytes(1000) if at is None else data[int(len(data) * at) :]
        for byte in rest[: int(PATIENCE / pause)]:
            exchange.wfile.write(bytes([byte or ord("x")] if at is None else [byte]))
            exchange.wfile.flush()
            if exchange.server.stop_stalling.wait(pause):
                return

    return fault


def head(data: bytes) -> bytes:
    """The headers of a good answer."""
    return HEAD % len(data)


def first(share: float) -> Callable[[bytes], bytes]:
    """That share of the file, from its start."""
    return lambda data: data[: int(len(data) * share)]


def but_the_last(data: bytes) -> bytes:
    """All bytes of the file except one."""
    return data[:-1]


def half_a_chunk(data: bytes) -> bytes:
    """A chunked answer that ends inside a chunk."""
    return b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n" % len(data) + data[:100]


def unended_chunks(data: bytes) -> bytes:
    """A chunked answer with all bytes, whose last chunk is missing."""
    return half_a_chunk(data)[: -len(data[:100])] + data + b"\r\n"


def packed(exchange: Exchange, data: bytes) -> None:
    """Send it compressed, as proxies do that know better."""
    exchange.reply(200, gzip.compress(data), headers={"Content-Encoding": "gzip"})


def packed_in_secret(exchange: Exchange, data: bytes) -> None:
    """Send it compressed without saying so."""
    exchange.reply(200, gzip.compress(data))


def flipped(exchange: Exchange, data: bytes) -> None:
    """Change one bit on the way."""
    changed = bytearray(data)
    changed[len(changed) // 2] ^= 1
    exchange.reply(200, bytes(changed))


def portal(exchange: Exchange, _data: bytes) -> None:
    """Answer as a captive portal does."""
    exchange.reply(200, b"<html>Please log in</html>", headers={"Content-Type": "text/html"})


def endless(exchange: Exchange, _data: bytes) -> None:
    """Send without an end."""
    exchange.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n")
    while not exchange.server.stop_stalling.is_set():
        exchange.wfile.write(bytes(1 << 16))


def flood(line: bytes, *, before: bytes = b"") -> Fault:
    """Send the same short line again and again where headers or trailers belong."""

    def fault(exchange: Exchange, _data: bytes) -> None:
        exchange.wfile.write(before)
        while not exchange.server.stop_stalling.is_set():
            exchange.wfile.write(line * 4096)

    return fault


def moved(location: str) -> Fault:
    """Redirect."""
    return status(302, Location=location)


def wrong_part(told: str) -> Fault:
    """Answer any request with a part that says this about itself."""
    headers: Mapping[str, str] = {"Content-Range": told}
    return lambda exchange, data: exchange.reply(206, data, headers=headers)
