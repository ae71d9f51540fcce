"""The target ``manifest.json``: which updates there are, for whom, from when, and which migrations.

`parse` takes any bytes at all and gives a `Manifest` or a `ManifestError` that names the JSON path;
`dump` writes the one form that every reader of this format takes (formats 2).

Rules for what is read:

1. Size, nesting, counts and lengths are bounded before anything is believed.
2. The text is JSON and nothing else: UTF-8, no NaN or Infinity, no unpaired surrogate, and no
   object names a member twice, since two readers could then see two manifests.
3. Unknown members are ignored at every level, and numbers, which only they can hold, are never
   even converted.
4. Keys are compared by what they mean: ``"1"`` and ``"01"`` are the same wave.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, TypeAlias

from updog.errors import ManifestError
from updog.version import Version
from waves.duration import format_moment, parse_moment, quoted
from waves.errors import WaveError
from waves.schedule import MAX_KEY, Schedule, Wave

MAX_BYTES = 16 * 1024 * 1024
"""Bytes of a manifest; a published one has a few hundred for each update."""

MAX_DEPTH = 32
"""Nested arrays and objects; the schema itself needs five."""

MAX_ENTRIES = 10_000
"""Members of one array or object of the schema: updates, migrations, waves, names."""

MAX_NAME = 1024
"""Characters of a variant, an architecture or a target name."""

Edge: TypeAlias = tuple[Version, Version]
Migrations: TypeAlias = Mapping[Edge, tuple[str, ...]]

_WAVE_KEY_DIGITS = len(str(MAX_KEY))
_MAX_EDGE = 600
# Searched for anywhere in the key, as the migrator on the host does (formats 2.3).
_EDGE = re.compile(r"\(([^ ,]+), *([^ ,]+)\)")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class Images:
    """The TUF target names of the three images of one update."""

    boot: str
    root: str
    hash: str


@dataclass(frozen=True, slots=True)
class Update:
    """One release for one variant and architecture.

    Args:
        variant: the kind of system, compared exactly.
        arch: such as ``x86_64``; compared exactly.
        version: what is installed.
        max_version: the highest version its hosts may run; lowering it below ``version``
            withdraws the update, and hosts above it move down (formats 4).
        schedule: when which hosts may take it.
        images: what to write where.
    """

    variant: str
    arch: str
    version: Version
    max_version: Version
    schedule: Schedule
    images: Images


@dataclass(frozen=True, slots=True)
class Manifest:
    """All updates, in the order of the file, and the migrations between versions.

    ``migrations`` maps (from, to) to target names in the order in which they run.
    """

    updates: tuple[Update, ...] = ()
    migrations: Migrations = MappingProxyType({})
