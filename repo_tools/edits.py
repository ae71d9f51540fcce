"""Edits of a manifest: each gives a new one and refuses what would change nothing (formats 2.4).

An edit that matches no update is an error, not a success: its author believes that something has
happened (D2).
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from dataclasses import dataclass, replace

from updog.errors import ManifestError, UsageError
from updog.jsontree import Node
from updog.manifest import Manifest, Migrations, Update, read_migrations
from updog.version import Version
from waves.duration import format_moment, quoted
from waves.schedule import Schedule


@dataclass(frozen=True, slots=True)
class ReleaseFile:
    """What ``Release.toml`` says (formats 12).

    Args:
        version: of the operating system in development.
        migrations: those of every release up to it.
    """

    version: Version
    migrations: Migrations


def add(manifest: Manifest, update: Update, *, max_version: Version | None = None) -> Manifest:
    """Append an update, open to all until it gets waves, and stamp the maximum version.

    Args:
        manifest: the manifest before.
        update: the new one; its own ``max_version`` and ``schedule`` are replaced.
        max_version: for all updates of the variant and architecture. None: the greater of the new
            version and the maximum of the manifest's *first* update, whatever that is for.

    Raises:
        UsageError: the variant and architecture have that version already.
    """
    if _identity(update) in map(_identity, manifest.updates):
        raise UsageError(
            f"{_title(update)} is in the manifest already",
            hint="remove it first, or give the new images a version of their own",
        )
    highest = max_version or max([update.version, *(u.max_version for u in manifest.updates[:1])])
    added = replace(manifest, updates=(*manifest.updates, replace(update, schedule=Schedule())))
    return set_max_version(added, highest, variant=update.variant, arch=update.arch)


def check_recalls(before: Manifest, after: Manifest) -> None:
    """Refuse an edit that lets hosts take a release again that was halted or withdrawn.

    A new release raises the maximum of all (formats 2.4), the bad ones among them, and hosts whose
    turn for the new one has not come would take the bad one meanwhile.

    Raises:
        UsageError: there is such a release; the message names the first.
    """
    for update, then in zip(before.updates, after.updates, strict=False):
        if update.max_version < update.version <= then.max_version:
            raise UsageError(
                f"{_title(update)} is held back by its maximum of {update.max_version};"
                f" a maximum of {then.max_version} for all would let hosts take it again",
                hint="take it out first with: updog-repo remove-update. If it is good after all,"
                f" let it go on with: updog-repo set-max-version -v {update.version}",
            )


def remove(manifest: Manifest, variant: str, arch: str, version: Version) -> Manifest:
    """Drop an update; no maximum version changes.

    Raises:
        UsageError: there is no such update.
    """
    asked = (variant, arch, version)
    kept = tuple(update for update in manifest.updates if _identity(update) != asked)
    if len(kept) == len(manifest.updates):
        raise _no_match(manifest, f"{variant} {arch} {version}")
    return replace(manifest, updates=kept)


def set_waves(
    manifest: Manifest, variant: str, arch: str, version: Version, schedule: Schedule
) -> Manifest:
    """Give an update its rollout, in place of the one it had.

    Raises:
        UsageError: there is no such update.
    """
    return _change(
        manifest,
        lambda u: _identity(u) == (variant, arch, version),
        lambda u: replace(u, schedule=schedule),
        f"{variant} {arch} {version}",
    )


def set_max_version(
    manifest: Manifest, version: Version, *, variant: str | None = None, arch: str | None = None
) -> Manifest:
    """Set the highest version that hosts may run; lower than before, it recalls releases.

    Args:
        manifest: the manifest before.
        version: the new maximum.
        variant: only updates of this one; None: of all.
        arch: the same.

    Raises:
        UsageError: there is no such update.
    """
    return _change(
        manifest,
        lambda u: variant in (None, u.variant) and arch in (None, u.arch),
        lambda u: replace(u, max_version=version),
        f"{variant or 'any variant'} {arch or 'any architecture'}",
    )


def set_migrations(manifest: Manifest, migrations: Migrations) -> Manifest:
    """Replace all migrations (formats 12); `read_release` gives those of a release."""
    return replace(manifest, migrations=migrations)


def read_release(text: str, where: str) -> ReleaseFile:
    """The version and migrations of a ``Release.toml``; other keys are not ours to judge.

    Args:
        text: of the file.
        where: its name, for messages.

    Raises:
        ManifestError: not TOML, or one of the two is missing or of another form.
    """
    try:
        root = Node(tomllib.loads(text), f"{where}: $")
    except (ValueError, RecursionError) as error:
        raise ManifestError(f"{where}: not TOML: {error}") from None
    migrations = root.member("migrations")
    version = root.member("version")
    try:
        parsed = Version.parse(version.text())
    except ValueError:
        raise version.fault(f"{quoted(version.text())} is not a semantic version") from None
    return ReleaseFile(parsed, read_migrations(migrations.value, migrations.path))


def check_waves(manifest: Manifest) -> tuple[str, ...]:
    """What is wrong with the waves of any update, a line for each; empty if nothing is.

    Starts must strictly increase with the seeds, otherwise hosts of a later wave come first.
    """
    found = []
    for update in manifest.updates:
        pair = update.schedule.unordered()
        if pair is not None:
            earlier, later = pair
            found.append(
                f"{_title(update)}: the wave of seed {later.first_seed}"
                f" ({format_moment(later.start)}) does not start after that of seed"
                f" {earlier.first_seed} ({format_moment(earlier.start)})"
            )
    return tuple(found)


def _change(
    manifest: Manifest,
    matches: Callable[[Update], bool],
    change: Callable[[Update], Update],
    what: str,
) -> Manifest:
    if not any(map(matches, manifest.updates)):
        raise _no_match(manifest, what)
    updates = tuple(change(u) if matches(u) else u for u in manifest.updates)
    return replace(manifest, updates=updates)


def _identity(update: Update) -> tuple[str, str, Version]:
    return update.variant, update.arch, update.version


def _title(update: Update) -> str:
    return f"{update.variant} {update.arch} {update.version}"


def _no_match(manifest: Manifest, what: str) -> UsageError:
    there = ", ".join(map(_title, manifest.updates)) or "no update at all"
    return UsageError(
        f"The draft has no update for {what}, so nothing was changed.",
        hint=f"It has: {there}. See all with: updog-repo show DIR",
    )
