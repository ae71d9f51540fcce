from __future__ import annotations

import stat
import subprocess
from pathlib import Path

import pytest

from repo_tools.bootstage import cpio
from repo_tools.bootstage.cpio import Entry


def members(data: bytes) -> list[Entry]:
    """Read an archive back, as the kernel does: header by header, to the trailer."""
    found: list[Entry] = []
    at = 0
    while True:
        assert data[at : at + 6] == b"070701"
        fields = [int(data[at + 6 + 8 * n : at + 14 + 8 * n], 16) for n in range(13)]
        size, name_size = fields[6], fields[11]
        start = at + 110
        name = data[start : start + name_size - 1].decode()
        content_at = -(-(start + name_size) // 4) * 4
        if name == "TRAILER!!!":
            return found
        content = data[content_at : content_at + size]
        found.append(Entry(name, fields[1], content, (fields[9], fields[10])))
        at = -(-(content_at + size) // 4) * 4


SOME = [
    cpio.folder("dev"),
    cpio.character_device("dev/console", 5, 1),
    cpio.file("init", b"#!/bin/sh\n", executable=True),
    cpio.file("etc/empty", b""),
    cpio.file("etc/odd", b"12345"),
]


def test_what_goes_in_comes_out() -> None:
    assert members(cpio.archive(SOME)) == SOME


def test_an_archive_is_whole_blocks() -> None:
    assert len(cpio.archive(SOME)) % 512 == 0
    assert members(cpio.archive([])) == []


def test_modes_say_what_an_entry_is() -> None:
    console, init = SOME[1], SOME[2]
    assert stat.S_ISCHR(console.mode)
    assert stat.S_IMODE(console.mode) == 0o600
    assert stat.S_ISREG(init.mode)
    assert stat.S_IMODE(init.mode) == 0o755
    assert stat.S_IMODE(SOME[3].mode) == 0o644


def test_folders_are_added_before_what_is_in_them() -> None:
    paths = [entry.path for entry in cpio.with_folders([cpio.file("a/b/c", b""), SOME[2]])]
    assert paths == ["a", "a/b", "a/b/c", "init"]


def test_the_order_of_entries_does_not_matter() -> None:
    assert cpio.with_folders(SOME) == cpio.with_folders(SOME[::-1])


@pytest.mark.parametrize("path", ["", "/init", "a/../b", "a//b", "./a", "a/"])
def test_a_path_that_is_none_is_refused(path: str) -> None:
    with pytest.raises(ValueError, match="no path inside an archive"):
        Entry(path, 0o644)


def test_every_inode_is_another_and_nothing_says_when_or_who() -> None:
    data = cpio.archive(SOME)
    heads = [data[at : at + 110] for at in range(0, len(data), 2) if data[at : at + 6] == b"070701"]
    numbers = [int(head[6:14], 16) for head in heads[:-1]]
    assert len(set(numbers)) == len(SOME)
    assert {head[22:38] for head in heads} == {b"0" * 16}
    assert {head[46:54] for head in heads} == {b"0" * 8}


def test_debians_cpio_reads_it() -> None:
    if not Path("/usr/bin/cpio").exists():
        pytest.skip("cpio is missing: run .ci/setup")
    listed = subprocess.run(
        ["cpio", "-t", "--quiet"], input=cpio.archive(SOME), capture_output=True, check=True
    )
    assert listed.stdout.decode().split() == [entry.path for entry in SOME]
    assert not listed.stderr
