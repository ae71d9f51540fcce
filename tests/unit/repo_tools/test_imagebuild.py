from __future__ import annotations

import io
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import pytest
from blake3 import blake3
from lz4 import frame

from repo_tools import imagebuild
from repo_tools.errors import ImageError
from repo_tools.imagebuild import Built
from tests.fakes.repositories import image_bytes

RAW = image_bytes("image", 50_000)


def written(folder: Path, name: str, data: bytes) -> Path:
    path = folder / name
    path.write_bytes(data)
    return path


def build(path: Path) -> tuple[Built, bytes]:
    sink = io.BytesIO()
    return imagebuild.build(path, sink), sink.getvalue()


def lz4_file(folder: Path, *options: str, raw: bytes = RAW) -> Path:
    """What the lz4 command of the system makes of it."""
    written(folder, "command", raw)
    packed = folder / "command.lz4"
    subprocess.run(["lz4", "-q", "-9", *options, folder / "command", packed], check=True)
    return packed


@pytest.mark.parametrize("name", ["a-root.ext4", "a-root.ext4.lz4"])
def test_target_name_ends_in_lz4_once(name: str) -> None:
    assert imagebuild.target_name(Path("/x") / name) == "a-root.ext4.lz4"


def test_frame_begins_like_those_of_upstream_but_for_the_size_of_blocks(tmp_path: Path) -> None:
    _, packed = build(written(tmp_path, "image", RAW))
    assert packed[:6] == bytes.fromhex("04224d18 64 50")


