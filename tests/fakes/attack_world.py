"""A host, a repository with its keys, and a server in between that an attacker may own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import unquote, urlsplit

from partitions.bootflags import BootFlags
from partitions.layout import Slot
from tests.fakes.client_world import V2, V3, ClientWorld, FileWorld, release
from tests.fakes.httpserver import Exchange, Script, Server, serving
from tests.fakes.repository import FakeRepository
from updog.version import Version

ROOT = Path(__file__).resolve().parents[2]
TOP = ("root", "timestamp", "snapshot", "targets")
REFUSED = 65
UNREACHABLE = 69


@dataclass
class AttackWorld:
    """Everything that an attack needs; nothing of it is known to the client.

    Attributes:
        machine: the host's files.
        server: what the host talks to.
        odd: answers that are not the repository's, by path.
        forged: bytes that must never be kept as trusted.
    """

    machine: FileWorld
    server: Server
    odd: dict[str, Script] = field(default_factory=dict)
    forged: set[bytes] = field(default_factory=set)

    @property
    def repo(self) -> FakeRepository:
        return self.machine.client.repo

    def path(self, file: str) -> str:
        """The path on the server of a role's newest file, of the next root, or of a target."""
        if file == "root":
            return f"metadata/{self.repo.root.version + 1}.root.json"
        if file in self.repo.roles or file in TOP:
            return f"metadata/{self.repo._file_name(file)}"
        (path,) = self.repo.targets.targets[file].get_prefixed_paths()
        return f"targets/{path}"

    def replace(self, file: str, data: bytes) -> None:
        """Send other bytes in place of a file."""
        self.repo.files[self.path(file)] = data
        self.forged.add(data)

    def offer(self, *versions: Version) -> None:
        """Publish a manifest with these versions."""
        self.machine.client.offer(*(release(version) for version in versions))

    def configure(self, text: str) -> None:
        """Lay a drop-in over the configuration."""
        folder = self.machine.config.with_suffix(".d")
        folder.mkdir(exist_ok=True)
        folder.joinpath("50-test.toml").write_text(text)

    def updog(self, *words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "updog", "--config", str(self.machine.config), *words]
        return subprocess.run(
            command, capture_output=True, text=True, check=False, cwd=ROOT, timeout=60
        )

    def sees(self, version: Version | None) -> None:
        """`check-update` offers this version."""
        done = self.updog("check-update")
        assert done.returncode == 0, done.stderr
        assert done.stdout == (f"edge-gw {version}\n" if version else "")

    def updates(self) -> None:
        """`update` installs and activates the offered version."""
        done = self.updog("update")
        assert done.returncode == 0, done.stderr
        assert self.machine.bits()[Slot.B] == BootFlags(2, 1)

    def refuses(self, *words: str, code: int = REFUSED) -> None:
        """`update` ends with `code` and says why; the running set stays the one that boots."""
        done = self.updog("update")
        assert done.returncode == code, (done.returncode, done.stdout, done.stderr)
        assert any(word in done.stderr for word in words), done.stderr
        assert "Traceback" not in done.stderr
        assert done.stdout == ""
        assert not self.machine.bits()[Slot.B].will_boot
        assert self.machine.bits()[Slot.A] == BootFlags(1, 0, successful=True)
        assert not self.forged & set(self.stored().values())

    def refuses_untouched(self, *words: str, code: int = REFUSED) -> None:
        """The same, before a single byte of the disk was changed."""
        before = self.machine.disk.read_bytes()
        self.refuses(*words, code=code)
        assert self.machine.disk.read_bytes() == before

    def stored(self) -> dict[str, bytes]:
        """The trusted metadata that the host keeps, by path below its folder."""
        folder = self.machine.client.paths.tuf_dir
        return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*.json")}

    def answer(self, exchange: Exchange) -> None:
        """What the server does."""
        path = urlsplit(exchange.path).path.lstrip("/")
        if path in self.odd:
            self.odd[path](exchange)
            return
        content = self.repo.files.get(path, self.repo.files.get(unquote(path)))
        if content is None:
            exchange.reply(404)
        else:
            exchange.reply(200, content)


@contextmanager
def attack_world(home: Path) -> Iterator[AttackWorld]:
    """A host on 1.0.0 and a repository that offers 1.1.0 and 1.2.0."""
    repo = FakeRepository(now=datetime.now(UTC))
    machine = FileWorld(ClientWorld(home, repo))
    with serving(lambda exchange: exchange.reply(404)) as server:
        world = AttackWorld(machine, server)
        server.script = world.answer
        world.offer(V2, V3)
        machine.save(
            metadata_base_url=f"{server.base}/metadata", targets_base_url=f"{server.base}/targets"
        )
        world.configure("[download]\nretries = 0\n")
        yield world
