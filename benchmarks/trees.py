"""Two releases of an ext4 root to measure with, from this machine's own Debian files.

The second one is the first with some files' content replaced, as a minor update does: about one
byte in thirteen, by real content that the first one has nowhere. Bounded in time by its size.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

from fixtures.os_images import machine_files

CHANGED = 0.075
"""The share of bytes that a release replaces."""
FILLED = 0.84
"""The share of an image that is file content."""
_UUID = "11111111-1111-4111-8111-111111111111"
_TIME = "1900000000"


def build_pair(work: Path, mib: int, source: Path = Path("/usr")) -> tuple[Path, Path]:
    """Make both images, unless an earlier run has left them."""
    old, new = work / "old.img", work / "new.img"
    if old.exists() and new.exists():
        return old, new
    tree = work / "tree"
    shutil.rmtree(tree, ignore_errors=True)
    content = int(mib * FILLED) << 20
    files = [path for path, _ in machine_files(source, content, 0)]
    for path in files:
        target = tree / path.relative_to("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
    _make_image(tree, old, mib)
    _replace_some(tree, int(content * CHANGED), _unused(source, content, len(files)))
    _make_image(tree, new, mib)
    shutil.rmtree(tree)
    return old, new


def _unused(source: Path, content: int, skip: int) -> Iterator[bytes]:
    """Content of the files that the first release has not taken."""
    for path, _ in machine_files(source, content, skip):
        yield path.read_bytes()


def _replace_some(tree: Path, wanted: int, unused: Iterator[bytes]) -> None:
    """Give files other content of the same length, scattered over the tree."""
    files = [path for path in tree.rglob("*") if path.is_file()]
    held = b""
    for path in sorted(files, key=lambda one: sha256(str(one).encode()).digest()):
        size = path.stat().st_size
        while len(held) < size:
            more = next(unused, None)
            if more is None:
                return
            held += more
        path.write_bytes(held[:size])
        held = held[size:]
        wanted -= size
        if wanted <= 0:
            return


def _make_image(tree: Path, image: Path, mib: int) -> None:
    features = "^has_journal,^resize_inode,^metadata_csum"
    options = f"hash_seed={_UUID},lazy_itable_init=0,root_owner=0:0"
    inodes = str(sum(1 for _ in tree.rglob("*")) + 1000)
    command = ["mke2fs", "-q", "-F", "-t", "ext4", "-O", features, "-E", options, "-U", _UUID]
    part = image.with_suffix(".part")
    part.unlink(missing_ok=True)
    subprocess.run(
        [*command, "-m", "0", "-b", "4096", "-N", inodes, "-d", str(tree), str(part), f"{mib}M"],
        check=True,
        capture_output=True,
        env=os.environ
        | {
            "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
            "E2FSPROGS_FAKE_TIME": _TIME,
            "SOURCE_DATE_EPOCH": _TIME,
        },
    )
    part.rename(image)
