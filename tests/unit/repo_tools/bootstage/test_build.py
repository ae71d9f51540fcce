from __future__ import annotations

import gzip
import lzma
import os
import subprocess
import sys
from pathlib import Path

import pytest
import zstandard

from repo_tools.bootstage.build import Compression, Recipe, build
from repo_tools.bootstage.kernelmodules import ModuleTree
from repo_tools.bootstage.pythontree import PythonRoot
from repo_tools.cli import main
from repo_tools.errors import ImageError
from tests.fakes.elf import module_tree
from tests.unit.repo_tools.bootstage.test_cpio import members

ROOT = Path(__file__).resolve().parents[4]
MODULES = {
    "dm-verity": "dm-mod",
    "dm-mod": "",
    "sha256_ssse3": "simd",
    "simd": "",
    "softdog": "watchdog",
    "watchdog": "",
    "extra": "simd",
}
SAID = {"dm-verity": ["softdep=pre: sha256"], "sha256_ssse3": ["alias=sha256"]}
LIBRARY = f"usr/lib/{PythonRoot(Path('/')).name}"


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return module_tree(tmp_path_factory.mktemp("modules") / "6.1", MODULES, ["ext4"], SAID)


@pytest.fixture(scope="module")
def unpacked(tree: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The initramfs as a folder; without its device nodes, which only root can make."""
    recipe = Recipe(PythonRoot(Path("/")), ModuleTree(tree), ["extra"], Compression.NONE)
    folder = tmp_path_factory.mktemp("initramfs")
    for entry in members(build(recipe)):
        path = folder / entry.path
        if entry.mode & 0o170000 == 0o040000:
            path.mkdir()
        elif entry.mode & 0o170000 == 0o100000:
            path.write_bytes(entry.content)
            path.chmod(entry.mode & 0o777)
    return folder


def test_the_same_input_gives_the_same_bytes(tree: Path, tmp_path: Path) -> None:
    for seed in ("1", "2"):
        words = ["build", str(tmp_path / seed), "--kernel-modules", str(tree)]
        subprocess.run(
            [sys.executable, "-m", "repo_tools.cli", "bootstage", *words, "--compression", "none"],
            cwd=ROOT,
            check=True,
            capture_output=True,
            env={**os.environ, "PYTHONHASHSEED": seed},
        )
    assert (tmp_path / "1").read_bytes() == (tmp_path / "2").read_bytes()


def test_modules_are_listed_in_the_order_of_loading_and_a_dash_is_one_to_do_without(
    unpacked: Path,
) -> None:
    always = (unpacked / "modules/always.list").read_text().split()
    assert always == ["simd.ko", "-sha256_ssse3.ko", "dm-mod.ko", "dm-verity.ko", "extra.ko"]
    watchdog = (unpacked / "modules/watchdog.list").read_text().split()
    assert watchdog == ["watchdog.ko", "softdog.ko"]
    listed = {line.removeprefix("-") for line in (*always, *watchdog)}
    assert {path.name for path in (unpacked / "modules").glob("*.ko")} == listed


def test_the_small_python_runs_the_stage(unpacked: Path) -> None:
    """Every module that it imports is in there; it ends because it is not the first process."""
    done = run(unpacked, str(unpacked / "init"))
    assert "first program of an initramfs" in done.stderr
    assert done.returncode == 1


def test_every_module_of_the_stage_can_be_imported(unpacked: Path) -> None:
    folder = unpacked / LIBRARY / "partitions"
    found = [path.relative_to(folder.parent) for path in folder.rglob("*.pyc")]
    names = [str(path.with_suffix("")).replace("/", ".") for path in found]
    code = "; ".join(f"import {name.removesuffix('.__init__')}" for name in sorted(names))
    done = run(unpacked, "-c", code)
    assert (done.returncode, done.stderr) == (0, "")
    assert "partitions.stage.syscalls" in names


def test_nothing_of_the_network_or_of_cryptography_is_in_there(unpacked: Path) -> None:
    names = {path.name for path in unpacked.rglob("*")}
    assert not names & {"ssl.pyc", "socket.pyc", "http", "asyncio", "hashlib.pyc"}
    assert not [name for name in names if name.startswith(("libssl", "libcrypto"))]


@pytest.mark.parametrize(
    ("compression", "unpack"),
    [
        (Compression.ZSTD, lambda data: zstandard.ZstdDecompressor().decompress(data)),
        (Compression.XZ, lzma.decompress),
        (Compression.GZIP, gzip.decompress),
        (Compression.NONE, bytes),
    ],
)
def test_an_archive_is_packed_as_asked(compression: Compression, unpack: object) -> None:
    assert callable(unpack)
    assert unpack(compression.pack(b"content" * 100)) == b"content" * 100


def test_a_kernel_without_dm_verity_is_refused(tmp_path: Path) -> None:
    tree = ModuleTree(module_tree(tmp_path / "6.1", {"loop": ""}))
    with pytest.raises(ImageError, match="has no module dm_verity"):
        build(Recipe(PythonRoot(Path("/")), tree))


def test_a_root_without_python_names_the_package(tree: Path, tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=r"needs Debian's package python3\.\d+-minimal"):
        build(Recipe(PythonRoot(tmp_path), ModuleTree(tree)))


def test_a_rehearsal_builds_and_writes_nothing(
    tree: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "initramfs"
    words = ["bootstage", "build", str(target), "--kernel-modules", str(tree)]
    assert main([*words, "--compression", "none", "--dry-run"]) == 0
    assert f"Would write {target}" in capsys.readouterr().err
    assert not target.exists()


def test_a_file_that_cannot_be_written_is_told(
    tree: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    target = tmp_path / "file/initramfs"
    words = ["bootstage", "build", str(target), "--kernel-modules", str(tree)]
    assert main([*words, "--compression", "none"]) == 74
    assert str(target) in capsys.readouterr().err


def run(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run the interpreter in there with the libraries from there."""
    loader = next((folder / "lib64").iterdir(), None) if (folder / "lib64").exists() else None
    start = [str(loader), "--library-path", str(folder / "lib")] if loader else []
    return subprocess.run(
        [*start, str(folder / "usr/bin/python"), "-SB", *words],
        capture_output=True,
        text=True,
        check=False,
        env={"PYTHONHOME": str(folder / "usr")},
    )
