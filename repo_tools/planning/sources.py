"""Where the waves that somebody asks about come from: a policy, or a manifest."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from updog import manifest as manifest_format
from updog.errors import UsageError
from updog.manifest import Manifest, Update
from updog.version import Version
from waves.pause import PAUSED
from waves.policy import Policy, parse_policy, to_schedule
from waves.schedule import Schedule
from waves.shipped import names, read_shipped


@dataclass(frozen=True, slots=True)
class Planned:
    """Waves to look at.

    Attributes:
        title: what they belong to, for people.
        schedule: the waves.
        start: when the update appears.
    """

    title: str
    schedule: Schedule
    start: datetime


@dataclass(frozen=True, slots=True)
class Asked:
    """Which update of a manifest is meant; a variant or architecture that is None may be any."""

    version: Version
    variant: str | None = None
    arch: str | None = None


def policy_text(name: str) -> str | None:
    """The text of a policy file; None: ``name`` is that of a shipped policy.

    Raises:
        UsageError: there is neither.
    """
    if name in names():
        return None
    path = Path(name)
    if not path.is_file():
        raise UsageError(
            f"There is no policy file {name}, and no shipped policy of that name.",
            hint=f"Shipped are: {', '.join(names())}",
        )
    # What is no text has a fault of its own, which the parser words with the name of the file.
    return path.read_bytes().decode("utf-8", errors="replace")


def policy(name: str) -> Policy:
    """The policy of that name, shipped or in a file.

    Raises:
        UsageError: there is neither.
        WaveError: the file is not exactly a policy.
    """
    text = policy_text(name)
    return read_shipped(name) if text is None else parse_policy(text, name)


def from_policy(name: str, base: datetime) -> Planned:
    """What a policy would do from ``base`` on.

    Raises:
        UsageError: there is no such policy.
        WaveError: it is not exactly a policy, or leaves the calendar.
    """
    return Planned(Path(name).stem, to_schedule(policy(name), base), base)


def from_manifest(path: Path, asked: Asked, now: datetime) -> Planned:
    """What an update of a manifest does, from its first start on; without waves, from ``now`` on.

    Raises:
        UsageError: no update, or more than one, is meant.
        ManifestError: the file is no manifest.
    """
    update = _the_one(manifest_format.parse(path.read_bytes()), asked, path)
    title = f"{update.variant} {update.arch} {update.version}"
    first = update.schedule.waves[0].start if update.schedule.waves else PAUSED
    return Planned(title, update.schedule, first if first < PAUSED else now)


def _the_one(manifest: Manifest, asked: Asked, path: Path) -> Update:
    found = [
        update
        for update in manifest.updates
        if update.version == asked.version
        and asked.variant in (None, update.variant)
        and asked.arch in (None, update.arch)
    ]
    if len(found) == 1:
        return found[0]
    if found:
        which = ", ".join(f"{update.variant} {update.arch}" for update in found)
        raise UsageError(
            f"{path} has {asked.version} more than once: for {which}.",
            hint="Say which by --variant and --arch.",
        )
    known = ", ".join(sorted({str(update.version) for update in manifest.updates})) or "none"
    raise UsageError(f"{path} has no {asked.version} of that kind.", hint=f"There is: {known}.")
