"""Upstream's names of images, taken apart."""

from __future__ import annotations

import pytest

from repo_tools.release.names import ImageName, Part, ReleaseName, parse, part_of, releases
from updog.version import Version


@pytest.mark.parametrize(
    ("file_name", "variant", "arch", "version", "build", "part"),
    [
        (
            "bottlerocket-aws-k8s-1.30-x86_64-1.26.1-943d9a41-boot.ext4.lz4",
            *("aws-k8s-1.30", "x86_64", "1.26.1", "943d9a41", Part.BOOT),
        ),
        (
            "bottlerocket-aws-ecs-2-aarch64-1.19.0-rc.1-abcdef12-dirty-root.verity",
            *("aws-ecs-2", "aarch64", "1.19.0-rc.1", "abcdef12-dirty", Part.HASH),
        ),
        ("updog-demo-riscv64-1.1.0-root.erofs", "demo", "riscv64", "1.1.0", "", Part.ROOT),
        (
            "acme-a-x86_64-1.0.0-beta.1+b5-root.ext4",
            "a",
            "x86_64",
            "1.0.0-beta.1+b5",
            "",
            Part.ROOT,
        ),
    ],
)
def test_a_name_of_upstreams_is_taken_apart(
    file_name: str, variant: str, arch: str, version: str, build: str, part: Part
) -> None:
    expected = ImageName(variant, arch, Version.parse(version), build, part, file_name)
    assert parse(file_name) == expected


@pytest.mark.parametrize(
    "file_name",
    [
        "os-1.1.0-boot.ext4",
        "boot.ext4",
        "bottlerocket-aws-dev-x86_64-1.0.0-abcdef12.img.lz4",
        "bottlerocket-aws-dev-x86_64-1.0-abcdef12-boot.ext4",
        "",
    ],
)
def test_other_names_say_nothing(file_name: str) -> None:
    assert parse(file_name) is None


def test_the_end_of_a_name_alone_tells_the_part() -> None:
    assert part_of("x-root.verity.lz4") is Part.HASH
    assert part_of("x.img") is None


def test_a_folder_is_sorted_into_releases_and_packed_files_win() -> None:
    stem = "os-edge-x86_64-1.0.0-abcdef12"
    names = [f"{stem}-boot.ext4", f"{stem}-boot.ext4.lz4", f"{stem}-root.ext4", "README"]
    release = ReleaseName("edge", "x86_64", Version.parse("1.0.0"), "abcdef12")
    assert releases(names) == {
        release: {Part.BOOT: f"{stem}-boot.ext4.lz4", Part.ROOT: f"{stem}-root.ext4"}
    }