def test_header_is_that_of_the_lz4_command(tmp_path: Path) -> None:
    # The command takes smaller blocks for files smaller than one.
    raw = RAW * (imagebuild.BLOCK // len(RAW) + 1)
    _, packed = build(written(tmp_path, "image", raw))
    assert packed[:7] == lz4_file(tmp_path, "-B5", raw=raw).read_bytes()[:7]


@pytest.mark.parametrize("size", [1, 4096, imagebuild.BLOCK, imagebuild.BLOCK + 1, 9_000_000])
def test_lz4_command_decodes_what_we_compress(tmp_path: Path, size: int) -> None:
    raw = (image_bytes("x", 1 << 20) * 9)[:size]
    _, packed = build(written(tmp_path, "image", raw))
    path = written(tmp_path, "image.lz4", packed)
    assert subprocess.run(["lz4", "-dc", path], capture_output=True, check=True).stdout == raw


def test_lz4_command_lists_one_frame_of_independent_blocks(tmp_path: Path) -> None:
    _, packed = build(written(tmp_path, "image", RAW))
    path = written(tmp_path, "image.lz4", packed)
    # The list goes to the terminal's side of the program, whichever that is in this version.
    done = subprocess.run(["lz4", "--list", path], capture_output=True, text=True, check=True)
    _frames, kind, block = (done.stdout + done.stderr).splitlines()[-1].split()[:3]
    assert (_frames, kind, block) == ("1", "LZ4Frame", "B5I")


def test_lengths_and_hashes_are_those_of_the_bytes(tmp_path: Path) -> None:
    built, packed = build(written(tmp_path, "image", RAW))
    assert built == Built(
        len(packed),
        sha256(packed).hexdigest(),
        len(RAW),
        sha256(RAW).hexdigest(),
        blake3(RAW).hexdigest(),
    )


def test_same_image_gives_the_same_bytes(tmp_path: Path) -> None:
    path = written(tmp_path, "image", RAW)
    assert build(path) == build(path)


@pytest.mark.parametrize(
    "options", [(), ("-BD",), ("-B4",), ("-BX",), ("--no-frame-crc",), ("--content-size",)]
)
def test_any_sound_frame_is_taken_as_it_is(tmp_path: Path, options: tuple[str, ...]) -> None:
    path = lz4_file(tmp_path, *options)
    built, packed = build(path)
    assert packed == path.read_bytes()
    assert (built.raw_length, built.raw_sha256) == (len(RAW), sha256(RAW).hexdigest())


def test_cut_frame_is_refused(tmp_path: Path) -> None:
    whole = lz4_file(tmp_path).read_bytes()
    with pytest.raises(ImageError, match="middle of its LZ4 frame"):
        build(written(tmp_path, "cut.lz4", whole[:-3]))


@pytest.mark.parametrize("tail", [b"\0", b"more bytes", bytes(100_000)])
def test_bytes_after_the_frame_are_refused(tmp_path: Path, tail: bytes) -> None:
    whole = lz4_file(tmp_path).read_bytes()
    with pytest.raises(ImageError, match="after its LZ4 frame"):
        build(written(tmp_path, "long.lz4", whole + tail))


def test_two_frames_are_refused(tmp_path: Path) -> None:
    whole = lz4_file(tmp_path).read_bytes()
    with pytest.raises(ImageError, match="after its LZ4 frame"):
        build(written(tmp_path, "two.lz4", whole * 2))


def test_damaged_frame_is_refused(tmp_path: Path) -> None:
    whole = bytearray(lz4_file(tmp_path).read_bytes())
    whole[len(whole) // 2] ^= 1
    with pytest.raises(ImageError, match="not a sound LZ4 frame"):
        build(written(tmp_path, "bad.lz4", bytes(whole)))


@pytest.mark.parametrize(
    "data",
    [b"", b"\x04", b"plain text that somebody renamed", bytes.fromhex("02214c18") + bytes(50)],
    ids=["empty", "short", "text", "legacy"],
)
def test_what_is_no_frame_is_refused_whatever_its_name(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(ImageError):
        build(written(tmp_path, "image.lz4", data))


def test_frame_of_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="empty"):
        build(written(tmp_path, "image.lz4", frame.compress(b"")))


def test_skippable_frame_is_refused(tmp_path: Path) -> None:
    skippable = bytes.fromhex("502a4d18 04000000 00000000")
    with pytest.raises(ImageError, match="frame format"):
        build(written(tmp_path, "image.lz4", skippable + lz4_file(tmp_path).read_bytes()))


def test_compressed_file_under_a_raw_name_is_refused(tmp_path: Path) -> None:
    whole = lz4_file(tmp_path).read_bytes()
    with pytest.raises(ImageError, match="is an LZ4 file although") as caught:
        build(written(tmp_path, "root.ext4", whole))
    assert "root.ext4.lz4" in caught.value.hint


def test_empty_image_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="empty"):
        build(written(tmp_path, "image", b""))


def test_missing_image_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="not there"):
        build(tmp_path / "gone")


def test_folder_is_no_image(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="not a plain file"):
        build(tmp_path)


def test_unreadable_image_is_refused() -> None:
    # A plain file that nobody, root included, can read from its start.
    with pytest.raises(ImageError, match="cannot be read"):
        build(Path("/proc/self/mem"))


MEASURE = """
import sys
from pathlib import Path
from repo_tools import imagebuild

# Not getrusage: its figure begins with what the parent had.
def peak():
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0])

with open("/dev/null", "wb") as sink:
    imagebuild.build(Path(sys.argv[1]), sink)
    before = peak()
    imagebuild.build(Path(sys.argv[2]), sink)
print(peak() - before)
"""


@pytest.mark.parametrize("packed", [False, True], ids=["raw", "lz4"])
def test_memory_does_not_grow_with_the_image(tmp_path: Path, *, packed: bool) -> None:
    small, big = tmp_path / "small", tmp_path / "big"
    small.write_bytes(bytes(20 << 20))
    with big.open("wb") as file:
        file.truncate(200 << 20)
    if packed:
        for path in (small, big):
            subprocess.run(["lz4", "-q", path, f"{path}.lz4"], check=True)
        small, big = tmp_path / "small.lz4", tmp_path / "big.lz4"
    grown_kib = subprocess.run(
        [sys.executable, "-c", MEASURE, small, big], capture_output=True, text=True, check=True
    ).stdout
    assert int(grown_kib) < 8 << 10
