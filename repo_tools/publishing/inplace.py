"""One release's rollout changed in what is *published*, past whatever is being drafted.

A draft that is half done must neither hold a pause back nor go out with it. The draft gets the same
rollout for that release, and gets it first: otherwise its next publish would undo the change.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from repo_tools.draft import Edition
from repo_tools.errors import PublishedError
from repo_tools.publish import running
from repo_tools.publishing.withdrawal import manifest_of, with_manifest
from repo_tools.publishrun import Release, Report
from repo_tools.repository import Repository
from repo_tools.stores.store import Store
from updog.manifest import Manifest, Update


def published_manifest(
    repository: Repository, edition: Edition, now: datetime, store: Store | None = None
) -> Manifest:
    """What devices see, in a store or where ``publish.toml`` says.

    Raises:
        PublishedError: it is damaged or not signed by us.
        PublisherBusy: a publisher or editor is at work.
    """
    with running(repository, now, store=store) as run:
        return manifest_of(run, run.published(edition))


def put_in_place(
    repository: Repository,
    before: Manifest,
    after: Manifest,
    changed: Update,
    *,
    now: datetime,
    report: Report,
    store: Store | None = None,
) -> Release:
    """Publish a manifest whose rollout of one release was changed, and change that in the draft.

    Args:
        repository: whose.
        before: what was published when the change was shown.
        after: what to publish in its place.
        changed: the release, as it stands in ``after``.
        now: the moment from which the lifetimes count.
        report: told each step.
        store: where to; None: as ``publish.toml`` says.

    Raises:
        PublishedError: what is published is damaged, not signed by us, or not ``before`` any more;
            nothing was changed.
        PublisherBusy: another publisher or editor is at work.
    """
    edition = Edition(changed.variant, changed.arch)
    with running(repository, now, report=report, store=store) as run:
        items = run.published(edition)
        if manifest_of(run, items) != before:
            raise PublishedError(
                "Somebody has published while you were asked, so this change was not made.",
                hint="Run the command again, and look at what it shows.",
            )
        signed = run.sign(edition, tuple(with_manifest(items, after)))
        draft = repository.draft(edition)
        drafted = draft.manifest()
        followed = replace(drafted, updates=tuple(_follow(u, changed) for u in drafted.updates))
        if followed != drafted:
            draft.save(followed)
        return run.put_out([signed])[0]


def _follow(update: Update, changed: Update) -> Update:
    names = (update.variant, update.arch, update.version)
    if names != (changed.variant, changed.arch, changed.version):
        return update
    return replace(update, schedule=changed.schedule, max_version=changed.max_version)
