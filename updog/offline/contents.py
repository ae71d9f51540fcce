"""What a bundle of one version has to hold: which targets of the repository, and which of them."""

from __future__ import annotations

from collections.abc import Iterator

from updog import select
from updog.blockmap import SUFFIX
from updog.deltaformat import target_name
from updog.errors import DataError, MigrationError
from updog.manifest import Manifest, Update
from updog.migrations import path
from updog.select import Policy
from updog.session import Session
from updog.tuffiles import Target
from updog.update import MANIFEST, Visitor
from updog.version import Version


def choose(manifest: Manifest, env: Visitor, wanted: Version | None) -> Update:
    """Return the update to carry: the one asked for, else the highest that this kind may have.

    Neither waves nor what runs here matter: the machine that installs the bundle has its own turn
    and its own version. The lock and the blocked versions of this configuration do.

    Args:
        manifest: what the repository offers.
        env: for whom.
        wanted: exactly this version.

    Raises:
        DataError: there is none.
    """
    settings, host = env.settings, env.host
    wanted = wanted or settings.version_lock
    rules = Policy(ignore_waves=True, blocked=settings.blocked_versions)
    allowed = select.applicable(manifest, host, rules, env.now)
    for update in allowed:
        if wanted in {None, update.version}:
            return update
    raise DataError(
        f"The repository has no {wanted or 'update'} to carry for {host.variant} on {host.arch}.",
        hint="'updog why' lists what there is and what speaks against it.",
    )


def targets(session: Session, manifest: Manifest, chosen: Update) -> tuple[Target, ...]:
    """Return every target that installing `chosen` can take, by name, from whatever version.

    Raises:
        TrustError: the repository lists none of that name, or a delegated role breaks a rule.
        UnreachableError: a delegated role could not be fetched.
    """
    images = chosen.images.boot, chosen.images.root, chosen.images.hash
    needed = {MANIFEST, *images, *migrations(manifest, chosen.version)}
    found = {name: session.target(name) for name in needed}
    # What makes an image cheaper is carried where it is there; nothing needs it.
    cheaper = (name for image in images for name in _shortcuts(found[image]))
    found |= {target.name: target for target in map(session.find, cheaper) if target is not None}
    return tuple(found[name] for name in sorted(found))


def _shortcuts(image: Target) -> Iterator[str]:
    """The names of an image's block map and deltas (docs/blockmap.md)."""
    yield image.name + SUFFIX
    ours = image.custom.get("updog")
    bases = ours.get("delta_from") if isinstance(ours, dict) else None
    for base in bases if isinstance(bases, list) else ():
        if isinstance(base, str):
            yield target_name(image.name, base)


def migrations(manifest: Manifest, goal: Version) -> frozenset[str]:
    """Return the migrations between any known version and `goal`, in either direction."""
    return frozenset(name for names in _chains(manifest, goal) for name in names)


def _chains(manifest: Manifest, goal: Version) -> Iterator[tuple[str, ...]]:
    known = {update.version for update in manifest.updates}
    known |= {version for edge in manifest.migrations for version in edge}
    for start in known:
        try:
            yield path(manifest.migrations, start, goal)
        except MigrationError:
            # No way from there, online either; the machine that stands there will be told.
            continue
