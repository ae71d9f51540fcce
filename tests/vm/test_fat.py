"""The reader of FAT against what mtools and dosfstools write."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.vm.fat import Fat

PATH = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
NAMES = {"A rather long name, with blanks.conf", "short.txt", "os-b-2+0-1.conf"}


@pytest.mark.parametrize("bits", ["12", "16", "32"])
def test_files_are_found_with_their_long_names(bits: str, tmp_path: Path) -> None:
    image, file = tmp_path / "image", tmp_path / "file"
    with image.open("wb") as disk:
        disk.truncate((2 if bits == "12" else 36) << 20)
    small = ("-s", "1") if bits == "32" else ()
    subprocess.run(
        ["mkfs.vfat", "-F", bits, *small, image], check=True, capture_output=True, env=PATH
    )
    file.write_bytes(bytes(range(256)) * 300)
    subprocess.run(["mmd", "-i", image, "::/Folder"], check=True)
    for name in NAMES:
        subprocess.run(["mcopy", "-i", image, file, f"::/Folder/{name}"], check=True)
    data = image.read_bytes()
    found = Fat(lambda at, length: data[at : at + length]).files("folder")
    assert set(found) == NAMES
    assert set(found.values()) == {file.read_bytes()}
