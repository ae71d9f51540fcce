from __future__ import annotations

import socket
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from tests.fakes.agentworld import AgentWorld
from tests.fakes.clock import FakeClock
from tests.fakes.repository import URLS, FakeRepository
from updog.agent.life import Life
from updog.agent.loop import LONGEST_SLEEP, Agent
from updog.agent.meter import Metered
from updog.moving import Moving, Phase
from updog.notify import Notifier

BEAT = "WATCHDOG=1"
HOUR = 3600.0


class Systemd:
    """The other end of the notifications."""

    def __init__(self, path: Path) -> None:
        self.address = str(path)
        self._receiver = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self._receiver.bind(self.address)

    def told(self) -> list[str]:
        """What it was told since the last call."""
        found = []
        while True:
            try:
                found.append(self._receiver.recv(4096).decode())
            except BlockingIOError:
                return found

    def close(self) -> None:
        self._receiver.close()


@pytest.fixture
def systemd(tmp_path: Path) -> Iterator[Systemd]:
    made = Systemd(tmp_path / "notify")
    yield made
    made.close()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


def life(systemd: Systemd, clock: FakeClock, watchdog: float | None = HOUR) -> Life:
    return Life(Notifier(systemd.address, watchdog), clock)


def test_a_sign_is_given_when_a_quarter_of_the_time_is_over(
    systemd: Systemd, clock: FakeClock
) -> None:
    living = life(systemd, clock)
    for _ in range(4):
        living.beat()
        clock.advance(timedelta(minutes=7, seconds=30))
    assert systemd.told() == [BEAT, BEAT]


def test_a_clock_that_is_set_back_does_not_silence_it(systemd: Systemd, clock: FakeClock) -> None:
    living = life(systemd, clock)
    living.beat()
    clock.advance(timedelta(days=-300))
    living.beat()
    assert systemd.told() == [BEAT, BEAT]


def test_without_a_watchdog_there_are_no_signs(systemd: Systemd, clock: FakeClock) -> None:
    life(systemd, clock, None).beat()
    assert systemd.told() == []


def test_it_never_sleeps_for_more_than_half_of_the_time(
    systemd: Systemd, clock: FakeClock, tmp_path: Path
) -> None:
    slept: list[float] = []

    def sleep(seconds: float) -> bool:
        slept.append(seconds)
        clock.advance(timedelta(seconds=seconds))
        return len(slept) == 3

    world = AgentWorld(clock)
    Agent(world, clock, sleep, tmp_path / "memory", life=life(systemd, clock, 60)).run()
    assert slept == [30, 30, 30]
    assert systemd.told().count(BEAT) == 3


def test_a_long_watchdog_leaves_the_sleep_as_it_is(systemd: Systemd, clock: FakeClock) -> None:
    assert life(systemd, clock).longest(LONGEST_SLEEP) == LONGEST_SLEEP


def test_systemd_hears_that_it_runs_and_what_it_waits_for(
    systemd: Systemd, clock: FakeClock, tmp_path: Path
) -> None:
    Agent(
        AgentWorld(clock), clock, lambda _: True, tmp_path / "memory", life=life(systemd, clock)
    ).run()
    told = systemd.told()
    assert told[0].startswith("READY=1")
    assert told[-1] == "STATUS=wait: there is no update for this host"


def test_bytes_that_come_are_a_sign(systemd: Systemd, clock: FakeClock) -> None:
    living = life(systemd, clock)
    repo = FakeRepository()
    repo.add_target("image", bytes(10))
    repo.publish()
    (path,) = (path for path in repo.files if path.endswith(".image"))
    address = URLS.targets + path.rpartition("/")[2]
    body = iter(Metered(repo, None, living.beat).open(address))
    clock.advance(timedelta(hours=1))
    systemd.told()
    next(body)
    assert systemd.told() == [BEAT]


def test_an_image_that_moves_is_a_sign(systemd: Systemd, clock: FakeClock) -> None:
    life(systemd, clock).moved(Moving("root", Phase.VERIFY, 1, 2, 0, 0, 0, 0))
    assert systemd.told() == [BEAT]
