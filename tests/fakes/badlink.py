"""Two network namespaces with a bad line between them: packets are lost and late.

Not every kernel brings the ``netem`` queue; TUN devices are everywhere. So the line is a program:
what one namespace sends comes out of its TUN device, and is put into the other one's, or is not.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import heapq
import os
import random
import select
import struct
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_CLONE_NEWNET = 0x40000000
_TUNSETIFF = 0x400454CA
_IFF_TUN_NO_PI = 0x1001
_PACKET = 65536
_MTU = 1500


@dataclass(frozen=True, slots=True)
class Quality:
    """How bad the line is, in both directions.

    Attributes:
        loss: the share of packets that vanish.
        delay: seconds that each packet is under way.
    """

    loss: float = 0.0
    delay: float = 0.0


@dataclass(frozen=True, slots=True)
class Ends:
    """The two ends: names of namespaces, and their addresses on the line."""

    near: str
    far: str
    near_address: str = "10.77.0.1"
    far_address: str = "10.77.0.2"

    @property
    def from_near(self) -> list[str]:
        """What to put before a command to run it at the near end."""
        return ["ip", "netns", "exec", self.near]

    @property
    def from_far(self) -> list[str]:
        """What to put before a command to run it at the far end."""
        return ["ip", "netns", "exec", self.far]


@contextmanager
def bad_link(quality: Quality, seed: int = 1) -> Iterator[Ends]:
    """Two namespaces that see each other, badly, while the block runs."""
    ends = Ends(f"updog-{os.getpid()}-near", f"updog-{os.getpid()}-far")
    with contextlib.ExitStack() as stack:
        devices = []
        for name, address in ((ends.near, ends.near_address), (ends.far, ends.far_address)):
            _ip("netns", "add", name)
            stack.callback(_ip, "netns", "del", name)
            devices.append(_tun_in(name))
            stack.callback(os.close, devices[-1])
            _ip("-n", name, "link", "set", "lo", "up")
            _ip("-n", name, "addr", "add", f"{address}/24", "dev", "line")
            _ip("-n", name, "link", "set", "line", "mtu", str(_MTU), "up")
        stack.enter_context(_relaying(devices, quality, random.Random(seed)))
        yield ends


@contextmanager
def _relaying(devices: list[int], quality: Quality, draw: random.Random) -> Iterator[None]:
    stop = threading.Event()
    thread = threading.Thread(target=_relay, args=(devices, quality, draw, stop))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def _relay(
    devices: list[int], quality: Quality, draw: random.Random, stop: threading.Event
) -> None:
    other = {devices[0]: devices[1], devices[1]: devices[0]}
    under_way: list[tuple[float, int, int, bytes]] = []
    count = 0
    while not stop.is_set():
        wait = max(under_way[0][0] - time.monotonic(), 0) if under_way else 0.1
        for device in select.select(devices, [], [], min(wait, 0.1))[0]:
            packet = os.read(device, _PACKET)
            count += 1
            if draw.random() >= quality.loss:
                due = time.monotonic() + quality.delay
                heapq.heappush(under_way, (due, count, other[device], packet))
        while under_way and under_way[0][0] <= time.monotonic():
            _, _, device, packet = heapq.heappop(under_way)
            with contextlib.suppress(OSError):
                os.write(device, packet)


def _tun_in(namespace: str) -> int:
    """Make a TUN device in a namespace; only a thread of its own goes in there."""
    found: list[int] = []

    def enter() -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        with Path(f"/run/netns/{namespace}").open() as place:
            assert libc.setns(place.fileno(), _CLONE_NEWNET) == 0, os.strerror(ctypes.get_errno())
        device = os.open("/dev/net/tun", os.O_RDWR)
        fcntl.ioctl(device, _TUNSETIFF, struct.pack("16sH22x", b"line", _IFF_TUN_NO_PI))
        found.append(device)

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    assert found, f"no TUN device in {namespace}"
    return found[0]


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True)
