"""Reachability of a real repository: ways of the manifest, and trust from every shipped root."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from repo_tools.validate import reach
from repo_tools.validate.files import signed_part
from repo_tools.validate.places import Place
from repo_tools.validate.reach import Reach
from repo_tools.validate.run import client_findings, read_all
from repo_tools.validate.targets import MakeFetcher
from updog.errors import DataError
from updog.version import Version


@dataclass(frozen=True, slots=True)
class ShippedRoot:
    """A root that some releases have in their image.

    Attributes:
        path: the file.
        version: of the release that has it; None: it stands for every one not named otherwise.
    """

    path: Path
    version: Version | None = None


@dataclass(frozen=True, slots=True)
class Trusted:
    """How far trust leads from one root.

    Attributes:
        name: of the file.
        version: of the root; None if it does not say.
        fault: why it does not lead to today's metadata; empty if it does.
    """

    name: str
    version: int | None
    fault: str


@dataclass(frozen=True, slots=True)
class Reached:
    """One release: its ways, and its roots."""

    reach: Reach
    roots: tuple[Trusted, ...]

    @property
    def missing(self) -> tuple[str, ...]:
        """Everything that strands its hosts."""
        roots = (f"trust from {root.name}: {root.fault}" for root in self.roots if root.fault)
        return (*roots, *self.reach.missing)


def reached(
    place: Place,
    roots: Sequence[ShippedRoot],
    asked: frozenset[Version],
    fetcher: MakeFetcher,
    now: datetime,
) -> tuple[Reached, ...]:
    """What becomes of every release that may be running somewhere.

    Without a root for it, a release is taken to have the oldest root that there is, which is the
    longest way.

    Raises:
        DataError: the repository has no manifest that can be read.
        UnreachableError: it does not answer.
        OSError: a root cannot be read.
    """
    read = read_all(place, None, fetcher, now)
    if read.manifest is None:
        errors = "".join(f"\n  - {finding}" for finding in read.findings)
        raise DataError(f"{place.name} has no manifest that can be read:{errors}")
    known = _trusted(place, roots, read.shipped, fetcher, now)
    return tuple(
        Reached(reach.reach(read.manifest, read.targets.keys(), start), _roots_of(start, known))
        for start in reach.starts(read.manifest, asked)
    )


def _trusted(
    place: Place,
    roots: Sequence[ShippedRoot],
    oldest: bytes | None,
    fetcher: MakeFetcher,
    now: datetime,
) -> Mapping[Version | None, tuple[Trusted, ...]]:
    known: dict[Version | None, tuple[Trusted, ...]] = {}
    for root in roots:
        one = _one(place, root.path.name, root.path.read_bytes(), fetcher, now)
        known[root.version] = (*known.get(root.version, ()), one)
    if None not in known and oldest is not None:
        version = signed_part(oldest).get("version")
        known[None] = (_one(place, f"{version}.root.json", oldest, fetcher, now),)
    return known


def _one(place: Place, name: str, data: bytes, fetcher: MakeFetcher, now: datetime) -> Trusted:
    found = [each.what for each in client_findings(place, data, fetcher, now)]
    version = signed_part(data).get("version")
    return Trusted(name, version if type(version) is int else None, "; ".join(found))


def _roots_of(
    start: reach.Start, known: Mapping[Version | None, tuple[Trusted, ...]]
) -> tuple[Trusted, ...]:
    return known.get(start.version, known.get(None, ()))


def as_json(place: Place, found: Reached) -> dict[str, object]:
    """One release for ``--json``."""
    return {
        "place": place.name,
        **reach.as_json(found.reach),
        "roots": [
            {"file": root.name, "version": root.version, "fault": root.fault or None}
            for root in found.roots
        ],
        "missing": list(found.missing),
        "reachable": not found.missing,
    }


def as_lines(found: Reached) -> list[str]:
    """One release for people."""
    one = found.reach
    if found.missing:
        return [f"FAIL  {one.start.place}", *(f"      {each}" for each in found.missing)]
    if one.newest is None or one.forward is None:
        return [f"ok    {one.start.place}: {one.why}"]
    steps = " ".join(one.forward.steps) or "no step"
    names = f", {len(one.forward.names)} migrations" if one.forward.names else ""
    return [f"ok    {one.start.place} -> {one.newest} and back: {steps}{names}"]
