"""The plan that a rollout is compared with: the waves of a release in a manifest or a draft."""

from __future__ import annotations

from pathlib import Path

from repo_tools.planning.sources import Asked, from_manifest
from repo_tools.repository import Repository
from updog.errors import UsageError
from waves.pause import PAUSED
from waves.schedule import Schedule

__all__ = ["Asked", "of_manifest", "of_repository"]


def of_manifest(path: Path, asked: Asked) -> Schedule:
    """The waves of a release in a manifest.

    Raises:
        UsageError: there is no such release, or more than one.
        ManifestError: the file is no manifest.
    """
    # The moment only stands in for a start that the release does not have.
    return from_manifest(path, asked, PAUSED).schedule


def of_repository(folder: Path, asked: Asked) -> Schedule:
    """The waves of a release in the draft of a repository.

    Raises:
        UsageError: there is no such release, or more than one.
        UpdogError: the repository cannot be read.
    """
    repository = Repository.open(folder)
    found = [
        update.schedule
        for edition in repository.select(asked.variant, asked.arch)
        for update in repository.draft(edition).manifest().updates
        if update.version == asked.version
    ]
    if len(found) == 1:
        return found[0]
    many = "more than one" if found else "no"
    raise UsageError(
        f"{folder} has {many} {asked.version} of that kind.",
        hint="Say which by --variant and --arch; list them with: updog-repo show DIR",
    )
