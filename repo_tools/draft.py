"""What is being prepared for one edition, before anybody outside sees it.

    draft/VARIANT/ARCH/manifest.json    the updates, waves and migrations as they shall be published
    draft/VARIANT/ARCH/targets/NAME     images and migrations, already in their published form
    draft/VARIANT/ARCH/staged.json      length and hashes of each of them, noted when it was added
    draft/VARIANT/ARCH/last-version     the highest version of metadata that was ever signed

A file is staged before the manifest names it, so an interrupted command leaves a draft that says
less than was asked for, never one that names what is not there.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from repo_tools import imagebuild, storage
from repo_tools.errors import DraftError
from repo_tools.imagebuild import Built
from updog import manifest as manifest_format
from updog.errors import UsageError
from updog.manifest import Manifest, Update

MANIFEST = "manifest.json"
# The characters whose canonical JSON, URL and file name are the same for every client; the length
# leaves room for a hash before the name where a file name ends at 255 bytes.
_PLAIN = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,179}", re.ASCII)
# The name of the folder of all targets, beside those of the variants.
RESERVED_VARIANT = "targets"


@dataclass(frozen=True, slots=True, order=True)
class Edition:
    """A variant on an architecture: the unit that has metadata of its own.

    Raises:
        UsageError: a name that cannot be a folder, or the variant ``targets``, whose folder is
            taken.
    """

    variant: str
    arch: str

    def __post_init__(self) -> None:
        for what, name in (("a variant", self.variant), ("an architecture", self.arch)):
            if not is_plain(name):
                raise UsageError(f"{name!r} cannot be the name of {what}.", hint=PLAIN_HINT)
        if self.variant == RESERVED_VARIANT:
            raise UsageError(
                f"A variant cannot be called {RESERVED_VARIANT!r}: the folder is taken."
            )

    def __str__(self) -> str:
        return f"{self.variant} {self.arch}"

    def below(self, folder: Path) -> Path:
        """Its own folder below ``folder``."""
        return folder / self.variant / self.arch


PLAIN_HINT = "Use up to 180 letters, digits, '.', '_' and '-', not beginning with a dot."


def is_plain(name: str) -> bool:
    """Whether a name is the same as text, in a URL and on disk, for every client."""
    return _PLAIN.fullmatch(name) is not None


@dataclass(frozen=True, slots=True)
class Draft:
    """The draft of one edition; `folder` is ``draft/VARIANT/ARCH``."""

    edition: Edition
    folder: Path

    @property
    def targets(self) -> Path:
        """Where the staged files lie."""
        return self.folder / "targets"

    def manifest(self) -> Manifest:
        """The manifest as drafted; an empty one when nothing was drafted yet.

        Raises:
            ManifestError: it was edited by hand and is broken now.
        """
        path = self.folder / MANIFEST
        return manifest_format.parse(path.read_bytes()) if path.exists() else Manifest()

    def save(self, manifest: Manifest) -> None:
        """Make ``manifest`` the draft, in one step."""
        storage.make_folder(self.folder)
        storage.write(self.folder / MANIFEST, manifest_format.dump(manifest))

    def staged(self) -> dict[str, Built]:
        """What was noted about each staged file, by target name.

        Raises:
            DraftError: the notes are damaged.
        """
        path = self.folder / "staged.json"
        try:
            notes = json.loads(path.read_bytes())
            return {name: Built(**note) for name, note in notes["targets"].items()}
        except FileNotFoundError:
            return {}
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise DraftError(f"{path} is damaged: {error}.") from error

    def stage(self, sources: Iterable[Path], frozen: Iterable[str] = ()) -> None:
        """Bring files into their published form and note their hashes.

        Args:
            sources: raw files, which are compressed, or ``.lz4`` files.
            frozen: target names whose bytes may not change, because an update uses them.

        Raises:
            ImageError: a file cannot be published.
            DraftError: a name of ``frozen`` would get other bytes.
        """
        storage.make_folder(self.targets)
        notes = self.staged()
        kept = {name: notes[name] for name in frozen if name in notes}
        for source in sources:
            name = checked_name(source)
            with storage.replacing(self.targets / name) as sink:
                notes[name] = imagebuild.build(source, sink)
                _refuse_other_bytes(name, notes[name], kept.get(name))
            self._note(notes)

    def drop_unused(self, manifest: Manifest) -> None:
        """Forget the staged files that ``manifest`` no longer names."""
        used = set(names_in(manifest))
        notes = self.staged()
        self._note({name: note for name, note in notes.items() if name in used})
        for name in notes.keys() - used:
            (self.targets / name).unlink(missing_ok=True)

    def last_version(self) -> int:
        """The highest metadata version ever used for this edition; 0 before the first publish.

        Kept apart from what is published: were that lost, numbers would begin anew, and clients
        refuse numbers lower than those they have seen.

        Raises:
            DraftError: the note is damaged.
        """
        path = self.folder / "last-version"
        try:
            return int(path.read_text())
        except FileNotFoundError:
            return 0
        except ValueError as error:
            raise DraftError(f"{path} does not hold a number.") from error

    def note_version(self, version: int) -> None:
        """Remember that ``version`` is about to be used."""
        storage.make_folder(self.folder)
        storage.write(self.folder / "last-version", f"{version}\n".encode())

    def _note(self, notes: Mapping[str, Built]) -> None:
        tree = {"targets": {name: asdict(note) for name, note in sorted(notes.items())}}
        storage.make_folder(self.folder)
        storage.write(self.folder / "staged.json", json.dumps(tree, indent=2).encode() + b"\n")


def checked_name(source: Path) -> str:
    """The target name of a file, if every client can ask for it.

    Raises:
        UsageError: it holds characters that clients write differently.
    """
    name = imagebuild.target_name(source)
    if not is_plain(name):
        raise UsageError(f"{name!r} cannot be the name of a target.", hint=PLAIN_HINT)
    return name


def image_names(update: Update) -> tuple[str, str, str]:
    """The three target names of an update."""
    return update.images.boot, update.images.root, update.images.hash


def names_in(manifest: Manifest) -> Iterable[str]:
    """Every target name that a manifest asks clients to fetch, possibly more than once."""
    for update in manifest.updates:
        yield from image_names(update)
    for names in manifest.migrations.values():
        yield from names


def _refuse_other_bytes(name: str, new: Built, old: Built | None) -> None:
    if old is not None and new.sha256 != old.sha256:
        raise DraftError(
            f"An update already uses {name} with other bytes.",
            hint="Give the new image a name of its own, or remove that update first.",
        )
