"""Machines that OVMF starts: unified kernel images, an EFI system partition, a disk."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from fixtures.os_images import BLOCK, Release
from fixtures.vmos import machines
from fixtures.vmos.images import COMMAND_LINE
from fixtures.vmos.packages import unpacked
from partitions import image, plan
from partitions.bootcontrol import GptBootControl
from partitions.guid import PartitionType
from partitions.plan import MIB, PlannedPartition
from partitions.slot import Slot
from partitions.sysfs import from_image
from partitions.systemdboot.entries import EntryName, text
from repo_tools.bootstage import cpio
from repo_tools.bootstage.kernelmodules import ModuleTree
from repo_tools.repository import Repository
from tests.vm.guest import Guest, switched_on
from tests.vm.machine import Disk, Hardware, firmware_variables
from tests.vm.world import World

ESP_MIB = 128
ESP_IN_GUEST = "/dev/efi"
STUB = Path("/usr/lib/systemd/boot/efi/linuxx64.efi.stub")
SYSTEMD_BOOT = Path("/usr/lib/systemd/boot/efi/systemd-bootx64.efi")
STEMS = ("updog-a", "updog-b")
CONFIG = f'\n[boot]\nbackend = "systemd-boot"\nesp = "{ESP_IN_GUEST}"\n'
FAT_MODULES = ("nls_cp437", "nls_ascii", "nls_utf8", "vfat")
SBIN = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}


@dataclass(frozen=True, slots=True)
class EfiComputer:
    """A machine that its firmware starts.

    Attributes:
        home: its folder.
        variables: of its firmware.
    """

    home: Path
    variables: Path

    @property
    def disk(self) -> Path:
        """Its disk."""
        return self.home / "disk.img"

    @contextmanager
    def on(self, disk: Disk | None = None, *, limit: float = 600.0) -> Iterator[Guest]:
        """Switch it on; see `tests.vm.guest.Computer.on`."""
        hardware = Hardware(disk or Disk(self.disk), firmware=self.variables)
        with switched_on(hardware, self.home, limit=limit) as guest:
            yield guest


def with_program(world: World, release: Release, folder: Path) -> Release:
    """The same release, with a unified kernel image as its boot image; made once in a folder."""
    line = f"{COMMAND_LINE} rdinit=/efi-init updog.root_hash={release.root_hash}"
    boot = folder / f"{release.root.parent.name}-{release.version}.efi"
    if not boot.exists():  # a second one would differ: objcopy writes the time into it
        unify(boot, _initramfs(world.stage()), line)
        with boot.open("r+b") as file:
            file.truncate(-(-boot.stat().st_size // BLOCK) * BLOCK)
    return replace(release, boot=boot)


def offer(world: World, release: Release, folder: Path) -> Path:
    """A published repository that offers a release after the first one."""
    shutil.copytree(world.publisher().repository.folder, folder)
    world._publish(Repository.open(folder), release)
    return folder / "published"


def computer(
    home: Path, release: Release, data: Path, fill: Callable[[Path], None] | None = None
) -> EfiComputer:
    """A new machine that runs a release from set A.

    Args:
        home: its folder.
        release: with a unified kernel image, unless there is something else to start it.
        data: a folder whose content the data partition gets.
        fill: puts what the firmware finds on the EFI system partition into a folder; systemd-boot
            and set A unless said otherwise.
    """
    made = EfiComputer(home, firmware_variables(home))
    image.create_image(made.disk, layout := planned(release))
    place = GptBootControl(from_image(made.disk, Slot.A)).active_set()
    for source, extent in zip((release.boot, release.root, release.hash), place[1:], strict=True):
        machines._copy(source, made.disk, extent.offset)
    with TemporaryDirectory(dir=home) as scratch:
        esp, last = Path(scratch, "esp"), Path(scratch, "data")
        make_esp(esp, fill or partial(_systemd_boot, release.boot))
        machines._make_data(last, data)
        machines._copy(esp, made.disk, esp_offset(layout))
        machines._copy(last, made.disk, layout[-1].start_mib * MIB)
    return made


def esp_offset(layout: Sequence[PlannedPartition]) -> int:
    """First byte of the EFI system partition."""
    (each,) = (each for each in layout if each.kind is PartitionType.EFI_SYSTEM)
    return each.start_mib * MIB


def make_esp(target: Path, fill: Callable[[Path], None]) -> None:
    """Make an EFI system partition of what is put into a folder."""
    with target.open("wb") as file:
        file.truncate(ESP_MIB * MIB)
    subprocess.run(
        ["mkfs.vfat", "-F", "16", "-s", "32", target], check=True, capture_output=True, env=SBIN
    )
    with TemporaryDirectory(dir=target.parent) as scratch:
        fill(tree := Path(scratch))
        subprocess.run(["mcopy", "-s", "-i", target, *tree.iterdir(), "::"], check=True)


def _systemd_boot(program: Path, tree: Path) -> None:
    """What starts set A."""
    for folder in ("EFI/BOOT", "EFI/updog", "loader/entries"):
        (tree / folder).mkdir(parents=True)
    shutil.copy(SYSTEMD_BOOT, tree / "EFI/BOOT/BOOTX64.EFI")
    shutil.copy(program, tree / "EFI/updog/updog-a.efi")
    name = EntryName(STEMS[0], 1)
    entry = text(name, Slot.A, "/EFI/updog/updog-a.efi")
    (tree / "loader/entries" / name.file).write_text(entry)
    (tree / "loader/loader.conf").write_text("timeout 0\n")


def planned(release: Release) -> tuple[PlannedPartition, ...]:
    """The usual partitions, with room for two programs on the EFI system partition."""
    usual = plan.plan_for(
        root_mib=machines._room(release.root),
        hash_mib=machines._room(release.hash),
        boot_mib=machines._room(release.boot),
    )
    sizes = {PartitionType.EFI_SYSTEM: ESP_MIB, PartitionType.DATA: machines.DATA_MIB}
    placed, start = [], usual[0].start_mib
    for each in usual:
        placed.append(replace(each, start_mib=start, size_mib=sizes.get(each.kind, each.size_mib)))
        start += placed[-1].size_mib
    return tuple(placed)


def unify(target: Path, initramfs: bytes, line: str) -> None:
    """Make a unified kernel image: stub, kernel, initramfs and command line in one program."""
    with TemporaryDirectory(dir=target.parent) as scratch:
        folder = Path(scratch)
        (folder / "initrd").write_bytes(initramfs)
        (folder / "cmdline").write_text(line)
        words = ["objcopy"]
        for name, source, address in (
            ("cmdline", folder / "cmdline", 0x30000),
            ("linux", unpacked().vmlinuz, 0x2000000),
            ("initrd", folder / "initrd", 0x4000000),
        ):
            words += ["--add-section", f".{name}={source}"]
            words += ["--change-section-vma", f".{name}={address:#x}"]
        subprocess.run([*words, str(STUB), str(target)], check=True, capture_output=True)


def _initramfs(stage: bytes) -> bytes:
    """The boot stage, and before it the program that finds its set, with the modules for FAT."""
    modules = ModuleTree(unpacked().modules).in_order(FAT_MODULES)
    entries = [cpio.file(f"modules/{path.name}", path.read_bytes()) for path in modules]
    listed = "".join(f"{path.name}\n" for path in modules)
    entries.append(cpio.file("modules/fat.list", listed.encode()))
    program = Path(__file__).with_name("efi_init.py").read_bytes()
    script = b"#!/usr/bin/python -ISB\n" + program
    entries.append(cpio.file("efi-init", script, executable=True))
    return cpio.archive(cpio.with_folders(entries)) + stage
