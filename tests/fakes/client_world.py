"""A host, its disk in memory and a signed repository in memory; or the same three as real files."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from partitions.bootflags import BootFlags
from partitions.disk import read_table
from partitions.layout import Slot
from tests.fakes.clock import NOW
from tests.fakes.gpt_disk import boot_bits
from tests.fakes.memory_disk import MemoryDisk
from tests.fakes.repository import URLS, FakeRepository
from tests.fakes.two_sets import SignedImage, TwoSets, signed_images, two_sets
from updog.manifest import Images, Manifest, Update, dump
from updog.select import Host
from updog.settings import Paths, Settings
from updog.update import Environment
from updog.version import Version
from waves.schedule import Schedule, Wave

V1, V2, V3 = (Version.parse(text) for text in ("1.0.0", "1.1.0", "1.2.0"))
VARIANT, ARCH, SEED = "edge-gw", "x86_64", 1000


def release(version: Version, schedule: Schedule | None = None) -> Update:
    """An update of the host's own kind; all of them carry the same three images."""
    images = Images("boot.lz4", "root.lz4", "hash.lz4")
    return Update(VARIANT, ARCH, version, V3, schedule or Schedule(), images)


def held_until(moment: datetime) -> Schedule:
    """Waves that let everybody update at one moment."""
    return Schedule((Wave(0, moment),))


@dataclass
class ClientWorld:
    """Everything one run touches, in memory except for the state below `home`."""

    home: Path
    repo: FakeRepository = field(default_factory=FakeRepository)
    machine: TwoSets = field(default_factory=two_sets)
    images: dict[str, SignedImage] = field(default_factory=signed_images)

    def __post_init__(self) -> None:
        self.paths.trusted_root.write_bytes(self.repo.shipped_root())
        for image in self.images.values():
            self.repo.add_target(image.name, image.frame)

    @property
    def paths(self) -> Paths:
        return Paths(
            state_dir=self.home / "state",
            lock=self.home / "lock",
            trusted_root=self.home / "root.json",
            os_release=self.home / "os-release",
            migrations_dir=self.home / "migrations",
            metadata_cache_dir=self.home / "metadata",
        )

    @property
    def settings(self) -> Settings:
        return Settings(URLS.metadata, URLS.targets, paths=self.paths)

    def offer(
        self,
        *updates: Update,
        migrations: Mapping[tuple[Version, Version], tuple[str, ...]] | None = None,
    ) -> None:
        """Publish these updates."""
        edges = {(V1, V2): (), (V2, V3): ()} if migrations is None else migrations
        self.repo.add_target("manifest.json", dump(Manifest(updates, edges)))
        for names in edges.values():
            for name in names:
                self.repo.add_target(name, b"migration " + name.encode())
        self.repo.publish()

    def environment(self, settings: Settings | None = None) -> Environment:
        return Environment(
            settings=settings or self.settings,
            host=Host(VARIANT, ARCH, V1, SEED),
            now=NOW,
            fetcher=self.repo,
            open_device=self.machine.opener,
            control=self.machine.control,
        )

    def quiet_settings(self) -> Settings:
        """Settings that keep version and seed of this host out of all addresses."""
        settings = self.settings
        return settings._replace(download=settings.download._replace(send_host_info=False))


@dataclass
class FileWorld:
    """The same as files: a repository folder, a disk image, and a configuration for the command."""

    client: ClientWorld

    @property
    def home(self) -> Path:
        return self.client.home

    @property
    def config(self) -> Path:
        return self.home / "updog.toml"

    @property
    def disk(self) -> Path:
        return self.home / "disk.img"

    def save(self, **extra: object) -> None:
        """Write the repository, the disk, os-release and the configuration."""
        for path, content in self.client.repo.files.items():
            file = self.home / "repository" / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)
        self.disk.write_bytes(self.client.machine.disk.data)
        self.client.paths.os_release.write_text(f"VERSION_ID={V1}\nVARIANT_ID={VARIANT}\n")
        self.configure(**extra)

    def configure(self, **extra: object) -> None:
        """Write the configuration; `extra` are further top-level keys."""
        said: dict[str, object] = {
            "metadata_base_url": f"file://{self.home}/repository/metadata",
            "targets_base_url": f"file://{self.home}/repository/targets",
            "seed": SEED,
            **extra,
        }
        lines = [f"{name} = {json.dumps(value)}" for name, value in said.items()]
        lines.append("[paths]")
        paths = self.client.paths
        lines += [f'{name} = "{getattr(paths, name)}"' for name in Paths._fields]
        lines += ["[boot]", f'disk = "{self.disk}"', 'active = "A"']
        lines.append(f'reboot_command = ["touch", "{self.home}/rebooted"]')
        self.config.write_text("\n".join(lines))

    def damage(self, role: str) -> None:
        """Change a byte of an image on the inactive set."""
        with self.disk.open("r+b") as disk:
            disk.seek(self.client.machine.places[role].start)
            byte = disk.read(1)[0]
            disk.seek(-1, 1)
            disk.write(bytes([byte ^ 1]))

    @property
    def rebooted(self) -> bool:
        return (self.home / "rebooted").exists()

    def bits(self) -> dict[Slot, BootFlags]:
        return boot_bits(read_table(MemoryDisk(bytearray(self.disk.read_bytes()))).table)


def later(**spans: float) -> datetime:
    """A moment after `NOW`."""
    return NOW + timedelta(**spans)
