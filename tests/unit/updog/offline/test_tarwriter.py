"""A bundle is there whole or not at all, whatever happens while it is written."""

from __future__ import annotations

import subprocess
import sys
import tarfile
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest

from updog.body import CHUNK
from updog.errors import CutShort, InternalError, StorageError, UsageError
from updog.offline import tarwriter
from updog.offline.sources import open_source
from updog.offline.tarindex import read_index
from updog.offline.tarwriter import TarWriter

ROOT = Path(__file__).parents[4]
LONG = "targets/" + "a" * 64 + "." + "n" * 120


def write(path: Path, files: dict[str, bytes], *, replace: bool = False) -> int:
    with TarWriter(path, replace=replace) as archive:
        for name, content in files.items():
            archive.add(name, len(content), [content])
    return archive.length


def test_python_and_we_read_what_was_written(tmp_path: Path) -> None:
    files = {"a/timestamp.json": b"{}", LONG: b"x" * 513, "empty": b""}
    assert write(tmp_path / "b.tar", files) == (tmp_path / "b.tar").stat().st_size
    source = open_source(tmp_path / "b.tar")
    assert {name: b"".join(source.open(name)) for name in files} == files
    with tarfile.open(tmp_path / "b.tar") as archive:
        assert archive.getnames() == list(files)


def test_gnu_tar_unpacks_it(tmp_path: Path) -> None:
    write(tmp_path / "b.tar", {LONG: b"content"})
    subprocess.run(["tar", "-xf", tmp_path / "b.tar", "-C", tmp_path], check=True)
    assert (tmp_path / LONG).read_bytes() == b"content"


def test_a_file_of_more_than_8_gib_is_announced_rightly() -> None:
    archive = tarwriter.header("huge", size := 9 << 30)
    found = read_index(lambda at, n: archive[at : at + n].ljust(n, b"\0"), 10 << 30)
    assert found["huge"].size == size


def broken(first: bytes) -> Iterator[bytes]:
    yield first
    raise CutShort("the cable was pulled")


def test_after_a_failure_nothing_is_left(tmp_path: Path) -> None:
    with pytest.raises(CutShort), TarWriter(tmp_path / "b.tar") as archive:
        archive.add("a", 10, broken(b"12345"))
    assert list(tmp_path.iterdir()) == []


def test_a_failure_leaves_the_file_that_was_to_be_replaced(tmp_path: Path) -> None:
    (tmp_path / "b.tar").write_text("old")
    with pytest.raises(CutShort), TarWriter(tmp_path / "b.tar", replace=True) as archive:
        archive.add("a", 10, broken(b"12345"))
    assert (tmp_path / "b.tar").read_text() == "old"


def test_nothing_has_its_name_before_it_is_whole(tmp_path: Path) -> None:
    with TarWriter(tmp_path / "b.tar") as archive:
        archive.add("a", 1, [b"1"])
        assert not (tmp_path / "b.tar").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["b.tar"]


def test_what_a_killed_run_left_is_replaced_and_not_followed(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("mine")
    (tmp_path / ".b.tar.new").symlink_to(tmp_path / "precious")
    write(tmp_path / "b.tar", {"a": b"1"})
    assert (tmp_path / "precious").read_text() == "mine"
    assert not (tmp_path / "b.tar").is_symlink()


@pytest.mark.parametrize("there", ["file", "dangling link"])
def test_what_is_there_is_not_replaced(tmp_path: Path, there: str) -> None:
    path = tmp_path / "b.tar"
    path.write_text("old") if there == "file" else path.symlink_to("/nowhere")
    with pytest.raises(UsageError, match="is there already"):
        write(path, {"a": b"1"})


def test_a_file_that_appears_meanwhile_is_not_replaced(tmp_path: Path) -> None:
    def content() -> Iterator[bytes]:
        (tmp_path / "b.tar").write_text("theirs")
        yield b"1"

    with pytest.raises(UsageError), TarWriter(tmp_path / "b.tar") as archive:
        archive.add("a", 1, content())
    assert (tmp_path / "b.tar").read_text() == "theirs"
    assert [path.name for path in tmp_path.iterdir()] == ["b.tar"]


def test_a_missing_directory_is_said(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="cannot be written: No such file"):
        write(tmp_path / "stick/b.tar", {"a": b"1"})


def test_a_wrong_announcement_is_our_own_mistake(tmp_path: Path) -> None:
    wrong = "4 bytes where 3 were announced"
    with pytest.raises(InternalError, match=wrong), TarWriter(tmp_path / "b.tar") as archive:
        archive.add("a", 3, [b"1234"])


def test_a_medium_that_takes_no_more_is_said_and_left_clean(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path\n"
        "from updog.errors import StorageError\n"
        "from updog.offline.tarwriter import TarWriter\n"
        "try:\n"
        "    with TarWriter(Path(sys.argv[1])) as archive:\n"
        "        archive.add('a', 1 << 20, [bytes(1 << 20)])\n"
        "except StorageError as error:\n"
        "    print(error)\n"
    )
    command = ["prlimit", "--fsize=100000", sys.executable, "-c", program, f"{tmp_path}/b.tar"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    assert "b.tar cannot be written: File too large." in done.stdout
    assert list(tmp_path.iterdir()) == []


def test_memory_stays_bounded(tmp_path: Path) -> None:
    count = 64
    tracemalloc.start()
    try:
        with TarWriter(tmp_path / "b.tar") as archive:
            archive.add("a", count * CHUNK, (bytes(CHUNK) for _ in range(count)))
        with open_source(tmp_path / "b.tar").open("a") as body:
            assert sum(map(len, body)) == count * CHUNK
        assert tracemalloc.get_traced_memory()[1] < 8 * CHUNK
    finally:
        tracemalloc.stop()
