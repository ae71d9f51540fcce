"""What is being prepared for one edition, before anybody outside sees it.

    draft/VARIANT/ARCH/manifest.json    the updates, waves and migrations as they shall be published
    draft/VARIANT/ARCH/targets/NAME     images and migrations, already in their published form
    draft/VARIANT/ARCH/staged.json      length and hashes of each of them, noted when it was added
    draft/VARIANT/ARCH/shortcuts/NAME   block maps and deltas (see `repo_tools.shortcuts`)
    draft/VARIANT/ARCH/last-version     the highest version of metadata that was ever signed

A file is staged before the manifest names it, so an interrupted command leaves a draft that says
less than was asked for, never one that names what is not there.
"""

from __future__ import annotations

import difflib
import json
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import BinaryIO

from repo_tools import imagefile, packing, storage
from repo_tools.errors import DraftError
from repo_tools.imagebuild import Built
from repo_tools.packing import Packing
from repo_tools.shortcuts import Shortcuts
from updog import manifest as manifest_format
from updog.blockmap import BlockMap
from updog.errors import UsageError
from updog.manifest import Manifest, Update
from updog.pipeline.formats import Format

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
    """The draft of one edition.

    Attributes:
        edition: which.
        folder: ``draft/VARIANT/ARCH``.
        rehearse: told what would be written, if nothing shall be; None: write.
    """

    edition: Edition
    folder: Path
    rehearse: Callable[[str], None] | None = None

    @property
    def targets(self) -> Path:
        """Where the staged files lie."""
        return self.folder / "targets"

    @property
    def shortcuts(self) -> Shortcuts:
        """The block maps and deltas."""
        return Shortcuts(self.folder)

    def manifest(self) -> Manifest:
        """The manifest as drafted; an empty one when nothing was drafted yet.

        Raises:
            ManifestError: it was edited by hand and is broken now.
        """
        path = self.folder / MANIFEST
        return manifest_format.parse(path.read_bytes()) if path.exists() else Manifest()

    def save(self, manifest: Manifest) -> None:
        """Make ``manifest`` the draft, in one step."""
        if self.rehearse is None:
            self._write(MANIFEST, manifest_format.dump(manifest))
        else:
            for line in _changes(self.manifest(), manifest):
                self.rehearse(line)

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

    def stage(
        self,
        sources: Iterable[Path],
        frozen: Iterable[str] = (),
        how: Packing = packing.LZ4,
    ) -> dict[str, BlockMap]:
        """Bring files into their published form and note their hashes.

        What is staged already, under this name or another, is neither compressed nor copied again.

        Args:
            sources: raw files, which are compressed, or ``.lz4`` files.
            frozen: target names whose bytes may not change, because an update uses them.
            how: to compress.

        Returns:
            The block maps that compressing has given, by target name.

        Raises:
            ImageError: a file cannot be published.
            DraftError: a name of ``frozen`` would get other bytes.
        """
        notes = self.staged()
        kept = {name: notes[name] for name in frozen if name in notes}
        maps: dict[str, BlockMap] = {}
        for source in sources:
            name = checked_name(source, how.format)
            twin = self._twin(name, source, notes)
            if twin is None:
                with self._sink(name) as sink:
                    built, made = packing.pack(source, sink, how)
                    _refuse_other_bytes(name, built, kept.get(name))
                maps |= {name: made} if made else {}
            else:
                built = notes[twin]
                _refuse_other_bytes(name, built, kept.get(name))
                self._link(twin, name)
            notes[name] = built
            self._note(notes)
        return maps

    def _link(self, twin: str, name: str) -> None:
        if self.rehearse is None:
            storage.link(self.targets / twin, self.targets / name)

    def _twin(self, name: str, source: Path, notes: Mapping[str, Built]) -> str | None:
        """The staged file that already holds what ``source`` would become, itself preferred."""
        for twin in sorted(notes, key=lambda other: other != name):
            # The end of a name tells how the file is packed.
            alike = Path(twin).suffix == Path(name).suffix and self._is_whole(twin, notes[twin])
            if alike and imagefile.became(source, notes[twin]):
                return twin
        return None

    def _is_whole(self, name: str, note: Built) -> bool:
        path = self.targets / name
        return path.is_file() and path.stat().st_size == note.length

    def drop_unused(self, manifest: Manifest) -> None:
        """Forget the staged files that ``manifest`` no longer names."""
        used = set(names_in(manifest))
        notes = self.staged()
        left = {name: note for name, note in notes.items() if name in used}
        self._note(left)
        if self.rehearse is None:
            self.shortcuts.drop_unused(left)
        for name in notes.keys() - used:
            self._tell(f"Would remove {self.targets / name}")
            if self.rehearse is None:
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
        self._write("last-version", f"{version}\n".encode())

    def _note(self, notes: Mapping[str, Built]) -> None:
        tree = {"targets": {name: asdict(note) for name, note in sorted(notes.items())}}
        self._write("staged.json", json.dumps(tree, indent=2).encode() + b"\n")

    def _write(self, name: str, data: bytes) -> None:
        if self.rehearse is None:
            storage.make_folder(self.folder)
            storage.write(self.folder / name, data)

    def _tell(self, line: str) -> None:
        if self.rehearse is not None:
            self.rehearse(line)

    def _sink(self, name: str) -> AbstractContextManager[BinaryIO]:
        """Where a staged file goes; a rehearsal reads and packs it too, to find what is wrong."""
        if self.rehearse is not None:
            return Path(os.devnull).open("wb")
        storage.make_folder(self.targets)
        return storage.replacing(self.targets / name)


def checked_name(source: Path, wanted: Format = Format.LZ4) -> str:
    """The target name of a file, if every client can ask for it.

    Raises:
        UsageError: it holds characters that clients write differently, or it is packed already in
            another way than is wanted.
    """
    name = packing.target_name(source, wanted)
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


def _changes(before: Manifest, after: Manifest) -> Iterator[str]:
    """What an edit changes, line by line."""
    old, new = (manifest_format.dump(each).decode().splitlines() for each in (before, after))
    yield from difflib.unified_diff(old, new, "draft", "draft as it would be", n=2, lineterm="")


def _refuse_other_bytes(name: str, new: Built, old: Built | None) -> None:
    if old is not None and new.sha256 != old.sha256:
        raise DraftError(
            f"An update already uses {name} with other bytes.",
            hint="Give the new image a name of its own, or remove that update first.",
        )
