"""The update service as a process, on a machine made of files, and plain requests to it."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from tests.fakes.client_world import V2, V3, ClientWorld, FileWorld, release
from tests.fakes.httpserver import Exchange, Server, serving

ROOT = Path(__file__).resolve().parents[2]
LONG = 30.0
"""Seconds that anything may take on a busy machine; nothing waits that long where all is well."""
COMMANDS = {
    "refresh": "/actions/refresh-updates",
    "prepare": "/actions/prepare-update",
    "activate": "/actions/activate-update",
    "deactivate": "/actions/deactivate-update",
}


class Reply(NamedTuple):
    """An answer of the service."""

    status: int
    headers: dict[str, str]
    body: str

    @property
    def tree(self) -> Any:
        return json.loads(self.body)


class Wire(http.client.HTTPConnection):
    """HTTP to a Unix socket."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=LONG)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


@dataclass
class Service:
    """The running service."""

    world: FileWorld
    socket: Path
    process: subprocess.Popen[bytes]

    def ask(self, method: str, uri: str, headers: dict[str, str] | None = None) -> Reply:
        wire = Wire(self.socket)
        try:
            wire.request(method, uri, headers=headers or {})
            got = wire.getresponse()
            named = {name.lower(): value for name, value in got.getheaders()}
            return Reply(got.status, named, got.read().decode())
        finally:
            wire.close()

    def post(self, command: str) -> Reply:
        return self.ask("POST", COMMANDS[command])

    def status(self) -> Any:
        """The status, when nothing is at work any more."""
        reply = self.ask("GET", "/updates/status")
        until = time.monotonic() + LONG
        while reply.status == 423:
            assert time.monotonic() < until
            time.sleep(0.02)
            reply = self.ask("GET", "/updates/status")
        assert reply.status == 200, reply
        return reply.tree

    def state(self) -> str:
        return str(self.status()["update_state"])

    def run(self, command: str) -> Any:
        """Give a command and return how it ended."""
        begun = self.post(command)
        assert begun.status == 204, begun
        return self.outcome(begun)

    def outcome(self, begun: Reply) -> Any:
        until = time.monotonic() + LONG
        while (reply := self.ask("GET", begun.headers["location"])).status == 404:
            assert time.monotonic() < until
            time.sleep(0.02)
        return reply.tree

    def done(self, command: str) -> None:
        ended = self.run(command)
        assert ended["cmd_status"] == "Success", ended

    def bring_to(self, state: str) -> None:
        """Bring a fresh machine into a state."""
        wanted = {"Idle": 0, "Available": 1, "Staged": 2, "Ready": 3}[state]
        for command in ("refresh", "prepare", "activate")[:wanted]:
            self.done(command)
        if wanted:
            assert self.state() == state

    def children(self) -> list[int]:
        """The workers."""
        path = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return [int(each) for each in path.read_text().split()]

    def kill(self) -> None:
        """The power to say goodbye is not given."""
        workers = self.children()
        self.process.kill()
        self.process.wait()
        # The kernel ends the worker with it, and that takes a moment.
        until = time.monotonic() + LONG
        while any(_alive(pid) for pid in workers):
            assert time.monotonic() < until
            time.sleep(0.01)

    def stop(self) -> int:
        self.process.terminate()
        return self.process.wait(timeout=LONG)


def _alive(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False


def make_world(home: Path) -> FileWorld:
    """A machine on 1.0.0 that is offered two updates."""
    client = ClientWorld(home)
    client.offer(release(V2), release(V3))
    world = FileWorld(client)
    world.save()
    return world


@contextmanager
def service(
    world: FileWorld, *, environment: dict[str, str] | None = None, home: Path | None = None
) -> Iterator[Service]:
    """The service while the block runs; it answers when this returns. Its socket lies in `home`."""
    path = (home or world.home) / "api"
    words = [sys.executable, "-m", "updog", "--config", str(world.config), "serve"]
    log = world.home / "service.log"
    with (
        log.open("ab") as out,
        subprocess.Popen(
            [*words, "--socket", str(path)],
            cwd=ROOT,
            stdout=out,
            stderr=out,
            env={**os.environ, **(environment or {})},
        ) as process,
    ):
        running = Service(world, path, process)
        try:
            _wait_for(running)
            yield running
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
                try:
                    process.wait(timeout=LONG)
                finally:
                    process.kill()


def _wait_for(running: Service) -> None:
    until = time.monotonic() + LONG
    while True:
        assert running.process.poll() is None, (running.world.home / "service.log").read_text()
        try:
            running.ask("GET", "/updates/progress")
        except (OSError, http.client.HTTPException):
            assert time.monotonic() < until
            time.sleep(0.02)
        else:
            return


@dataclass
class Gate:
    """A repository over HTTP that stops in the middle of what it is told to, until it is let go.

    Attributes:
        world: whose repository it is.
        hold: says of a path whether to stop in it.
        server: serves it.
        reached: paths in which it has stopped.
        asked: all paths that were asked for.
    """

    world: FileWorld
    hold: Callable[[str], bool] = lambda _path: False
    server: Server | None = None
    reached: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    def __call__(self, exchange: Exchange) -> None:
        path = exchange.path.partition("?")[0].lstrip("/")
        self.asked.append(path)
        content = self.world.client.repo.files.get(path)
        if content is None:
            exchange.reply(404)
        elif self.hold(path):
            exchange.send_response(200)
            exchange.send_header("Content-Length", str(len(content)))
            exchange.end_headers()
            exchange.wfile.write(content[: len(content) // 2])
            exchange.wfile.flush()
            self.reached.append(path)
            exchange.server.stop_stalling.wait(LONG)
            exchange.close_connection = True
        else:
            exchange.reply(200, content)

    def count(self, path: str) -> int:
        """How often a path was asked for."""
        return self.asked.count(path)

    def release(self) -> None:
        """Break off where it has stopped."""
        assert self.server is not None
        self.server.stop_stalling.set()

    def wait(self) -> None:
        """Wait until it has stopped somewhere."""
        until = time.monotonic() + LONG
        while not self.reached:
            assert time.monotonic() < until
            time.sleep(0.01)


@contextmanager
def gated(world: FileWorld, *, stall: float = 60.0) -> Iterator[Gate]:
    """Serve a machine's repository over HTTP while the block runs.

    Args:
        world: the machine; its configuration is changed.
        stall: its ``timeout_stall``.
    """
    gate = Gate(world)
    with serving(gate) as server:
        gate.server = server
        base = f"http://127.0.0.1:{server.server_address[1]}"
        world.configure(metadata_base_url=f"{base}/metadata", targets_base_url=f"{base}/targets")
        dropins = world.home / "updog.d"
        dropins.mkdir(exist_ok=True)
        said = f"[download]\ntimeout_stall = {stall}\nretries = 0\n"
        dropins.joinpath("gate.toml").write_text(said)
        yield gate
