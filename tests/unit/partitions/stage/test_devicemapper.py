from __future__ import annotations

import struct
from pathlib import Path

import pytest

from partitions.stage.devicemapper import Target, packed_target
from partitions.stage.errors import StageError
from partitions.stage.modules import load_modules
from partitions.stage.starting import file_system
from partitions.stage.words import OnCorruption
from partitions.superblock import Superblock

HASH = "cd" * 32
TARGET = Target(
    Path("/dev/vda4"), Path("/dev/vda5"), HASH, Superblock(bytes(16), b"\x01\x02", data_blocks=130)
)


def test_the_line_of_the_table_is_what_veritysetup_would_say() -> None:
    assert TARGET.parameters(OnCorruption.EIO) == (
        f"1 /dev/vda4 /dev/vda5 4096 4096 130 1 sha256 {HASH} 0102"
    )


@pytest.mark.parametrize("wanted", [OnCorruption.RESTART, OnCorruption.PANIC])
def test_what_happens_on_corruption_is_an_option(wanted: OnCorruption) -> None:
    assert TARGET.parameters(wanted).endswith(f" 1 {wanted}_on_corruption")


def test_no_salt_is_a_dash() -> None:
    bare = TARGET._replace(superblock=Superblock(bytes(16), b"", 1))
    assert bare.parameters(OnCorruption.EIO).endswith(f"{HASH} -")


def test_the_target_covers_the_data_and_is_aligned() -> None:
    packed = packed_target(TARGET, OnCorruption.RESTART)
    start, sectors, status, following, kind = struct.unpack_from("=QQiI16s", packed)
    assert (start, sectors, status) == (0, 130 * 8, 0)
    assert following == len(packed)
    assert len(packed) % 8 == 0
    assert kind.rstrip(b"\0") == b"verity"
    assert packed.endswith(b"\0")


@pytest.mark.parametrize(
    ("offset", "magic", "kind"),
    [
        (1080, b"\x53\xef", "ext4"),
        (0, b"hsqs", "squashfs"),
        (1024, b"\xe2\xe1\xf5\xe0", "erofs"),
        (510, b"\x55\xaa", "vfat"),
        (0, b"what", None),
    ],
)
def test_a_file_system_is_known_by_its_first_bytes(
    offset: int, magic: bytes, kind: str | None
) -> None:
    assert file_system((bytes(offset) + magic).ljust(4096, b"\0")) == kind


def test_a_missing_list_of_modules_is_named(tmp_path: Path) -> None:
    with pytest.raises(StageError, match="no modules for 'always'"):
        load_modules("always", folder=tmp_path)


def test_a_missing_module_is_named(tmp_path: Path) -> None:
    (tmp_path / "always.list").write_text("dm-mod.ko\n")
    with pytest.raises(StageError, match=r"dm-mod\.ko is not in the initramfs"):
        load_modules("always", folder=tmp_path)


def test_no_modules_at_all_is_fine(tmp_path: Path) -> None:
    (tmp_path / "always.list").write_text("")
    load_modules("always", folder=tmp_path)


def test_a_module_that_the_kernel_refuses_ends_the_try(tmp_path: Path) -> None:
    (tmp_path / "always.list").write_text("junk.ko\n")
    (tmp_path / "junk.ko").write_bytes(b"no module")
    with pytest.raises(StageError, match=r"the kernel refuses module junk\.ko"):
        load_modules("always", folder=tmp_path)


def test_a_module_with_a_dash_may_be_refused_or_missing(tmp_path: Path) -> None:
    (tmp_path / "always.list").write_text("-junk.ko\n-gone.ko\n")
    (tmp_path / "junk.ko").write_bytes(b"no module")
    load_modules("always", folder=tmp_path)
