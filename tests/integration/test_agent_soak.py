"""A day of the real agent, compressed: real files, real metadata, faults by script."""

from __future__ import annotations

import gc
import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from partitions.bootflags import BootFlags
from partitions.layout import Slot
from tests.fakes.client_world import V2, ClientWorld, FileWorld, release
from tests.fakes.clock import NOW, FakeClock
from updog.agent.decide import Action
from updog.agent.loop import Agent
from updog.agent.machine import Machine

pytestmark = pytest.mark.slow(seconds=25)

PAGE = os.sysconf("SC_PAGE_SIZE")
ROUNDS = 288  # every five minutes of a day
WARM = 60
GROWTH = 5 << 20


@pytest.fixture(autouse=True)
def _silence() -> Iterator[None]:
    """What the test runner keeps of the log is not the agent's memory."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


def resident() -> int:
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


@contextmanager
def spoiled(path: Path, how: Callable[[bytes], bytes | None]) -> Iterator[None]:
    """A file that is changed, or gone, for a while."""
    before = path.read_bytes()
    after = how(before)
    if after is None:
        path.unlink()
    else:
        path.write_bytes(after)
    try:
        yield
    finally:
        path.write_bytes(before)


def flipped(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


def faults(world: FileWorld) -> list[tuple[Path, Callable[[bytes], bytes | None]]]:
    metadata = world.home / "repository" / "metadata"
    first = [metadata / "timestamp.json", world.config, world.disk]
    return [
        (first[0], lambda _content: None),
        (first[0], flipped),
        (first[0], lambda content: content[:40]),
        (first[0], lambda content: content + b"x" * (2 << 20)),
        (first[0], lambda _content: b""),
        (first[1], lambda content: content + b"\nthis is not TOML"),
        (first[1], lambda _content: None),
        (first[2], lambda content: b"\0" * len(content)),
        (first[2], lambda _content: None),
    ]


def test_a_day_of_faults_leaks_nothing_and_every_fault_is_got_over(tmp_path: Path) -> None:
    client = ClientWorld(tmp_path)
    client.offer(release(V2))
    world = FileWorld(client)
    world.save()
    dropin = world.config.with_suffix(".d")
    dropin.mkdir()
    (dropin / "a.toml").write_text('[policy]\nmode = "staged"\n[schedule]\ncheck = "5 minutes"\n')
    clock = FakeClock(NOW)
    machine = Machine(world.config, lambda: ())
    agent = Agent(machine, clock, lambda _seconds: True, client.paths.agent)
    script, figures, failed = faults(world), (0, 0), 0
    for number in range(ROUNDS):
        clock.advance(timedelta(minutes=5))
        if number == WARM:
            figures = (resident(), descriptors())
        if number % 2:
            path, how = script[number // 2 % len(script)]
            with spoiled(path, how):
                agent.once()
            failed += bool(agent.memory.failures)
            # The back-off is over by then, and the next question succeeds.
            clock.advance(timedelta(hours=7))
        else:
            step = agent.once()
            assert step.action is Action.WAIT
            assert agent.memory.failures == 0, (number, step)
            assert world.bits()[Slot.B] == BootFlags(0, 1)
    assert failed == ROUNDS // 2
    assert resident() - figures[0] < GROWTH
    assert descriptors() <= figures[1]
