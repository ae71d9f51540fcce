"""A repository: its keys and roots, and the edits of its drafts (`repo_tools.folders`: where).

Each edit takes the lock, reads, changes a value in memory, and writes once. A repository that only
rehearses tells what it would write instead.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from tuf.api.metadata import Root

from repo_tools import edits, root, storage
from repo_tools.draft import Draft, Edition, image_names
from repo_tools.errors import NotARepository
from repo_tools.folders import Folders
from repo_tools.keyring import KeyRing
from repo_tools.keys import Rehearse
from repo_tools.newupdate import NewUpdate
from repo_tools.root import LIFETIME, RootPlan, SignedRoot
from repo_tools.shortcutmaking import Made, Packaging, Report, Workshop, drafted
from repo_tools.signing import Signers
from updog.errors import UsageError
from updog.manifest import Manifest, Migrations, Update
from updog.version import Version
from waves.schedule import Schedule

__all__ = ["NewUpdate", "Repository", "quiet"]


def quiet(_message: str) -> None:
    """Report nothing."""


@dataclass(frozen=True, slots=True)
class Repository(Folders):
    """A repository that exists; make one with `init`, find one with `open`.

    Attributes:
        rehearse: told what would be done, if nothing shall be written; None: write.
    """

    rehearse: Rehearse | None = None

    @classmethod
    def init(
        cls,
        folder: Path,
        plan: RootPlan,
        *,
        now: datetime,
        keys: Path | None = None,
        rehearse: Rehearse | None = None,
    ) -> Repository:
        """Make keys and the first root in ``folder``, which is created if need be.

        Raises:
            AlreadyThere: there is a repository, or a part of one.
        """
        repository = cls(folder, keys or folder / "keys", rehearse)
        with repository._begun():
            root.create(repository.keys, repository.roots, plan, now=now, rehearse=rehearse)
        return repository

    @classmethod
    def open(
        cls, folder: Path, *, keys: Path | None = None, rehearse: Rehearse | None = None
    ) -> Repository:
        """The repository in ``folder``.

        Args:
            folder: as given to `init`.
            keys: folder of the private keys when they lie elsewhere.
            rehearse: see the attribute.

        Raises:
            NotARepository: there is none.
        """
        if not (folder / "root").is_dir():
            raise NotARepository(
                f"{folder} holds no repository.", hint=f"Make one with: updog-repo init {folder}"
            )
        return cls(folder, keys or folder / "keys", rehearse)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep every other editor and publisher out for the length of the block.

        Raises:
            PublisherBusy: one is at work already.
        """
        if self.rehearse is not None:
            # What is written in one step can be read at any time; a lock would disturb others.
            yield
            return
        with storage.exclusive(self.lock):
            yield

    def editions(self) -> tuple[Edition, ...]:
        """The variants and architectures that have a draft."""
        found = (path.parent for path in self.drafts.glob("*/*/manifest.json"))
        return tuple(sorted(Edition(path.parent.name, path.name) for path in found))

    def select(self, variant: str | None = None, arch: str | None = None) -> tuple[Edition, ...]:
        """The editions of a variant, an architecture, both, or all.

        Raises:
            UsageError: there is none.
        """
        chosen = tuple(
            edition
            for edition in self.editions()
            if variant in (None, edition.variant) and arch in (None, edition.arch)
        )
        if not chosen:
            known = ", ".join(map(str, self.editions())) or "none yet"
            raise UsageError(
                f"{self.folder} has no draft for {variant or 'any variant'} {arch or ''}".rstrip()
                + ".",
                hint=f"There is: {known}. Add one with: updog-repo add-update",
            )
        return chosen

    def draft(self, edition: Edition) -> Draft:
        """The draft of an edition, which may be empty."""
        return Draft(edition, edition.below(self.drafts), self.rehearse)

    def signers(self, newest: Root) -> Signers:
        """The online keys at hand: those of ``keys.toml``, or of the folder of keys.

        Raises:
            KeyFileError: a role has no key, or a key that the root does not know.
            ConfigError: ``keys.toml`` says something that it cannot.
        """
        return self.ring().all_of(newest)

    def signers_before(self, earlier: Root) -> Signers | None:
        """The online keys of an earlier root; None if fewer than it asks for are at hand."""
        return self.ring().all_before(earlier)

    def ring(self) -> KeyRing:
        """Where the keys of the roles are."""
        return KeyRing.of_repository(self.folder, self.keys)

    def renew_root(self, *, now: datetime, lifetime: timedelta = LIFETIME) -> SignedRoot:
        """Sign the next root with the keys at hand: nothing changes but its expiry."""
        with self.locked():
            return root.renew_with(
                self.ring(), self.roots, now=now, lifetime=lifetime, rehearse=self.rehearse
            )

    @classmethod
    def accept_root(
        cls, folder: Path, data: bytes, *, now: datetime, rehearse: Rehearse | None = None
    ) -> SignedRoot:
        """Take a fully signed root into the repository in ``folder``, which the first one begins.

        Raises:
            RootError: not the next version, or not signed by enough keys; nothing was written.
        """
        repository = cls(folder, folder / "keys", rehearse)
        if not repository.roots.is_dir():
            root.check_next(data, (), now=now)
        with repository._begun():
            return root.accept(repository.roots, data, now=now, rehearse=rehearse)

    @contextmanager
    def _begun(self) -> Iterator[None]:
        """Hold the lock of a repository that may not be there yet; it has all folders then."""
        if self.rehearse is not None:
            yield
            return
        storage.make_folder(self.folder)
        with self.locked():
            yield
            storage.make_folder(self.drafts)
            storage.make_folder(self.published)

    def add_update(self, new: NewUpdate, *, report: Report = quiet) -> Update:
        """Stage the three images of a release and add it to the draft.

        Args:
            new: the release.
            report: told which block maps and deltas could not be made, and why.

        Raises:
            ImageError: an image cannot be published.
            DraftError: one of their names is in use for other bytes.
            UsageError: two images with one name, no release to make a delta from, or a release
                that was halted or withdrawn would come back.
        """
        update = new.as_update()
        with self.locked():
            draft = self.draft(new.edition)
            manifest = draft.manifest()
            # Edited first: a refusal should not cost the time of compressing the images.
            after = edits.add(manifest, update, max_version=new.max_version)
            edits.check_recalls(manifest, after)
            bases = [drafted(manifest, version) for version in new.delta_from]
            workshop = Workshop(draft, self.published_targets, report)
            how = Packaging(new.version, new.format, blockmap=new.blockmap)
            workshop.stage((new.boot, new.root, new.hash), manifest, how)
            for base in bases if self.rehearse is None else ():
                workshop.make_deltas(update, workshop.files_of(base))
            draft.save(after)
        return next(made for made in after.updates if made.version == new.version)

    def make_delta(
        self,
        edition: Edition,
        version: Version,
        base: Version | tuple[Path, Path, Path],
        *,
        report: Report = quiet,
    ) -> tuple[Made, ...]:
        """Make the deltas that lead to a drafted release from an earlier one.

        Args:
            edition: whose draft.
            version: of the release to which they lead.
            base: another release of the draft; or boot, root and hash image of any release.
            report: told which of the three would not be worth it.

        Raises:
            UsageError: the draft has no such release, or both are the same.
            ImageError: an image cannot be used, or the base has no dm-verity root hash.
            DraftError: a file is gone from the draft, or there is such a delta from other images.
        """
        with self.locked():
            draft = self.draft(edition)
            manifest = draft.manifest()
            update = drafted(manifest, version)
            workshop = Workshop(draft, self.published_targets, report)
            if isinstance(base, Version):
                if base == version:
                    raise UsageError(f"A delta from {base} to itself would be of no use.")
                base = workshop.files_of(drafted(manifest, base))
            if self.rehearse is not None:
                # How large they get, and so whether they are kept, only making them tells.
                for name, image in zip(image_names(update), workshop.files_of(update), strict=True):
                    self.rehearse(f"Would make a delta to {name} ({image.stat().st_size} bytes)")
                return ()
            return workshop.make_deltas(update, base)

    def remove_update(self, edition: Edition, version: Version) -> None:
        """Take a release out of the draft, and its images with it unless another one uses them."""
        with self.locked():
            draft = self.draft(edition)
            after = edits.remove(draft.manifest(), edition.variant, edition.arch, version)
            draft.save(after)
            draft.drop_unused(after)

    def set_waves(self, edition: Edition, version: Version, schedule: Schedule) -> None:
        """Give a release its rollout; it replaces the one it had."""
        self._edit(
            [edition],
            lambda manifest: edits.set_waves(
                manifest, edition.variant, edition.arch, version, schedule
            ),
        )

    def set_max_version(self, editions: Iterable[Edition], version: Version) -> None:
        """Set the highest version that hosts of these editions may run; it may go down."""
        self._edit(editions, lambda manifest: edits.set_max_version(manifest, version))

    def set_migrations(
        self, editions: Iterable[Edition], migrations: Migrations, sources: Sequence[Path]
    ) -> None:
        """Replace the migrations of these editions wholesale (formats 12).

        Args:
            editions: whose.
            migrations: target names by pair of versions.
            sources: the files of the migrations, raw or ``.lz4``.

        Raises:
            ImageError: a file cannot be published.
        """
        with self.locked():
            for edition in editions:
                draft = self.draft(edition)
                after = edits.set_migrations(draft.manifest(), migrations)
                draft.stage(sources)
                draft.save(after)
                draft.drop_unused(after)

    def _edit(self, editions: Iterable[Edition], change: Callable[[Manifest], Manifest]) -> None:
        with self.locked():
            for edition in editions:
                draft = self.draft(edition)
                draft.save(change(draft.manifest()))
