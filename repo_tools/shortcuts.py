"""Block maps and deltas of a draft: files that spare clients bytes, and that nobody has to have.

    draft/VARIANT/ARCH/shortcuts/NAME     the maps and deltas
    draft/VARIANT/ARCH/shortcuts.json     what was noted about each of them

The manifest does not name them (docs/blockmap.md). Each belongs to exactly one published file, by
its hash: when the image is replaced or leaves the draft, its shortcuts are not published any more.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO, NamedTuple

from repo_tools import blockmaps, storage
from repo_tools.errors import DraftError, ImageError
from repo_tools.imagebuild import Built
from updog.blockmap import SUFFIX, BlockMap
from updog.pipeline.formats import Format
from updog.stream import Tally


@dataclass(frozen=True, slots=True)
class Shortcut:
    """A map or a delta that was made.

    Attributes:
        image: target name of the image to which it leads.
        image_sha256: of the published file of that image, hexadecimal.
        length: its own bytes.
        sha256: its own, hexadecimal.
        base: dm-verity root hash of the release from which a delta starts; empty for a map.
        base_length: bytes of the raw image from which it starts.
        base_sha256: of that raw image, hexadecimal.
    """

    image: str
    image_sha256: str
    length: int
    sha256: str
    base: str = ""
    base_length: int = 0
    base_sha256: str = ""

    def custom(self) -> dict[str, object]:
        """What is signed beside its length and hash."""
        if not self.base:
            return {}
        return {"updog": {"base_length": self.base_length, "base_sha256": self.base_sha256}}


class Base(NamedTuple):
    """From which image a delta starts; see `Shortcut`."""

    root_hash: str
    length: int
    sha256: str


_NO_BASE = Base("", 0, "")


@dataclass(frozen=True, slots=True)
class Shortcuts:
    """Those of one draft, whose folder is `draft`."""

    draft: Path

    @property
    def folder(self) -> Path:
        """Where the files lie."""
        return self.draft / "shortcuts"

    def noted(self) -> dict[str, Shortcut]:
        """All that were made, by target name.

        Raises:
            DraftError: the notes are damaged.
        """
        path = self.draft / "shortcuts.json"
        try:
            notes = json.loads(path.read_bytes())
            return {name: Shortcut(**note) for name, note in notes["targets"].items()}
        except FileNotFoundError:
            return {}
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise DraftError(f"{path} is damaged: {error}.") from error

    def fitting(self, images: Mapping[str, Built]) -> dict[str, Shortcut]:
        """Those that belong to one of these published files, by target name."""
        return {
            name: one
            for name, one in self.noted().items()
            if one.image in images and images[one.image].sha256 == one.image_sha256
        }

    def add(
        self,
        name: str,
        image: tuple[str, Built],
        write: Callable[[BinaryIO], None],
        base: Base = _NO_BASE,
    ) -> Shortcut:
        """Write a shortcut and note it.

        Args:
            name: of its target.
            image: target name and facts of the image to which it leads.
            write: writes it.
            base: from which a delta starts.
        """
        storage.make_folder(self.folder)
        with storage.replacing(self.folder / name) as sink:
            write(sink)
        tally = _tally(self.folder / name)
        made = Shortcut(image[0], image[1].sha256, tally.length, tally.hex(), *base)
        self._note(self.noted() | {name: made})
        return made

    def forget(self, names: Iterable[str]) -> None:
        """Drop shortcuts by name, where there are any."""
        gone = set(names)
        self._keep({name: one for name, one in self.noted().items() if name not in gone})

    def drop_unused(self, images: Mapping[str, Built]) -> None:
        """Drop all that belong to none of these published files."""
        self._keep(self.fitting(images))

    def add_map(self, image: tuple[str, Built], path: Path, made: BlockMap | None = None) -> None:
        """Make and add the map of a published file.

        Args:
            image: its target name and facts.
            path: the file.
            made: the map, where packing gave one.

        Raises:
            ImageError: no map can be made; the image can be published without one.
        """
        content = self._map_of_twin(image[1]) if made is None else made.dump()
        if content is None and image[1].format != Format.LZ4.value:
            raise ImageError(f"{path} can get a block map only while it is packed.")
        content = content or blockmaps.map_lz4(path).dump()

        def write(sink: BinaryIO) -> None:
            sink.write(content)

        self.add(map_name(image[0]), image, write)

    def _map_of_twin(self, built: Built) -> bytes | None:
        """The map that the same published bytes have already, perhaps under another name."""
        for name, one in self.noted().items():
            if one.image_sha256 == built.sha256 and not one.base:
                content = (self.folder / name).read_bytes()
                if sha256(content).hexdigest() == one.sha256:
                    return content
        return None

    def _keep(self, kept: Mapping[str, Shortcut]) -> None:
        dropped = self.noted().keys() - kept.keys()
        if not dropped:
            return
        self._note(kept)
        for name in dropped:
            (self.folder / name).unlink(missing_ok=True)

    def _note(self, notes: Mapping[str, Shortcut]) -> None:
        tree = {"targets": {name: asdict(note) for name, note in sorted(notes.items())}}
        storage.write(self.draft / "shortcuts.json", json.dumps(tree, indent=2).encode() + b"\n")


def _tally(path: Path) -> Tally:
    tally = Tally()
    with path.open("rb") as file:
        while chunk := file.read(storage.CHUNK):
            tally.add(chunk)
    return tally


def map_name(image: str) -> str:
    """The target name of the map of an image."""
    return image + SUFFIX
