"""One release into the draft: looked at from its first to its last byte, then staged.

The one way in for ``release add`` and ``add-update``. Nothing is staged before everything was
looked at, and what was staged is compared with what was looked at.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from repo_tools import imagefile, migrationfiles
from repo_tools.draft import image_names
from repo_tools.edits import ReleaseFile
from repo_tools.errors import DraftError, ImageError
from repo_tools.findings import Check, Finding, Level, worst_first
from repo_tools.release import names
from repo_tools.release.images import Image, Seen, look_at
from repo_tools.release.judge import Case, Expected, judge
from repo_tools.release.names import Part, ReleaseName
from repo_tools.release.room import Room
from repo_tools.repository import NewUpdate, Repository, quiet
from repo_tools.shortcutmaking import Report
from updog import migrations
from updog.errors import MigrationError, UsageError
from updog.manifest import Manifest, Update

UNCHECKED_HINT = (
    "Nothing was added. Build the images again; if you know better than the checks, add them with"
    " --unchecked."
)


@dataclass(frozen=True, slots=True)
class Claims:
    """What is said about a release beside its files.

    Attributes:
        root_hash: as the build told it; empty if nobody did.
        room: of the devices' partitions; None if that is not known.
    """

    root_hash: str = ""
    room: Room | None = None


@dataclass(frozen=True, slots=True)
class Looked:
    """A release that was looked at.

    Attributes:
        new: the release.
        seen: of its images.
        findings: the worst first.
    """

    new: NewUpdate
    seen: Seen
    findings: tuple[Finding, ...]

    @property
    def errors(self) -> tuple[Finding, ...]:
        """Those for which no device could run it."""
        return tuple(each for each in self.findings if each.level is Level.ERROR)


def files(new: NewUpdate) -> dict[Part, Path]:
    """The image files of a release."""
    return {Part.BOOT: new.boot, Part.ROOT: new.root, Part.HASH: new.hash}


def look(new: NewUpdate, claims: Claims | None = None) -> Looked:
    """Read all images of a release, and judge them; nothing is written."""
    claims = claims or Claims()
    paths = files(new)
    images = {part: Image(path.name, partial(imagefile.raw, path)) for part, path in paths.items()}
    seen = look_at(images)
    edition = new.edition
    expected = Expected(
        edition.variant, edition.arch, str(new.version), claims.root_hash, claims.room
    )
    case = Case(expected, {part: path.name for part, path in paths.items()}, seen.sights, seen.tree)
    return Looked(new, seen, worst_first([*seen.findings, *judge(case)]))


def add(
    repository: Repository, looked: Looked, *, unchecked: bool = False, report: Report = quiet
) -> Update:
    """Stage the images of a release and add it to the draft.

    Args:
        repository: whose draft.
        looked: the release.
        unchecked: add it whatever was found.
        report: told which block maps and deltas could not be made.

    Raises:
        ImageError: an error was found, or an image cannot be published at all; nothing was added.
        DraftError: an image changed between the look and now, or a name is in use for other bytes.
        UsageError: the version is in the draft, or two images have one name.
    """
    if looked.errors and not unchecked:
        listed = "".join(f"\n  - {finding}" for finding in looked.errors)
        new = looked.new
        raise ImageError(
            f"{new.edition} {new.version} cannot be a release:{listed}", hint=UNCHECKED_HINT
        )
    update = repository.add_update(looked.new, report=report)
    if repository.rehearse is None:
        _check_unchanged(repository, looked, update)
    return update


def _check_unchanged(repository: Repository, looked: Looked, update: Update) -> None:
    """Take the release out again if what was staged is not what was looked at."""
    staged = repository.draft(looked.new.edition).staged()
    for part, name in zip(Part, image_names(update), strict=True):
        sight = looked.seen.sights.get(part)
        if sight is not None and staged[name].raw_sha256 != sight.sha256:
            repository.remove_update(looked.new.edition, update.version)
            raise DraftError(
                f"{files(looked.new)[part]} was changed while it was added.",
                hint="Nothing was added. Wait until the build has finished, and add it again.",
            )


def find(folder: Path, asked: Asked) -> tuple[ReleaseName, dict[Part, Path]]:
    """The one release of a folder of upstream's artefacts that fits what is asked for.

    Raises:
        UsageError: there is none, there are several, or an image of it is missing.
    """
    if not folder.is_dir():
        raise UsageError(f"{folder} is not a folder.")
    listed = names.releases(path.name for path in folder.iterdir() if path.is_file())
    fitting = {name: images for name, images in listed.items() if asked.fits(name)}
    if len(fitting) != 1:
        there = "; ".join(map(str, fitting or listed)) or "none whose names are upstream's"
        what = "several releases" if fitting else "no release"
        raise UsageError(
            f"{folder} holds {what} {asked}: {there}.",
            hint="Name it by --variant, --arch, --version and --build, or give the three files.",
        )
    ((name, images),) = fitting.items()
    missing = [str(part) for part in Part if part not in images]
    if missing:
        raise UsageError(f"{folder} has no {' and no '.join(missing)} image of {name}.")
    return name, {part: folder / file_name for part, file_name in images.items()}


@dataclass(frozen=True, slots=True)
class Asked:
    """Which release of a folder is meant; empty parts leave it open."""

    variant: str | None = None
    arch: str | None = None
    version: str | None = None
    build: str | None = None

    def fits(self, name: ReleaseName) -> bool:
        """Whether a release is one of those that are meant."""
        there = (name.variant, name.arch, str(name.version), name.build)
        return all(
            wanted in (None, found)
            for wanted, found in zip(
                (self.variant, self.arch, self.version, self.build), there, strict=True
            )
        )

    def __str__(self) -> str:
        given = [each for each in (self.variant, self.arch, self.version, self.build) if each]
        return f"of {' '.join(given)}" if given else "to choose from"


@dataclass(frozen=True, slots=True)
class MigrationSet:
    """What a Release.toml brings: checked before anything is staged."""

    path: Path
    release: ReleaseFile
    sources: tuple[Path, ...]

    @classmethod
    def read(cls, path: Path, folder: Path | None) -> MigrationSet:
        """Read a Release.toml and find the files that it lists.

        Raises:
            DataError: it cannot be read, or is not a Release.toml.
            ImageError: a migration is not there.
        """
        release = migrationfiles.read(path)
        sources = migrationfiles.sources(release.migrations, folder or path.parent)
        return cls(path, release, sources)

    def findings(self, new: NewUpdate, before: Manifest) -> Iterator[Finding]:
        """What does not fit the release that is about to be added."""
        at = Check("migrations", self.path.name)
        if self.release.version != new.version:
            yield at.warning(f"it is about {self.release.version}, not about {new.version}")
        for update in before.updates:
            try:
                migrations.path(self.release.migrations, update.version, new.version)
            except MigrationError as error:
                yield at.error(f"from {update.version} to {new.version}: {error}")
