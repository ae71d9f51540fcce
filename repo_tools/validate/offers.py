"""What the manifest offers: well formed, complete, in order, a way from every release. PURE."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from itertools import combinations

from repo_tools import edits
from repo_tools.findings import Check, Finding
from updog import manifest as manifest_format
from updog import migrations
from updog.blockmap import SUFFIX as MAP_SUFFIX
from updog.errors import ManifestError, MigrationError, TrustError
from updog.manifest import Manifest, Update
from updog.tufnames import check_flat_name
from updog.version import Version
from waves.schedule import MAX_SEED

MANIFEST = "manifest.json"
DELTA_SUFFIX = ".delta"


def read_manifest(data: bytes) -> tuple[Manifest | None, tuple[Finding, ...]]:
    """The manifest, or why it is none."""
    try:
        return manifest_format.parse(data), ()
    except ManifestError as error:
        return None, (Check("manifest", MANIFEST).error(str(error)),)


def check_offers(manifest: Manifest, targets: AbstractSet[str], place: str) -> Iterator[Finding]:
    """Everything that is wrong with what the manifest offers.

    Args:
        manifest: it.
        targets: the names that the repository lists.
        place: ``VARIANT/ARCH`` of its metadata.
    """
    if not manifest.updates:
        yield Check("manifest", MANIFEST).note("it offers no update at all, to any host")
    yield from _images(manifest, targets)
    yield from _migration_files(manifest, targets)
    for fault in edits.check_waves(manifest):
        yield Check("waves", MANIFEST).error(fault)
    for update in manifest.updates:
        yield from _update(update, place)
    yield from _repeated(manifest)
    yield from _maxima(manifest)
    yield from chain_findings(manifest)
    yield from _leftovers(manifest, targets)


def chain_findings(manifest: Manifest) -> Iterator[Finding]:
    """Pairs of releases between which there is no chain of migrations; it is the same both ways."""
    faults: dict[str, list[str]] = defaultdict(list)
    for (variant, arch), versions in versions_of(manifest).items():
        for low, high in combinations(sorted(set(versions)), 2):
            try:
                migrations.path(manifest.migrations, low, high)
            except MigrationError as error:
                faults[str(error)].append(f"{variant} {arch} {low} and {high}")
    for fault, pairs in faults.items():
        more = f" and {len(pairs) - 3} more pairs" if len(pairs) > 3 else ""  # noqa: PLR2004
        yield Check("migrations", MANIFEST).error(
            f"no way between {'; '.join(pairs[:3])}{more}, forth or back: {fault}"
        )


def versions_of(manifest: Manifest) -> Mapping[tuple[str, str], list[Version]]:
    """The releases of each variant and architecture, in the order of the manifest."""
    found: defaultdict[tuple[str, str], list[Version]] = defaultdict(list)
    for update in manifest.updates:
        found[update.variant, update.arch].append(update.version)
    return found


def images_of(update: Update) -> dict[str, str]:
    """The target names of its images, by what they are."""
    return {"boot": update.images.boot, "root": update.images.root, "hash": update.images.hash}


def _images(manifest: Manifest, targets: AbstractSet[str]) -> Iterator[Finding]:
    for update in manifest.updates:
        named = images_of(update)
        for part, name in named.items():
            if name not in targets:
                yield _at(update).error(f"its {part} image {name} is not among the targets")
        if len(set(named.values())) < len(named):
            yield _at(update).error("two of its images are the same target")


def _migration_files(manifest: Manifest, targets: AbstractSet[str]) -> Iterator[Finding]:
    for edge, names in manifest.migrations.items():
        at = Check("migrations", f"{MANIFEST}: migrations {manifest_format.edge_key(edge)}")
        for name in names:
            if name not in targets:
                yield at.error(f"{name} is not among the targets")
            elif not _is_flat(name):
                yield at.error(f"{name!r} cannot be cached as a file, so no update can take place")


def _is_flat(name: str) -> bool:
    try:
        check_flat_name(name)
    except TrustError:
        return False
    return True


def _update(update: Update, place: str) -> Iterator[Finding]:
    at = _at(update)
    if f"{update.variant}/{update.arch}" != place and place.count("/") == 1:
        yield at.warning(f"it stands in the metadata of {place}, where none of its hosts look")
    if update.version > update.max_version:
        yield at.note(f"withdrawn: hosts may run {update.max_version} at most")
    elif not update.schedule.waves:
        yield at.note("it has no waves: every host may take it at once")
    if any(wave.first_seed > MAX_SEED for wave in update.schedule.waves):
        yield at.warning(f"it has waves behind seed {MAX_SEED}, where there is no host")


def _repeated(manifest: Manifest) -> Iterator[Finding]:
    counts = Counter((u.variant, u.arch, u.version) for u in manifest.updates)
    for (variant, arch, version), count in counts.items():
        if count > 1:
            yield Check("manifest", f"{MANIFEST}: {variant} {arch} {version}").error(
                f"it is there {count} times"
            )


def _maxima(manifest: Manifest) -> Iterator[Finding]:
    """Different maxima: a halt, which caps its own release alone, or a mistake."""
    maxima: defaultdict[tuple[str, str], set[Version]] = defaultdict(set)
    unhalted: defaultdict[tuple[str, str], set[Version]] = defaultdict(set)
    for update in manifest.updates:
        system = (update.variant, update.arch)
        maxima[system].add(update.max_version)
        if update.version <= update.max_version:
            unhalted[system].add(update.max_version)
    for (variant, arch), found in maxima.items():
        if len(found) > 1:
            at = Check("manifest", f"{MANIFEST}: {variant} {arch}")
            listed = ", ".join(map(str, sorted(found)))
            what = f"its updates name different maximum versions: {listed}"
            if len(unhalted[variant, arch]) > 1:
                yield at.warning(what)
            else:
                yield at.note(f"{what}; those of halted releases are below their versions")


def _leftovers(manifest: Manifest, targets: AbstractSet[str]) -> Iterator[Finding]:
    """Targets that nobody asks for, and maps of images that are not there."""
    used = {name for update in manifest.updates for name in images_of(update).values()}
    used |= {name for names in manifest.migrations.values() for name in names} | {MANIFEST}
    rest = targets - used
    for name in sorted(each for each in rest if each.endswith(MAP_SUFFIX)):
        if name.removesuffix(MAP_SUFFIX) not in targets:
            yield Check("blockmap", name).warning("it is the map of an image that is not there")
    idle = sorted(each for each in rest if not each.endswith((MAP_SUFFIX, DELTA_SUFFIX)))
    if idle:
        yield Check("targets", "targets.json").note(
            f"{len(idle)} targets are in no update and no migration, {idle[0]} for one"
        )


def _at(update: Update) -> Check:
    return Check("manifest", f"{MANIFEST}: {update.variant} {update.arch} {update.version}")
