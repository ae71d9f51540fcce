"""The initramfs of the boot stage, from a Python and the modules of a kernel."""

from __future__ import annotations

import gzip
import lzma
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import zstandard

from repo_tools.bootstage import cpio
from repo_tools.bootstage.kernelmodules import ModuleTree
from repo_tools.bootstage.pythontree import ENTRY, INTERPRETER, PythonRoot

USUAL_MODULES = (
    "virtio_pci",
    "virtio_blk",
    "virtio_scsi",
    "sd_mod",
    "nvme",
    "ahci",
    "mmc_block",
    "ext4",
    # What vfat asks for by name when it is mounted: nobody answers in an initramfs.
    "nls_cp437",
    "nls_ascii",
    "nls_utf8",
    "vfat",
    "squashfs",
    "erofs",
)
"""Loaded if the kernel has them."""
NEEDED_MODULES = ("dm_verity",)
WATCHDOG_MODULES = ("softdog",)

_INIT = f"#!/{INTERPRETER} -ISB\nfrom {ENTRY} import main\nmain()\n"
_FOLDERS = ("bootimage", "dev", "modules", "proc", "sys", "sysroot")
_MOST_ZSTD_WINDOW = 22  # the kernel's own decoder allocates it before there is much memory


class Compression(StrEnum):
    """How the archive is packed; the kernel has to have been built with it."""

    ZSTD = "zstd"
    XZ = "xz"
    GZIP = "gzip"
    NONE = "none"

    def pack(self, data: bytes) -> bytes:
        """Return the packed archive; the same bytes for the same archive."""
        return _PACKERS[self](data)


@dataclass(frozen=True, slots=True)
class Recipe:
    """What an initramfs is made from.

    Attributes:
        python: the Python.
        modules: the kernel's modules.
        more: names of further modules, loaded after the usual ones; they must be there.
        compression: of the result.
    """

    python: PythonRoot
    modules: ModuleTree
    more: Sequence[str] = ()
    compression: Compression = Compression.ZSTD


def build(recipe: Recipe) -> bytes:
    """Return the initramfs; the same bytes for the same recipe.

    Raises:
        ImageError: a part is missing or damaged.
    """
    return recipe.compression.pack(cpio.archive(cpio.with_folders(_entries(recipe))))


def _entries(recipe: Recipe) -> Iterator[cpio.Entry]:
    yield from (cpio.folder(name) for name in _FOLDERS)
    # The kernel opens the first before anything is mounted; Python's start asks the second.
    yield cpio.character_device("dev/console", 5, 1)
    yield cpio.character_device("dev/urandom", 1, 9)
    yield cpio.character_device("dev/null", 1, 3)
    yield cpio.file("init", _INIT.encode(), executable=True)
    yield from recipe.python.entries()
    yield from _modules(recipe)


def _modules(recipe: Recipe) -> Iterator[cpio.Entry]:
    every: dict[str, Path] = {}
    for name, in_order in (("always", _always), ("watchdog", _watchdog)):
        needed, wanted = in_order(recipe, soft=False), in_order(recipe, soft=True)
        lines = (f"{'' if path in needed else '-'}{path.name}\n" for path in wanted)
        yield cpio.file(f"modules/{name}.list", "".join(lines).encode())
        every |= {path.name: path for path in wanted}
    for name, path in every.items():
        yield cpio.file(f"modules/{name}", path.read_bytes())


def _always(recipe: Recipe, *, soft: bool) -> list[Path]:
    usual = recipe.modules.in_order(USUAL_MODULES, skip_missing=True, soft=soft)
    needed = recipe.modules.in_order((*NEEDED_MODULES, *recipe.more), soft=soft)
    return list(dict.fromkeys((*usual, *needed)))


def _watchdog(recipe: Recipe, *, soft: bool) -> list[Path]:
    return recipe.modules.in_order(WATCHDOG_MODULES, skip_missing=True, soft=soft)


def _xz(data: bytes) -> bytes:
    # The kernel's decoder knows the checksum CRC32 and none of the others.
    return lzma.compress(data, check=lzma.CHECK_CRC32, preset=9)


def _zstd(data: bytes) -> bytes:
    chosen = zstandard.ZstdCompressionParameters.from_level(19, window_log=_MOST_ZSTD_WINDOW)
    return zstandard.ZstdCompressor(compression_params=chosen).compress(data)


_PACKERS: dict[Compression, Callable[[bytes], bytes]] = {
    Compression.ZSTD: _zstd,
    Compression.XZ: _xz,
    Compression.GZIP: lambda data: gzip.compress(data, mtime=0),
    Compression.NONE: lambda data: data,
}
