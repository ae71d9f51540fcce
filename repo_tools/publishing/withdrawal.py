"""Calling a release back in one step, whatever else is being drafted.

The maximum version is lowered in what is *published*, and that is signed again: a draft that is
half done must neither hold back a recall nor go out with it. The draft gets the same maximum, and
gets it first: a run that is killed in between must not leave a draft that brings the release back.

No image is removed. Hosts that are downloading it finish, and come back by themselves.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from hashlib import sha256

from tuf.api.metadata import TargetFile

from repo_tools import edits
from repo_tools.draft import MANIFEST, Edition
from repo_tools.errors import PublishedError
from repo_tools.plan import Item
from repo_tools.publish import quiet, running
from repo_tools.publishrun import TARGETS, Release, Report, Run
from repo_tools.release.withdraw import below
from repo_tools.repository import Repository
from repo_tools.stores.store import Store
from updog import manifest as manifest_format
from updog.errors import UsageError
from updog.manifest import Manifest
from updog.version import Version


def withdraw(
    repository: Repository,
    edition: Edition,
    bad: Version,
    goal: Version | None = None,
    *,
    now: datetime,
    report: Report = quiet,
    store: Store | None = None,
) -> Release:
    """Lower the maximum version of what is published, and of the draft; sign and publish it.

    Args:
        repository: whose.
        edition: which variant and architecture.
        bad: the release that is withdrawn.
        goal: the highest version that hosts may run from now on; None: the one below.
        now: the moment from which the lifetimes count.
        report: told what becomes of which hosts, and each step.
        store: where to; None: as ``publish.toml`` says.

    Raises:
        PublishedError: what is published is damaged or not signed by us; nothing was changed.
        PublisherBusy: another publisher or editor is at work.
        UsageError: nothing is, or not the release, or there is nothing below it to go back to.
    """
    with running(repository, now, None, report, store) as run:
        if not run.was_published(edition):
            raise UsageError(
                f"{edition} is not published yet, so there is nothing to withdraw.",
                hint="Take the release out of the draft: updog-repo release remove DIR",
            )
        items = run.published(edition)
        before = manifest_of(run, items)
        most = below(before, edition, bad, goal)
        for line in consequences(bad, most):
            report(line)
        draft = repository.draft(edition)
        drafted = draft.manifest()
        manifest = edits.set_max_version(before, most, variant=edition.variant, arch=edition.arch)
        signed = run.sign(edition, tuple(with_manifest(items, manifest)))
        if drafted.updates:
            draft.save(edits.set_max_version(drafted, most))
        return run.put_out([signed])[0]


def consequences(bad: Version, most: Version) -> tuple[str, ...]:
    """What a withdrawal means, for each kind of host, a line each.

    Args:
        bad: the release that is withdrawn.
        most: the highest version that hosts may run from now on.
    """
    return (
        f"Not yet begun: never take {bad}; they see it from their next check on.",
        f"Downloading {bad}: finish, since the images stay; they go back after their next check.",
        f"Staged, not applied: keep {bad} on the inactive set; do not run update-apply there.",
        f"Activated, not rebooted: boot {bad}, then go back; update-revert keeps them from it.",
        f"Running {bad}: go back to {most} at their next check, when its waves allow it.",
        "Caches: the old answer may be served for as long as timestamp.json may be kept.",
    )


def manifest_of(run: Run, items: Sequence[Item]) -> Manifest:
    """The manifest among what is published.

    Raises:
        PublishedError: there is none.
    """
    found = next((item for item in items if item.target.path == MANIFEST), None)
    data = run.store.read(f"{TARGETS}/{found.file_name}") if found else None
    if data is None:
        raise PublishedError(
            f"{run.store.where} has no published {MANIFEST}.",
            hint="Publish again from the draft: updog-repo publish DIR",
        )
    return manifest_format.parse(data)


def with_manifest(items: Iterable[Item], manifest: Manifest) -> Iterator[Item]:
    """What is published, with another manifest."""
    data = manifest_format.dump(manifest)
    target = TargetFile(len(data), {"sha256": sha256(data).hexdigest()}, MANIFEST)
    for item in items:
        yield replace(item, target=target, content=data) if item.target.path == MANIFEST else item
