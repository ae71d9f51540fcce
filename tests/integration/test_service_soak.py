"""A day of the real service and the real agent on one machine, compressed: a repository that fails.

Both are processes of their own, so that their memory is nobody else's; the agent runs on a clock of
ours. They take the same lock and read the same repository over HTTP.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Self

import pytest

from partitions.layout import Slot
from tests.fakes.api_service import ROOT, Gate, Service, gated, make_world, service
from tests.fakes.client_world import FileWorld
from tests.fakes.httpserver import Exchange

pytestmark = pytest.mark.slow(seconds=30)

ROUNDS = 48  # every half hour of a day
WARM = 12
GROWTH = 5 << 20


CHILD = """
import logging, sys
from datetime import timedelta
from pathlib import Path
from typing import Self
from tests.fakes.clock import NOW, FakeClock
from updog.agent.loop import Agent
from updog.agent.machine import Machine

logging.disable(logging.CRITICAL)
clock = FakeClock(NOW)
agent = Agent(Machine(Path(sys.argv[1]), lambda: ()), clock, lambda _: True, Path(sys.argv[2]))
for line in sys.stdin:
    clock.advance(timedelta(minutes=int(line)))
    step = agent.once()
    print(agent.memory.failures, step.action.name, flush=True)
"""


class AgentProcess:
    """The agent, which takes a step when it is told how much later it is."""

    def __init__(self, world: FileWorld) -> None:
        words = [sys.executable, "-c", CHILD, str(world.config), str(world.client.paths.agent)]
        self.process = subprocess.Popen(
            words, cwd=ROOT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )

    def later(self, minutes: int) -> tuple[int, str]:
        """Failures in a row, and what it does now."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{minutes}\n")
        self.process.stdin.flush()
        failures, action = self.process.stdout.readline().split()
        return int(failures), action

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        with self.process:
            self.process.kill()


def resident(pid: int) -> int:
    """Bytes of memory that are a process's own."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("RssAnon:")[2].split()[0]) << 10


def descriptors(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


class Flaky:
    """The repository: as it is, or with the fault that is on."""

    def __init__(self, gate: Gate) -> None:
        self.gate = gate
        self.fault: Callable[[Exchange, bytes], None] | None = None
        self.where = ""

    def __call__(self, exchange: Exchange) -> None:
        path = exchange.path.partition("?")[0].lstrip("/")
        content = self.gate.world.client.repo.files.get(path)
        if self.fault is None or content is None or not path.endswith(self.where):
            self.gate(exchange)
        else:
            self.fault(exchange, content)


def cut(exchange: Exchange, content: bytes) -> None:
    exchange.reply(200, content[: len(content) // 2], length=len(content))


def flipped(exchange: Exchange, content: bytes) -> None:
    middle = len(content) // 2
    exchange.reply(200, content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :])


FAULTS: tuple[Callable[[Exchange, bytes], None], ...] = (
    cut,
    flipped,
    lambda exchange, _content: exchange.reply(500),
    lambda exchange, _content: exchange.reply(404),
    lambda exchange, _content: exchange.reply(429, headers={"Retry-After": "1"}),
    lambda exchange, _content: exchange.reply(200, b"<html>Please log in</html>"),
    lambda exchange, content: exchange.reply(200, content + b"x" * (4 << 20)),
    lambda exchange, _content: exchange.reply(200, b""),
)


def figures(*pids: int) -> list[tuple[int, int]]:
    """Memory and open files of each."""
    return [(resident(pid), descriptors(pid)) for pid in pids]


def fails(api: Service, command: str) -> None:
    ended = api.run(command)
    assert (ended["cmd_status"], bool(ended["stderr"])) == ("Failed", True), ended


def a_day(api: Service, agent: AgentProcess, flaky: Flaky) -> Iterator[int]:
    """Faults in turn, each followed by a round in which all is well; gives each round's number."""
    flaky.where = "timestamp.json"
    for number in range(ROUNDS):
        if number % 2:
            flaky.fault = FAULTS[number // 2 % len(FAULTS)]
            fails(api, "refresh")
            assert agent.later(30)[0], number
        else:
            flaky.fault = None
            api.done("refresh")
            # Its back-off is over by then, and its next question succeeds.
            assert agent.later(450) == (0, "WAIT"), number
        yield number


def every_fault_of_an_image(api: Service, flaky: Flaky) -> None:
    """An update that fails in every way, and then is staged."""
    api.done("refresh")
    flaky.where = "root.lz4"
    for flaky.fault in FAULTS:
        fails(api, "prepare")
        assert api.state() == "Available"
        assert api.world.bits()[Slot.B].priority == 0
    flaky.fault = None
    api.done("prepare")


def test_a_day_of_faults_leaves_the_service_and_the_agent_as_they_were(tmp_path: Path) -> None:
    world = make_world(tmp_path)
    with gated(world, stall=5) as gate:
        assert gate.server is not None
        gate.server.script = flaky = Flaky(gate)
        (world.home / "updog.d/agent.toml").write_text(
            '[policy]\nmode = "manual"\n[schedule]\ncheck = "30 minutes"\n'
        )
        with service(world) as api, AgentProcess(world) as agent:
            every_fault_of_an_image(api, flaky)
            processes = (api.process.pid, agent.process.pid)
            before = []
            for number in a_day(api, agent, flaky):
                if number == WARM:
                    before = figures(*processes)
            for (memory, files), (more_memory, more_files) in zip(
                before, figures(*processes), strict=True
            ):
                assert more_memory - memory < GROWTH
                assert more_files <= files
            assert api.state() == "Staged"
            assert api.children() == []
