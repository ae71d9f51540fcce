"""Making the block maps and deltas of a drafted release (docs/blockmap.md)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, TypeAlias

from repo_tools import storage
from repo_tools.deltas import write_delta
from repo_tools.draft import PLAIN_HINT, Draft, checked_name, image_names, is_plain
from repo_tools.errors import DraftError, ImageError
from repo_tools.imagebuild import Built
from repo_tools.packing import Packing
from repo_tools.shortcuts import Base, Shortcut, map_name
from repo_tools.unpacking import Raw, unpacked
from updog.blockmap import BlockMap
from updog.deltaformat import target_name
from updog.errors import UsageError
from updog.manifest import Manifest, Update
from updog.pipeline.formats import Format
from updog.version import Version

Report: TypeAlias = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Made:
    """A delta that will be published.

    Attributes:
        name: of its target.
        length: its bytes.
        instead_of: bytes of the whole published image.
    """

    name: str
    length: int
    instead_of: int


@dataclass(frozen=True, slots=True)
class Packaging:
    """How the images of a new release are to be published.

    Attributes:
        version: of the release.
        format: of raw images.
        blockmap: whether they get maps.
    """

    version: Version
    format: Format
    blockmap: bool


@dataclass(frozen=True, slots=True)
class Workshop:
    """Where shortcuts of one draft are made.

    Attributes:
        draft: whose.
        published: folder with target files of earlier publishes, for what left the draft's own.
        report: told what could not be made, and why.
    """

    draft: Draft
    published: Path
    report: Report

    def stage(self, images: Sequence[Path], manifest: Manifest, how: Packaging) -> None:
        """Bring the images of a new release into their published form, with their maps.

        Raises:
            ImageError: an image cannot be published.
            DraftError: one of their names is in use for other bytes.
        """
        names = [checked_name(source, how.format) for source in images]
        frozen = [name for update in manifest.updates for name in image_names(update)]
        with self.raw(self._files_before(manifest, how)) as raw:
            bases = {image: [old.path] for image, old in zip(images, raw, strict=False)}
            maps = self.draft.stage(images, frozen, Packing(how.format, bases))
        if self.draft.rehearse is not None:
            return
        if how.blockmap:
            self.map_images(names, maps)
        else:
            self.draft.shortcuts.forget(map(map_name, names))

    def _files_before(self, manifest: Manifest, how: Packaging) -> Sequence[Path]:
        """The release that most clients will have, where it matters for packing."""
        if how.format is not Format.ZSTD or self.draft.rehearse is not None:
            return ()
        earlier = [update for update in manifest.updates if update.version < how.version]
        newest = max(earlier, key=lambda update: update.version, default=None)
        return () if newest is None else self.files_of(newest)

    def map_images(self, names: Iterable[str], ready: Mapping[str, BlockMap]) -> None:
        """Give every image its map, where one is possible.

        Args:
            names: of the images.
            ready: maps that there are already.
        """
        notes = self.draft.staged()
        for name in names:
            try:
                self._map(name, notes[name], ready.get(name))
            except ImageError as error:
                self.draft.shortcuts.forget([map_name(name)])
                self.report(f"{name} gets no block map, so clients fetch it whole: {error}")

    def _map(self, name: str, built: Built, ready: BlockMap | None) -> None:
        if not is_plain(map_name(name)):
            raise ImageError(f"{map_name(name)!r} is too long for a target.")
        self.draft.shortcuts.add_map((name, built), self.draft.targets / name, ready)

    def files_of(self, update: Update) -> tuple[Path, Path, Path]:
        """The published files of a drafted release.

        Raises:
            DraftError: one of them is gone.
        """
        notes = self.draft.staged()
        boot, root, hash_image = (self._file(name, notes) for name in image_names(update))
        return boot, root, hash_image

    @contextmanager
    def raw(self, files: Sequence[Path]) -> Iterator[list[Raw]]:
        """Decode the files of a release for the length of the block."""
        if not files:
            yield []
            return
        folder = self.draft.shortcuts.folder
        storage.make_folder(folder)
        storage.sweep(folder)
        with ExitStack() as stack:
            yield [stack.enter_context(unpacked(path, folder)) for path in files]

    def make_deltas(self, update: Update, base: Sequence[Path]) -> tuple[Made, ...]:
        """Make the deltas that lead from an earlier release to a drafted one.

        Args:
            update: to which release.
            base: boot, root and hash image of the earlier one, raw or published files.

        Returns:
            Those that are smaller than their image; the others were dropped.

        Raises:
            ImageError: an image cannot be used, or the earlier release has no dm-verity root hash.
            DraftError: a file is gone, or there is such a delta from other images.
            UsageError: the name of a delta would be too long.
        """
        notes = self.draft.staged()
        files = self.files_of(update)
        with self.raw(base) as old:
            root_hash = _root_hash(old[2], base[2])
            made = [
                self._make_delta((name, notes[name]), file, one, root_hash)
                for name, file, one in zip(image_names(update), files, old, strict=True)
            ]
        return tuple(one for one in made if one is not None)

    def _make_delta(
        self, image: tuple[str, Built], file: Path, old: Raw, root_hash: str
    ) -> Made | None:
        shortcuts = self.draft.shortcuts
        name = target_name(image[0], root_hash)
        if not is_plain(name):
            raise UsageError(f"{name!r} cannot be the name of a target.", hint=PLAIN_HINT)
        _refuse_other_base(name, shortcuts.fitting(dict([image])).get(name), old)
        with unpacked(file, shortcuts.folder, image[1]) as new:

            def write(sink: BinaryIO) -> None:
                write_delta(new.path, old.path, sink)

            made = shortcuts.add(name, image, write, Base(root_hash, old.length, old.sha256))
        if made.length < image[1].length:
            return Made(name, made.length, image[1].length)
        shortcuts.forget([name])
        self.report(f"{name} is left out: it would be larger than the image itself.")
        return None

    def _file(self, name: str, notes: Mapping[str, Built]) -> Path:
        note = notes.get(name)
        places = [self.draft.targets / name]
        if note is not None:
            places.append(self.published / f"{note.sha256}.{name}")
        for place in places:
            if place.is_file():
                return place
        raise DraftError(f"The image {name} is neither in the draft nor in {self.published}.")


def drafted(manifest: Manifest, version: Version) -> Update:
    """The release of that version.

    Raises:
        UsageError: the draft has none.
    """
    for update in manifest.updates:
        if update.version == version:
            return update
    known = ", ".join(str(update.version) for update in manifest.updates) or "nothing"
    raise UsageError(
        f"The draft has no version {version}.", hint=f"It has {known}; 'updog-repo show' lists it."
    )


def _root_hash(hash_image: Raw, given: Path) -> str:
    if not hash_image.root_hash:
        raise ImageError(
            f"{given} is not a dm-verity hash image with a superblock, so nothing can be named"
            " after its root hash.",
            hint="Deltas start only from releases whose hash image 'veritysetup format' made.",
        )
    return hash_image.root_hash


def _refuse_other_base(name: str, there: Shortcut | None, old: Raw) -> None:
    if there is not None and there.base_sha256 != old.sha256:
        raise DraftError(
            f"{name} starts from another image with the same root hash already.",
            hint="One root hash names one release; give the base that the machines really have.",
        )
