"""Versions of the operating system: strict SemVer 2 with a total order.

The grammar is that of the `semver` package. The order adds one rule to SemVer's precedence: build
metadata takes part in it and in equality, as in the publishing tools that write our manifests
(formats 2.6), because two images that differ only there are still two images. No metadata is the
lowest; otherwise dot-separated identifiers are compared in turn as SemVer compares pre-releases
(digits below letters, digits by value, fewer identifiers first). Of equal numbers the one with
fewer leading zeros, which only metadata may have, is lower: ``1.0.0 < 1.0.0+0 < 1.0.0+00 <
1.0.0+1 < 1.0.0+a``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Self, TypeAlias

import semver

MAX_LENGTH = 256
"""Characters of a version; it becomes part of file names, which end at 255 bytes."""

MAX_NUMBER = 2**64 - 1
"""Major, minor and patch are unsigned 64-bit numbers in the tools that read the same manifest."""

_Identifier: TypeAlias = tuple[int, int, str, int]
_Key: TypeAlias = tuple[
    tuple[int, int, int], tuple[int, tuple[_Identifier, ...]], tuple[_Identifier, ...]
]


@dataclass(frozen=True, slots=True, order=True)
class Version:
    """One version; compared by `_key` alone, which tells apart whatever differs in writing."""

    major: int = field(compare=False)
    minor: int = field(compare=False)
    patch: int = field(compare=False)
    prerelease: str = field(default="", compare=False)
    build: str = field(default="", compare=False)
    _key: _Key = field(init=False, repr=False)

    def __post_init__(self) -> None:
        # A release stands above all its pre-releases: hence the leading 1 or 0.
        stage = (0 if self.prerelease else 1, _identifiers(self.prerelease))
        numbers = (self.major, self.minor, self.patch)
        object.__setattr__(self, "_key", (numbers, stage, _identifiers(self.build)))

    @classmethod
    def parse(cls, text: str) -> Self:
        """The version that ``text`` writes, without a leading ``v``.

        Raises:
            ValueError: not SemVer 2, longer than `MAX_LENGTH`, or a number above `MAX_NUMBER`.
        """
        # Looked at before the grammar: some releases of `semver` let a final newline or digits of
        # other scripts pass, and endless digits are slow to convert.
        if len(text) > MAX_LENGTH or not text.isascii() or not text.isprintable():
            raise ValueError(f"{text[:40]!a} is not a semantic version")
        parts = semver.Version.parse(text)
        if max(parts.major, parts.minor, parts.patch) > MAX_NUMBER:
            raise ValueError(f"{text[:40]!a} has a number above {MAX_NUMBER}")
        return cls(parts.major, parts.minor, parts.patch, parts.prerelease or "", parts.build or "")

    def __str__(self) -> str:
        release = f"{self.major}.{self.minor}.{self.patch}"
        stage = f"-{self.prerelease}" if self.prerelease else ""
        build = f"+{self.build}" if self.build else ""
        return f"{release}{stage}{build}"


def _identifiers(text: str) -> tuple[_Identifier, ...]:
    return tuple(map(_identifier, text.split("."))) if text else ()


def _identifier(text: str) -> _Identifier:
    if not text.isdigit():
        return (1, 0, text, 0)
    # Digits compare by value without becoming a number: by length first, then as text.
    value = text.lstrip("0")
    return (0, len(value), value, len(text))
