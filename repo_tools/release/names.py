"""Upstream's names of images: ``NAME-VARIANT-ARCH-VERSION-BUILD-PART[.lz4]`` (formats 11.2). PURE.

    bottlerocket-aws-k8s-1.30-x86_64-1.26.1-943d9a41-boot.ext4.lz4
    bottlerocket-aws-k8s-1.30-x86_64-1.26.1-943d9a41-root.ext4.lz4
    bottlerocket-aws-k8s-1.30-x86_64-1.26.1-943d9a41-root.verity.lz4

Parts of a name may hold the hyphen that separates them, so a name is taken apart from its end, with
the help of what is known: NAME holds none, ARCH is a word of letters, digits and underscores, and
VERSION is a semantic version. The build may be missing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum, unique

from updog.version import Version


@unique
class Part(StrEnum):
    """The three images of a release."""

    BOOT = "boot"
    ROOT = "root"
    HASH = "hash"


_ENDINGS = {
    "-boot.ext4": Part.BOOT,
    "-boot.vfat": Part.BOOT,
    "-root.ext4": Part.ROOT,
    "-root.erofs": Part.ROOT,
    "-root.squashfs": Part.ROOT,
    "-root.verity": Part.HASH,
}
_COMPRESSED = ".lz4"
_STEM = re.compile(
    r"(?P<name>[^-]+)-(?P<variant>.+?)-(?P<arch>[A-Za-z][A-Za-z0-9_]*)-"
    r"(?P<rest>\d+\.\d+\.\d+(?:[-+].*)?)"
)
_WITH_BUILD = re.compile(r"(?P<version>.+)-(?P<build>[0-9a-f]{6,40}(?:-dirty)?)")


@dataclass(frozen=True, slots=True)
class ImageName:
    """The name of an image file, taken apart.

    Attributes:
        build: the build's id; empty if there is none.
        file_name: the whole name.
    """

    variant: str
    arch: str
    version: Version
    build: str
    part: Part
    file_name: str

    @property
    def release(self) -> ReleaseName:
        """What the three images of a release have in common."""
        return ReleaseName(self.variant, self.arch, self.version, self.build)


@dataclass(frozen=True, slots=True)
class ReleaseName:
    """Which release, and which build of it."""

    variant: str
    arch: str
    version: Version
    build: str = ""

    def __str__(self) -> str:
        build = f" (build {self.build})" if self.build else ""
        return f"{self.variant} {self.arch} {self.version}{build}"


def part_of(file_name: str) -> Part | None:
    """Which image a file is by the end of its name; None if it does not say."""
    plain = file_name.removesuffix(_COMPRESSED)
    return next((part for ending, part in _ENDINGS.items() if plain.endswith(ending)), None)


def parse(file_name: str) -> ImageName | None:
    """Take a file name apart; None if it is not one of upstream's."""
    plain = file_name.removesuffix(_COMPRESSED)
    part = part_of(file_name)
    if part is None:
        return None
    # Hyphens are allowed in variants, so the shortest variant that leaves an architecture and a
    # version is taken: "aws-k8s-1.30-x86_64-1.26.1" has only one place where that works.
    found = _STEM.fullmatch(plain.rpartition("-")[0])
    if found is None:
        return None
    version, build = _version_and_build(found["rest"])
    if version is None:
        return None
    return ImageName(found["variant"], found["arch"], version, build, part, file_name)


def releases(file_names: Iterable[str]) -> Mapping[ReleaseName, Mapping[Part, str]]:
    """The releases that a folder with these files holds, each with the images it has.

    A release may lack an image. Where an image is there raw and compressed, the compressed file,
    which is what a build system publishes, is taken.
    """
    found: dict[ReleaseName, dict[Part, str]] = {}
    for file_name in sorted(file_names):
        name = parse(file_name)
        if name is not None:
            # In order of the names, "X.lz4" comes after "X".
            found.setdefault(name.release, {})[name.part] = file_name
    return found


def _version_and_build(rest: str) -> tuple[Version | None, str]:
    found = _WITH_BUILD.fullmatch(rest)
    version = _version(found["version"]) if found else None
    return (version, found["build"]) if found and version else (_version(rest), "")


def _version(text: str) -> Version | None:
    try:
        return Version.parse(text)
    except ValueError:
        return None
