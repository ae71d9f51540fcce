"""What the tests of whole machines share: releases, repositories that offer them, computers.

Made once for a run of the tests, by whichever worker needs it first, in a folder that all see.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from fixtures.os_images import Release
from fixtures.publisher import Publisher
from fixtures.vmos.images import ARCH, Boot, Build, build_release, stage
from fixtures.vmos.machines import make_disk
from fixtures.vmos.packages import locked, unpacked
from fixtures.vmos.rootfs import Contents
from repo_tools.draft import Edition
from repo_tools.newupdate import NewUpdate
from repo_tools.publish import publish
from repo_tools.repository import Repository
from repo_tools.serve import serving
from tests.fakes.stores import place_store, tree
from tests.vm.guest import Computer
from updog.datastore.tree import Store
from updog.version import Version

OLD, NEW = "1.0.0", "1.1.0"
VARIANT = "vm"
EDITION = Edition(VARIANT, ARCH)
HOST = "10.0.2.2"
MIGRATION = f"migrate_v{NEW}_pool"

CONFIG = """\
metadata_base_url = "http://127.0.0.1:1/nowhere"
targets_base_url = "http://127.0.0.1:1/nowhere"
seed = 7

[boot]
reboot_command = ["/usr/sbin/reboot"]

[health]
isolation = "process"
"""

SETTINGS = Store(tree(settings__ntp__pool="old.example.com", settings__motd="hello"))

_MIGRATION = """\
#!/usr/bin/python3 -I
from updog.migrationkit import Migration, ReplaceValue, main

main(
    Migration(
        "pool", [ReplaceValue("settings.ntp.pool", "old.example.com", "new.example.com")]
    )
)
"""
_INIT = "usr/sbin/init"
_DIES = b"#!/usr/bin/python3 -IS\nraise SystemExit('guest: this init fails')\n"
_HANGS = b"#!/usr/bin/python3 -IS\nimport time\nprint('guest: this init hangs')\ntime.sleep(1e6)\n"
_CHECK = b"#!/usr/bin/python3 -IS\nraise SystemExit('the application does not answer')\n"


@dataclass(frozen=True)
class World:
    """Everything, below one folder.

    Attributes:
        home: the folder.
        now: when everything is signed.
    """

    home: Path
    now: datetime = field(default_factory=lambda: datetime.now(UTC))

    def publisher(self) -> Publisher:
        """Keys and an empty repository, which is copied for each offer: all have one root."""
        folder = self.home / "publisher"
        with locked(self.home / "publisher.lock"):
            if not folder.exists():
                Publisher.create(folder, self.now)
            return Publisher(Repository.open(folder), self.now)

    def release(self, name: str) -> Release:
        """One of `BUILDS`, or ``first``: the system that machines begin with."""
        folder = self.home / "releases" / name
        with locked(self.home / f"release-{name}.lock"):
            if not folder.exists():
                folder.parent.mkdir(exist_ok=True)
                _remember(build_release(folder, self._build(name)), folder)
            return _recalled(folder)

    def offer(self, name: str) -> Path:
        """A published repository that offers one of `BUILDS` after the first release."""
        folder = self.home / "offers" / name
        with locked(self.home / f"offer-{name}.lock"):
            if not folder.exists():
                folder.parent.mkdir(exist_ok=True)
                shutil.copytree(self.publisher().repository.folder, folder)
                self._publish(Repository.open(folder), self.release(name))
        return folder / "published"

    def computer(self, home: Path, url: str, more: str = "") -> Computer:
        """A new machine with the first release, which asks a repository.

        Args:
            home: its folder.
            url: of the repository, on the host.
            more: further configuration.
        """
        release = self.release("first")
        port = url.rpartition(":")[2]
        data = home / "data"
        (data / "etc/updog.d").mkdir(parents=True)
        base = f"http://{HOST}:{port}"
        (data / "etc/updog.d/10-test.toml").write_text(
            f'metadata_base_url = "{base}/{VARIANT}/{ARCH}"\n'
            f'targets_base_url = "{base}/targets"\n{more}'
        )
        place_store(data / "lib/bottlerocket/datastore", OLD, SETTINGS)
        kernel, initramfs = home / "vmlinuz", home / "stage"
        kernel.write_bytes(unpacked().vmlinuz.read_bytes())
        initramfs.write_bytes(self.stage())
        computer = Computer(home, kernel, initramfs)
        make_disk(computer.disk, release, data)
        return computer

    def stage(self) -> bytes:
        """The initramfs of the boot stage."""
        path = self.home / "stage"
        with locked(self.home / "stage.lock"):
            if not path.exists():
                path.write_bytes(stage())
            return path.read_bytes()

    def _build(self, name: str) -> Build:
        contents = Contents(OLD, self.publisher().root_json(), CONFIG, variant=VARIANT)
        boot = Boot(unpacked().vmlinuz.read_bytes(), self.stage())
        plain = Build(contents, boot)
        return plain if name == "first" else _changed(name, plain)

    def _publish(self, repository: Repository, release: Release) -> None:
        version = Version.parse(release.version)
        update = NewUpdate(EDITION, version, release.boot, release.root, release.hash, version)
        repository.add_update(update)
        source = repository.folder / MIGRATION
        source.write_text(_MIGRATION)
        edges = {(Version.parse(OLD), version): (f"{MIGRATION}.lz4",)}
        repository.set_migrations([EDITION], edges, [source])
        publish(repository, now=self.now)


BUILDS = ("good", "init-fails", "root-damaged", "kernel-garbage", "hangs", "unhealthy")
"""What the first release may be updated to; all call themselves 1.1.0."""


def _changed(name: str, plain: Build) -> Build:
    contents, boot = replace(plain.contents, version=NEW), plain.boot
    panics = replace(boot, command_line=f"{boot.command_line} updog.verity=panic")
    impatient = boot.command_line.replace("updog.watchdog=120", "updog.watchdog=10")
    builds = {
        "good": Build(contents, boot),
        "init-fails": Build(replace(contents, files={_INIT: _DIES}), boot),
        "root-damaged": Build(contents, panics, damaged=True),
        "kernel-garbage": Build(contents, replace(boot, kernel=boot.kernel[::-1])),
        "hangs": Build(
            replace(contents, files={_INIT: _HANGS}), replace(boot, command_line=impatient)
        ),
        "unhealthy": Build(
            replace(contents, files={"etc/updog/check/required.d/10-app": _CHECK}), boot
        ),
    }
    return builds[name]


def _remember(release: Release, folder: Path) -> None:
    (folder / "root_hash").write_text(f"{release.version} {release.root_hash}")


def _recalled(folder: Path) -> Release:
    version, root_hash = (folder / "root_hash").read_text().split()
    prefix = folder / f"updog-{VARIANT}-{ARCH}-{version}"
    boot, root, hashes = (
        prefix.with_name(f"{prefix.name}-{name}")
        for name in ("boot.ext4", "root.ext4", "root.verity")
    )
    return Release(VARIANT, ARCH, version, boot, root, hashes, root_hash)


@contextmanager
def offered(world: World, name: str) -> Iterator[str]:
    """Serve an offer on the host's loopback; yields its address."""
    with serving(world.offer(name)) as url:
        yield url
