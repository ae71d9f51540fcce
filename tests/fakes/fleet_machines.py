"""Many machines made of files, each with the real update service over its own disk and socket.

A machine restarts as one does: the service goes down, the bootloader's rule picks a set on the disk
image and spends a try, and what is on that set comes up, or does not. All of them read one
repository, signed for the test.
"""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import lz4.frame

from partitions import disk
from partitions.blockio import Access, Extent
from partitions.boot import choose_next
from partitions.bootcontrol import GptBootControl
from partitions.device import open_device
from partitions.layout import Slot
from partitions.sysfs import from_image
from tests.fakes.api_service import Wire
from tests.fakes.client_world import ARCH, VARIANT
from tests.fakes.gpt_disk import disk_with, make_table
from tests.fakes.repository import FakeRepository
from updog.manifest import Images, Manifest, Update, dump
from updog.version import Version
from waves.schedule import Schedule

ROOT = Path(__file__).resolve().parents[2]
LONG = 120.0
"""Seconds that anything may take on a busy machine."""
BROKEN = b"no kernel at all"


class Releases:
    """The repository of the fleet, as files below a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._repo = FakeRepository(now=datetime.now(UTC))
        self._updates: list[Update] = []
        self._write()

    @property
    def root(self) -> bytes:
        return self._repo.shipped_root()

    def publish(self, version: str, *, bad: bool = False) -> None:
        """Offer a version to everybody; a bad one does not come up."""
        for role, content in images(version, bad=bad).items():
            frame = lz4.frame.compress(content, content_checksum=True)
            self._repo.add_target(f"{role}-{version}.lz4", frame)
        names = Images(*(f"{role}-{version}.lz4" for role in ("boot", "root", "hash")))
        made = Version.parse(version)
        self._updates.append(Update(VARIANT, ARCH, made, made, Schedule(), names))
        newest = [replace(each, max_version=made) for each in self._updates]
        ascending = [Version.parse("1.0.0"), *(each.version for each in newest)]
        edges: dict[tuple[Version, Version], tuple[str, ...]] = {}
        edges |= dict.fromkeys(pairwise(ascending), ())
        self._repo.add_target("manifest.json", dump(Manifest(tuple(newest), edges)))
        self._repo.publish()
        self._write()

    def _write(self) -> None:
        """Write what is new; the timestamp, which makes it visible, last."""
        for path, content in sorted(
            self._repo.files.items(), key=lambda each: "timestamp" in each[0]
        ):
            file = self.folder / path
            if file.exists() and file.read_bytes() == content:
                continue
            file.parent.mkdir(parents=True, exist_ok=True)
            part = file.with_name(f"{file.name}.part")
            part.write_bytes(content)
            part.replace(file)


def images(version: str, *, bad: bool = False) -> dict[str, bytes]:
    """What is on the three partitions of a set."""
    boot = BROKEN if bad else b"kernel"
    return {"boot": boot, "root": f"VERSION_ID={version}\n".encode(), "hash": b"tree"}


@dataclass
class FleetMachine:
    """One machine.

    Attributes:
        name: of its node.
        home: where it lies.
        releases: where its updates come from.
        boots: what came of each start: the version that came up, empty where none did.
    """

    name: str
    home: Path
    releases: Releases
    seed: int
    boots: list[str] = field(default_factory=list)
    process: subprocess.Popen[bytes] | None = None
    _slot: Slot = Slot.A

    @property
    def socket(self) -> Path:
        return self.home / "api"

    @property
    def disk(self) -> Path:
        return self.home / "disk.img"

    @property
    def wants_restart(self) -> bool:
        """Whether its service was asked to restart the machine."""
        return (self.home / "restart").exists()

    @property
    def version(self) -> str:
        """What runs, or ran last."""
        return next(each for each in reversed(self.boots) if each)

    def install(self) -> None:
        """Put 1.0.0 on set A, proven, and nothing on set B."""
        self.home.mkdir(parents=True)
        (self.home / "root.json").write_bytes(self.releases.root)
        self.disk.write_bytes(bytes(disk_with(make_table()).data))
        place = GptBootControl(from_image(self.disk, Slot.A)).active_set()
        extents = {"boot": place.boot, "root": place.root, "hash": place.hash}
        for role, content in images("1.0.0").items():
            with open_device(extents[role], Access.WRITE) as device:
                device.pwrite(0, content)
        self._configure()

    def _configure(self) -> None:
        home = self.home
        paths = {
            "state_dir": home / "state",
            "lock": home / "lock",
            "trusted_root": home / "root.json",
            "os_release": home / "os-release",
            "migrations_dir": home / "migrations",
            "metadata_cache_dir": home / "metadata",
        }
        lines = [
            f'metadata_base_url = "file://{self.releases.folder}/metadata"',
            f'targets_base_url = "file://{self.releases.folder}/targets"',
            f"seed = {self.seed}",
            "[paths]",
            *(f'{name} = "{path}"' for name, path in paths.items()),
            "[boot]",
            f'disk = "{self.disk}"',
            f"reboot_command = {json.dumps(['touch', str(home / 'restart')])}",
        ]
        (home / "updog.toml").write_text("\n".join(lines))

    def power_on(self) -> None:
        """Start until something comes up, as a watchdog would, and serve its update API."""
        for _ in range(5):
            if self._boot():
                break
        else:
            raise AssertionError(f"{self.name} is dead")
        self._serve()

    def _boot(self) -> bool:
        with open_device(Extent(self.disk), Access.WRITE) as device:
            choice = choose_next(disk.read_table(device).table)
            assert choice is not None
            disk.write_table(device, choice.table)
        place = GptBootControl(from_image(self.disk, choice.slot)).active_set()
        with open_device(place.boot, Access.READ) as device:
            if device.pread(0, len(BROKEN)) == BROKEN:
                self.boots.append("")
                return False
        with open_device(place.root, Access.READ) as device:
            said = device.pread(0, 64).split(b"\n")[0].decode()
        self._slot = choice.slot
        self.boots.append(said.removeprefix("VERSION_ID="))
        self._come_up(said)
        return True

    def _come_up(self, said: str) -> None:
        dropins = self.home / "updog.d"
        dropins.mkdir(exist_ok=True)
        (dropins / "running.toml").write_text(f'[boot]\nactive = "{self._slot}"\n')
        (self.home / "os-release").write_text(f"{said}\nVARIANT_ID={VARIANT}\n")
        # What the gate of a boot does once everything has come up.
        GptBootControl(from_image(self.disk, self._slot)).mark_successful()

    def _serve(self) -> None:
        words = ["--config", str(self.home / "updog.toml"), "serve", "--socket", str(self.socket)]
        with (self.home / "service.log").open("ab") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "updog", *words], cwd=ROOT, stdout=out, stderr=out
            )

    def wait(self) -> None:
        """Wait until its service answers."""
        until = time.monotonic() + LONG
        while not self.answers():
            assert time.monotonic() < until, (self.home / "service.log").read_text()
            time.sleep(0.05)

    def answers(self) -> bool:
        wire = Wire(self.socket)
        try:
            wire.request("GET", "/updates/progress")
            return wire.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            wire.close()

    def power_off(self) -> None:
        """Stop its service."""
        if self.process is None:
            return
        self.process.terminate()
        try:
            self.process.wait(LONG)
        finally:
            self.process.kill()
            self.process.wait()
        self.process = None


@dataclass
class Machines:
    """All machines, and what restarts them when they ask for it.

    Attributes:
        all: by name of the node.
        going_down: told before a machine stops.
        up_again: told when it serves again.
    """

    releases: Releases
    all: dict[str, FleetMachine]
    going_down: Callable[[FleetMachine], None] = lambda _machine: None
    up_again: Callable[[FleetMachine], None] = lambda _machine: None
    failures: list[BaseException] = field(default_factory=list)
    _over: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)

    @classmethod
    def made(cls, home: Path, names: list[str]) -> Machines:
        """Machines on 1.0.0 below a folder, switched off."""
        releases = Releases(home / "repository")
        found = {
            name: FleetMachine(name, home / name, releases, seed=number)
            for number, name in enumerate(names)
        }
        for each in found.values():
            each.install()
        return cls(releases, found)

    def start(self) -> None:
        """Switch all of them on, and restart them from now on when they ask."""
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(FleetMachine.power_on, self.all.values()))
        for each in self.all.values():
            each.wait()
        watcher = threading.Thread(target=self._watch, daemon=True)
        watcher.start()
        self._threads.append(watcher)

    def _watch(self) -> None:
        pool = ThreadPoolExecutor(8)
        while not self._over.wait(0.05):
            for each in self.all.values():
                if each.wants_restart:
                    (each.home / "restart").unlink()
                    pool.submit(self._restart, each)
        pool.shutdown(wait=True)

    def _restart(self, machine: FleetMachine) -> None:
        try:
            self.going_down(machine)
            machine.power_off()
            machine.power_on()
            machine.wait()
            self.up_again(machine)
        except BaseException as why:  # noqa: BLE001 - the test shows it
            self.failures.append(why)

    def stop(self) -> None:
        """Switch all of them off."""
        self._over.set()
        for thread in self._threads:
            thread.join(LONG)
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(FleetMachine.power_off, self.all.values()))

    def versions(self) -> dict[str, int]:
        """How many machines run which version."""
        found: dict[str, int] = {}
        for each in self.all.values():
            found[each.version] = found.get(each.version, 0) + 1
        return found


def environment() -> dict[str, str]:
    """The caller's environment without what names a cluster."""
    hidden = ("KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT", "KUBECONFIG")
    return {name: value for name, value in os.environ.items() if name not in hidden}
