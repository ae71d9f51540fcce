"""A release that shall be added to a draft: what it is, and what its entry will say."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from repo_tools.draft import Edition, checked_name
from updog.errors import UsageError
from updog.manifest import Images, Update
from updog.pipeline.formats import Format
from updog.version import Version
from waves.schedule import Schedule


@dataclass(frozen=True, slots=True)
class NewUpdate:
    """A release to be added.

    Attributes:
        boot: image file, raw or ``.lz4``; so are ``root`` and ``hash``.
        max_version: highest version that hosts may run; None: see `edits.add`.
        format: how raw images are packed; only our own clients can read zstd.
        blockmap: whether the images get block maps, where that is possible.
        delta_from: releases of the draft from which deltas are made.
    """

    edition: Edition
    version: Version
    boot: Path
    root: Path
    hash: Path
    max_version: Version | None = None
    format: Format = Format.LZ4
    blockmap: bool = True
    delta_from: tuple[Version, ...] = ()

    def as_update(self) -> Update:
        """Its entry in a manifest, open to all until it gets waves.

        Raises:
            UsageError: two images with one name, or a name that not every client can ask for.
        """
        images = (self.boot, self.root, self.hash)
        names = [checked_name(source, self.format) for source in images]
        if len(set(names)) < len(names):
            raise UsageError(
                f"The three images need three names; they are {', '.join(names)}.",
                hint="Rename the image files.",
            )
        most = self.max_version or self.version
        edition = self.edition
        return Update(edition.variant, edition.arch, self.version, most, Schedule(), Images(*names))
