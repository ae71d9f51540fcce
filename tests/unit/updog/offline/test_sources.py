"""Bundles and directories as they may come: missing, unreadable, no files at all, pulled out."""

from __future__ import annotations

import os
import tarfile
from pathlib import Path

import pytest

from updog.errors import CutShort, DataError, NotThere, TrustError
from updog.offline.carried import CarriedFetcher, find_urls, metadata_folder
from updog.offline.sources import Source, open_source

CONTENT = bytes(range(256)) * 20


def tree(home: Path) -> Path:
    folder = home / "repository"
    (folder / "edge/x86_64").mkdir(parents=True)
    (folder / "targets").mkdir()
    (folder / "edge/x86_64/timestamp.json").write_bytes(b"{}")
    (folder / "targets/image").write_bytes(CONTENT)
    return folder


def bundle(home: Path) -> Path:
    folder = tree(home)
    with tarfile.open(home / "b.tar", "w") as archive:
        archive.add(folder, arcname=".")
    return home / "b.tar"


@pytest.fixture(params=[tree, bundle])
def source(request: pytest.FixtureRequest, tmp_path: Path) -> Source:
    return open_source(request.param(tmp_path))


@pytest.mark.parametrize("offset", [0, 1, 700, len(CONTENT) - 1, len(CONTENT), len(CONTENT) + 9])
def test_a_file_is_read_from_any_offset(source: Source, offset: int) -> None:
    with source.open("targets/image", offset) as body:
        assert body.offset == offset
        assert b"".join(body) == CONTENT[offset:]


def test_a_missing_file_is_not_there(source: Source) -> None:
    with pytest.raises(NotThere, match="targets/none"):
        source.open("targets/none")


def test_addresses_lead_to_the_files(source: Source) -> None:
    urls = find_urls(source, "edge", "x86_64")
    fetcher = CarriedFetcher(source)
    assert fetcher.get(f"{urls.metadata}/timestamp.json?seed=1", max_bytes=9) == b"{}"
    with fetcher.open(f"{urls.targets}/image", offset=5100) as body:
        assert b"".join(body) == CONTENT[5100:]


def test_a_longer_file_than_allowed_is_refused(source: Source) -> None:
    with pytest.raises(TrustError, match=r"targets/image in .* is longer than the 10 bytes"):
        CarriedFetcher(source).get("offline:///targets/image", max_bytes=10)


@pytest.mark.parametrize("path", ["..%2f..%2fetc/passwd", "/etc/passwd", "targets/../x", ""])
def test_an_address_that_leads_elsewhere_is_refused(source: Source, path: str) -> None:
    with pytest.raises(TrustError, match="not safe"):
        CarriedFetcher(source).open(f"offline:///{path}")


def test_metadata_of_another_system_is_not_taken(source: Source) -> None:
    with pytest.raises(NotThere, match="nothing for edge on aarch64"):
        find_urls(source, "edge", "aarch64")


def test_a_directory_for_one_kind_of_system_is_taken(tmp_path: Path) -> None:
    folder = tree(tmp_path)
    (folder / "edge/x86_64").rename(folder / "metadata")
    urls = find_urls(open_source(folder), "any", "riscv64")
    assert urls.metadata == "offline:///metadata"


@pytest.mark.parametrize(("variant", "arch"), [("..", "x"), ("a", "../.."), ("", "x"), ("/a", "b")])
def test_a_variant_that_leads_elsewhere_is_refused(variant: str, arch: str) -> None:
    with pytest.raises(TrustError, match="not safe"):
        metadata_folder(variant, arch)


def test_nothing_at_the_path_is_said(tmp_path: Path) -> None:
    with pytest.raises(NotThere, match="does not exist"):
        open_source(tmp_path / "unplugged.tar")


def test_a_pipe_is_refused_without_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(DataError, match="neither a directory nor a bundle"):
        open_source(tmp_path / "pipe")


def test_a_pipe_in_a_directory_is_no_file(tmp_path: Path) -> None:
    folder = tree(tmp_path)
    os.mkfifo(folder / "targets/pipe")
    with pytest.raises(NotThere, match="is not a file"):
        open_source(folder).open("targets/pipe")


def test_a_device_is_refused() -> None:
    with pytest.raises(DataError, match="neither a directory nor a bundle"):
        open_source(Path("/dev/zero"))


def test_a_linked_file_is_read(tmp_path: Path) -> None:
    folder = tree(tmp_path)
    (folder / "targets/image").rename(tmp_path / "elsewhere")
    (folder / "targets/image").symlink_to(tmp_path / "elsewhere")
    with open_source(folder).open("targets/image") as body:
        assert b"".join(body) == CONTENT


def test_a_hostile_bundle_is_refused_with_a_hint(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "b.tar", "w") as archive:
        link = tarfile.TarInfo("targets/x")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/shadow"
        archive.addfile(link)
    with pytest.raises(DataError, match=r"b\.tar is no bundle: it holds a symbolic link") as caught:
        open_source(tmp_path / "b.tar")
    assert "updog bundle export" in caught.value.hint


def test_a_bundle_that_shrinks_while_it_is_read_is_cut_short(tmp_path: Path) -> None:
    path = bundle(tmp_path)
    body = open_source(path).open("targets/image")
    os.truncate(path, 512)
    with pytest.raises(CutShort, match="became shorter"):
        list(body)


def test_no_descriptor_is_left_open(tmp_path: Path) -> None:
    def descriptors() -> int:
        return len(list(Path("/proc/self/fd").iterdir()))

    folder, before = bundle(tmp_path), descriptors()
    for path in (folder, tmp_path / "repository"):
        one = open_source(path)
        list(one.open("targets/image"))
        one.open("targets/image").close()
        one.open("targets/image")
        del one
    assert descriptors() == before
