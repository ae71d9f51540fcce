"""What a publish would put out, worked out and checked before anything is written.

A fault that every client would stumble over is found here, and all faults are told at once:

1. every image and every listed migration was added, and its bytes are still there (formats 13);
2. the dates of the waves strictly increase along the seeds, in every update (formats 2.4);
3. no version appears twice for one variant and architecture;
4. from each version to the next there is a chain of migrations, in the client's own search
   (formats 2.6, 12), because a client refuses an update to which it finds no chain.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from itertools import pairwise
from pathlib import Path

from tuf.api.metadata import TargetFile

from repo_tools import edits
from repo_tools.draft import MANIFEST, Draft, image_names, is_plain, names_in
from repo_tools.errors import DraftError
from repo_tools.imagebuild import Built
from repo_tools.shortcuts import Shortcut
from updog import manifest as manifest_format
from updog import migrations
from updog.errors import MigrationError
from updog.manifest import Manifest, Update
from updog.version import Version


@dataclass(frozen=True, slots=True)
class Item:
    """One target file of a publish.

    Attributes:
        target: name, length, hash and custom data as they will be signed.
        content: the staged file, or the bytes themselves.
    """

    target: TargetFile
    content: Path | bytes

    @property
    def file_name(self) -> str:
        """Its name in the folder of targets: ``<sha256>.<name>`` (formats 6.1)."""
        return published_name(self.target)


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that one edition publishes.

    Attributes:
        items: the target files, ``manifest.json`` last.
        notes: what is allowed but probably not meant, for the operator.
    """

    items: tuple[Item, ...]
    notes: tuple[str, ...]


def published_name(target: TargetFile) -> str:
    """The file name of a target under consistent snapshots (formats 6.1)."""
    return f"{target.hashes['sha256']}.{target.path}"


def make(draft: Draft, published: Mapping[str, int]) -> Plan:
    """Plan the publish of a draft.

    Args:
        draft: what to publish.
        published: lengths in bytes of the target files that earlier publishes left, by name.

    Raises:
        DraftError: the draft has faults; the message lists them all.
        ManifestError: its manifest cannot be read.
    """
    manifest = draft.manifest()
    staged = draft.staged()
    used = {name: staged[name] for name in sorted(set(names_in(manifest))) if name in staged}
    shortcuts = draft.shortcuts.fitting(used)
    items = (
        *(_item(name, built, draft, shortcuts) for name, built in used.items()),
        *(_shortcut_item(name, made, draft) for name, made in sorted(shortcuts.items())),
    )
    faults = [
        *_missing(manifest, staged),
        *(fault for item in items for fault in _faults_of_file(item, published)),
        *edits.check_waves(manifest),
        *_broken_chains(manifest),
    ]
    if faults:
        listed = "".join(f"\n  - {fault}" for fault in faults)
        raise DraftError(
            f"The draft of {draft.edition} cannot be published:{listed}",
            hint="Nothing was published.",
        )
    return Plan((*items, _manifest_item(manifest)), tuple(_doubts(manifest)))


def _item(name: str, built: Built, draft: Draft, shortcuts: Mapping[str, Shortcut]) -> Item:
    # Other clients ignore `custom`; ours checks what it wrote to the partition against it.
    ours: dict[str, object] = {
        "raw_length": built.raw_length,
        "raw_sha256": built.raw_sha256,
        "raw_blake3": built.raw_blake3,
        "format": built.format,
    }
    bases = [made.base for made in shortcuts.values() if made.image == name and made.base]
    if bases:
        ours["delta_from"] = sorted(bases)
    extra = {"custom": {"updog": ours}}
    target = TargetFile(built.length, {"sha256": built.sha256}, name, extra)
    return Item(target, draft.targets / name)


def _shortcut_item(name: str, made: Shortcut, draft: Draft) -> Item:
    custom = made.custom()
    extra = {"custom": custom} if custom else {}
    target = TargetFile(made.length, {"sha256": made.sha256}, name, extra)
    return Item(target, draft.shortcuts.folder / name)


def _manifest_item(manifest: Manifest) -> Item:
    data = manifest_format.dump(manifest)
    target = TargetFile(len(data), {"sha256": sha256(data).hexdigest()}, MANIFEST)
    return Item(target, data)


def _missing(manifest: Manifest, staged: Mapping[str, Built]) -> Iterator[str]:
    for update in manifest.updates:
        for part, name in zip(("boot", "root", "hash"), image_names(update), strict=True):
            if name not in staged:
                yield f"{_title(update)}: its {part} image {name} was never added"
    for edge, names in manifest.migrations.items():
        for name in names:
            if name not in staged:
                yield f"migrations {manifest_format.edge_key(edge)}: {name} was never added"


def _faults_of_file(item: Item, published: Mapping[str, int]) -> Iterator[str]:
    """Staged or already published: one of the two must be there, in full length."""
    name, length = item.target.path, item.target.length
    if not is_plain(name) or name == MANIFEST:
        yield f"{name}: not every client can ask for a target of this name"
    found = [published[item.file_name]] if item.file_name in published else []
    if isinstance(item.content, Path) and item.content.is_file():
        found.append(item.content.stat().st_size)
    if not found:
        yield f"{name}: the file is gone from the draft"
    elif length not in found:
        yield f"{name}: the file was changed after it had been added"


def _broken_chains(manifest: Manifest) -> Iterator[str]:
    for (variant, arch), versions in _versions(manifest).items():
        for earlier, later in pairwise(versions):
            where = f"{variant} {arch}"
            if earlier == later:
                yield f"{where}: there are two updates to {later}"
                continue
            try:
                migrations.path(manifest.migrations, earlier, later)
            except MigrationError as error:
                yield f"{where}: {error}"


def _versions(manifest: Manifest) -> dict[tuple[str, str], list[Version]]:
    found: dict[tuple[str, str], list[Version]] = defaultdict(list)
    for update in manifest.updates:
        found[update.variant, update.arch].append(update.version)
    return {key: sorted(versions) for key, versions in found.items()}


def _doubts(manifest: Manifest) -> Iterator[str]:
    ends = {version for edge in manifest.migrations for version in edge}
    for update in manifest.updates:
        if update.version not in ends:
            yield (
                f"{_title(update)}: no migration leads to this version, so no running system can"
                " move to it (an empty list in Release.toml is enough)"
            )
        if update.version > update.max_version:
            yield f"{_title(update)}: withdrawn, since its max_version is {update.max_version}"


def _title(update: Update) -> str:
    return f"{update.variant} {update.arch} {update.version}"
