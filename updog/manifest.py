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
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, TypeAlias

from updog.jsontree import Node, load
from updog.version import Version
from waves.duration import format_moment, parse_moment, quoted
from waves.errors import WaveError
from waves.schedule import MAX_KEY, Schedule, Wave

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
    migrations: Migrations = field(default_factory=lambda: MappingProxyType({}))


def parse(data: bytes) -> Manifest:
    """The manifest that these bytes hold (formats 2.1 to 2.3).

    Raises:
        ManifestError: anything the rules above refuse; the message names the JSON path.
    """
    root = load(data, "manifest.json: $")
    updates = tuple(_update(node) for node in root.member("updates").elements())
    migrations = root.member("migrations")
    return Manifest(updates, read_migrations(migrations.value, migrations.path))


def dump(manifest: Manifest) -> bytes:
    """The manifest as UTF-8 JSON, indented by 2, without a final newline (formats 2.4).

    Fractions of a second are rounded up, so nobody becomes ready earlier than the values said.
    """
    migrations = {edge_key(edge): list(names) for edge, names in manifest.migrations.items()}
    tree = {
        "updates": [update_as_json(update) for update in manifest.updates],
        "migrations": dict(sorted(migrations.items())),
    }
    return json.dumps(tree, indent=2, ensure_ascii=False).encode()


def update_as_json(update: Update) -> dict[str, Any]:
    """One update as a JSON object with its members in the order of the format (formats 2.4)."""
    return {
        "variant": update.variant,
        "arch": update.arch,
        "version": str(update.version),
        "max_version": str(update.max_version),
        "waves": {str(w.first_seed): format_moment(w.start) for w in update.schedule.waves},
        "images": {
            "boot": update.images.boot,
            "root": update.images.root,
            "hash": update.images.hash,
        },
    }


def edge_key(edge: Edge) -> str:
    """How a migration edge is written: ``(FROM, TO)`` (formats 2.3)."""
    return f"({edge[0]}, {edge[1]})"


def read_migrations(tree: object, path: str) -> Migrations:
    """The migrations in a JSON or TOML table of ``(FROM, TO)`` keys and lists of names.

    Args:
        tree: the parsed table.
        path: where it stands, for messages.

    Raises:
        ManifestError: a key or value of another form, or two keys for one edge.
    """
    found: dict[Edge, tuple[str, ...]] = {}
    for key, node in Node(tree, path).members():
        edge = _edge(key, node)
        if edge in found:
            raise node.fault(f"a second list for {edge_key(edge)}")
        found[edge] = tuple(_name(element) for element in node.elements())
    return MappingProxyType(found)


def _update(node: Node) -> Update:
    images = node.member("images")
    return Update(
        variant=_name(node.member("variant")),
        arch=_name(node.member("arch")),
        version=_version(node.member("version")),
        max_version=_version(node.member("max_version")),
        schedule=_schedule(node.member("waves")),
        images=Images(*(_name(images.member(name)) for name in ("boot", "root", "hash"))),
    )


def _name(node: Node) -> str:
    """A name that is later searched for, printed and logged, so it holds no control characters.

    Which target names may become file names is decided where a file is opened.
    """
    name = node.text()
    if not 0 < len(name) <= MAX_NAME:
        raise node.fault(f"a name needs 1 to {MAX_NAME} characters, not {len(name)}")
    if _CONTROL.search(name):
        raise node.fault(f"{quoted(name)} holds a control character")
    return name


def _version(node: Node) -> Version:
    text = node.text()
    try:
        return Version.parse(text)
    except ValueError:
        raise node.fault(f"{quoted(text)} is not a semantic version") from None


def _schedule(node: Node) -> Schedule:
    waves: dict[int, Wave] = {}
    for key, start in node.members():
        seed = _wave_key(key, start)
        if seed in waves:
            raise start.fault(f"a second wave for seed {seed}")
        try:
            waves[seed] = Wave(seed, parse_moment(start.text()))
        except WaveError as error:
            raise start.fault(str(error)) from None
    return Schedule(tuple(wave for _, wave in sorted(waves.items())))


def _wave_key(key: str, node: Node) -> int:
    digits = key.lstrip("0") or key[:1]
    if key.isascii() and digits.isdigit() and len(digits) <= _WAVE_KEY_DIGITS:
        seed = int(digits)
        if seed <= MAX_KEY:
            return seed
    raise node.fault(f"a wave key is a decimal number from 0 to {MAX_KEY}")


def _edge(key: str, node: Node) -> Edge:
    match = _EDGE.search(key) if len(key) <= _MAX_EDGE else None
    if match is None:
        raise node.fault("a migration key is written '(FROM, TO)'")
    start, end = (_version(Node(half, node.path)) for half in match.groups())
    return start, end
