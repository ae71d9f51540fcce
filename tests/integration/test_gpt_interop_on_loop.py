"""The interop tests once more, on block devices: the same tools and tables, on loop disks."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from partitions.image import create_image
from partitions.plan import plan_for
from tests.integration import test_gpt_interop as on_files
from tests.integration.test_gpt_interop import (
    Maker,
    made,
    made_by_fdisk_with_large_sectors,
    made_by_sgdisk,
)
from updog.crashtest.command import run as crashtest

pytestmark = pytest.mark.root
LARGE = 4096

__all__ = ["made"]


@pytest.fixture
def disk(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    made: dict[Maker, bytes],
) -> Iterator[Path]:
    """A loop device over a copy of what a tool made, with the sectors it was made for."""
    maker = getattr(request, "param", made_by_sgdisk)
    image = tmp_path / "backing.img"
    image.write_bytes(made[maker])
    sectors = LARGE if maker is made_by_fdisk_with_large_sectors else 512
    with attached(image, sectors) as device:
        yield device


@contextmanager
def attached(image: Path, sectors: int) -> Iterator[Path]:
    """A loop device over an image; always detached again."""
    shown = subprocess.run(
        ["losetup", "--find", "--show", "--sector-size", str(sectors), str(image)],
        capture_output=True,
        text=True,
        check=True,
    )
    device = Path(shown.stdout.strip())
    try:
        yield device
    finally:
        subprocess.run(["losetup", "--detach", str(device)], check=True)


test_read = on_files.test_a_table_of_another_tool_is_read
test_sets = on_files.test_the_sets_are_found_in_a_table_of_another_tool
test_bits = on_files.test_bits_are_set_and_taken_back_byte_for_byte
test_content = on_files.test_other_tools_are_content_with_what_we_wrote_and_read_the_same_bits
test_sgdisk_bits = on_files.test_every_bit_that_sgdisk_sets_is_read
test_foreign_bits = on_files.test_foreign_bits_survive_a_whole_life
test_repair = on_files.test_a_wiped_copy_is_repaired_to_what_the_tool_had_made


def test_the_crash_explorer_holds_on_a_block_device(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    image = tmp_path / "whole.img"
    create_image(image, plan_for(root_mib=2, hash_mib=1, boot_mib=1))
    with attached(image, 512) as device:
        words = ["--image", str(device), "--active", "A", "--scenario", "activate"]
        assert crashtest([*words, "--sector", "4096"]) == 0
    assert " 0 failures" in capsys.readouterr().out
