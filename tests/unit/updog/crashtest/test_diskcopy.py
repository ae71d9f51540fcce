from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

import pytest

from partitions.errors import DeviceMissing, GptError
from tests.fakes.tiny_stand import tiny_bytes
from updog.crashtest.diskcopy import private_copy
from updog.errors import StorageError


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "disk.img"
    path.write_bytes(tiny_bytes())
    return path


def test_the_copy_reads_like_the_disk(image: Path) -> None:
    with private_copy(image) as (_, contents):
        assert contents.read(0, contents.size) == image.read_bytes()


def test_writing_reaches_neither_the_disk_nor_the_copy(image: Path) -> None:
    before = sha256(image.read_bytes()).digest()
    with private_copy(image) as (path, contents):
        contents.write(0, b"x" * 1000)
        assert path != image
        assert path.read_bytes() == image.read_bytes()
    assert sha256(image.read_bytes()).digest() == before


def test_the_copy_goes_away(image: Path) -> None:
    with private_copy(image) as (path, _):
        assert path.exists()
    assert not path.parent.exists()


def test_a_missing_disk_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DeviceMissing), private_copy(tmp_path / "none"):
        pass


def test_a_disk_without_a_table_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "zeros.img"
    path.write_bytes(bytes(1 << 17))
    with pytest.raises(GptError), private_copy(path):
        pass


@contextmanager
def no_file_larger_than(size: int) -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_no_room_for_the_copy_is_an_error(image: Path) -> None:
    with (
        no_file_larger_than(1000),
        pytest.raises(StorageError, match="cannot be copied") as caught,
        private_copy(image),
    ):
        pass
    assert "TMPDIR" in caught.value.hint
