"""From every older release to the newest and back: the ways, or what is missing on them. PURE.

The way is the one that a device would go: the update is chosen by `updog.select`, as if all waves
had come, and the migrations are searched by `updog.migrations`. Which versions are in the field is
not written anywhere; those of the manifest are taken, and those from which a migration leads.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from repo_tools.findings import Check, Finding
from repo_tools.validate.offers import MANIFEST, images_of
from updog import migrations, select
from updog.errors import MigrationError
from updog.manifest import Manifest, edge_key
from updog.select import Chosen, Declined, Host, Policy, Reason
from updog.version import Version
from waves.schedule import MAX_SEED

_AFTER_ALL = datetime.max.replace(tzinfo=UTC)


class Known(StrEnum):
    """How a release is known."""

    MANIFEST = "manifest"
    MIGRATIONS = "migrations"
    ASKED = "asked"


@dataclass(frozen=True, slots=True)
class Start:
    """A release that may be running somewhere."""

    variant: str
    arch: str
    version: Version
    known: Known

    @property
    def place(self) -> str:
        """Its name."""
        return f"{self.variant} {self.arch} {self.version}"


@dataclass(frozen=True, slots=True)
class Way:
    """A chain of migrations.

    Attributes:
        steps: edges in the order in which they are gone, as the manifest writes them.
        names: migrations in the order in which they run.
    """

    steps: tuple[str, ...]
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Reach:
    """What becomes of one release.

    Attributes:
        start: it.
        newest: what its hosts would install; None: nothing, see ``why``.
        forward: the way there; None where there is none.
        back: the way back; None where there is none.
        missing: what is not there that the ways need; empty if all is well.
        why: why nothing would be installed, where that is right.
    """

    start: Start
    newest: Version | None
    forward: Way | None = None
    back: Way | None = None
    missing: tuple[str, ...] = ()
    why: str = ""

    @property
    def stranded(self) -> bool:
        """Whether its hosts cannot go where they should."""
        return bool(self.missing)


def starts(manifest: Manifest, asked: AbstractSet[Version] = frozenset()) -> Iterator[Start]:
    """Every release that may be running, of each variant and architecture, oldest first."""
    ends = {version for edge in manifest.migrations for version in edge}
    for variant, arch in sorted({(u.variant, u.arch) for u in manifest.updates}):
        known = dict.fromkeys(asked, Known.ASKED) | dict.fromkeys(ends, Known.MIGRATIONS)
        known |= {
            update.version: Known.MANIFEST
            for update in manifest.updates
            if (update.variant, update.arch) == (variant, arch)
        }
        for version, how in sorted(known.items(), key=lambda item: item[0]):
            yield Start(variant, arch, version, how)


def reach(manifest: Manifest, targets: AbstractSet[str], start: Start) -> Reach:
    """What becomes of hosts that run one release."""
    host = Host(start.variant, start.arch, start.version, MAX_SEED - 1)
    choice = select.choose(manifest, host, Policy(ignore_waves=True), _AFTER_ALL)
    if not isinstance(choice, Chosen):
        return _staying(manifest, start, choice)
    newest = choice.update.version
    gone = [
        f"the {part} image {name} of {newest}"
        for part, name in images_of(choice.update).items()
        if name not in targets
    ]
    forward, cut = _way(manifest, start.version, newest)
    back, _ = _way(manifest, newest, start.version)
    names = forward.names if forward else ()
    gone += [f"the migration {name}" for name in dict.fromkeys(names) if name not in targets]
    if cut:
        gone.append(_cut(manifest, start, newest, cut))
    return Reach(start, newest, forward, back, tuple(gone))


def _staying(manifest: Manifest, start: Start, choice: Declined) -> Reach:
    """Nothing would be installed: right for who may stay, not for who is told to leave."""
    if choice.reason is Reason.ABOVE_MAX and (highest := _told_to_leave(manifest, start)):
        missing = f"it is above the maximum {highest}, and there is no release to go down to"
        return Reach(start, None, missing=(missing,))
    if choice.reason in {Reason.UP_TO_DATE, Reason.ABOVE_MAX}:
        return Reach(start, None, why=choice.message)
    return Reach(start, None, missing=(choice.message,))


def _told_to_leave(manifest: Manifest, start: Start) -> Version | None:
    """The highest maximum there is, if hosts of this release are above it; None if they are not.

    A halt of the only release says the same, without sending anybody away: its maximum is the
    version from which its hosts came.
    """
    system = (start.variant, start.arch)
    updates = [each for each in manifest.updates if (each.variant, each.arch) == system]
    highest = max(update.max_version for update in updates)
    known = {version for edge in manifest.migrations for version in edge}
    halted = len(updates) == 1 and highest in known
    return highest if start.version > highest and not halted else None


def reach_findings(manifest: Manifest, targets: AbstractSet[str]) -> Iterator[Finding]:
    """Releases of the manifest whose hosts would be stranded."""
    for start in starts(manifest):
        found = reach(manifest, targets, start)
        if found.stranded and start.known is Known.MANIFEST:
            yield Check("reachability", f"{MANIFEST}: {start.place}").error(
                f"its hosts are stranded: {'; '.join(found.missing)}"
            )


def as_json(found: Reach) -> dict[str, object]:
    """One release for ``--json``."""
    return {
        "variant": found.start.variant,
        "arch": found.start.arch,
        "version": str(found.start.version),
        "known_from": str(found.start.known),
        "newest": None if found.newest is None else str(found.newest),
        "forward": _way_json(found.forward),
        "back": _way_json(found.back),
        "missing": list(found.missing),
        "why": found.why or None,
    }


def _way_json(way: Way | None) -> Mapping[str, list[str]] | None:
    return None if way is None else {"steps": list(way.steps), "migrations": list(way.names)}


def _way(manifest: Manifest, start: Version, end: Version) -> tuple[Way | None, str]:
    """The way, or why there is none."""
    # The client's own search, over edges that carry their own names, tells which it takes.
    named = {edge: (edge_key(edge),) for edge in manifest.migrations}
    try:
        steps = migrations.path(named, start, end)
        return Way(steps, migrations.path(manifest.migrations, start, end)), ""
    except MigrationError as error:
        return None, str(error)


def _cut(manifest: Manifest, start: Start, newest: Version, why: str) -> str:
    """Why there is no way, and how far hosts could be led instead."""
    between = {
        update.version
        for update in manifest.updates
        if (update.variant, update.arch) == (start.variant, start.arch)
        and start.version < update.version < newest
        and _way(manifest, start.version, update.version)[0] is not None
    }
    return f"{why}; the chain reaches {max(between)}" if between else why
