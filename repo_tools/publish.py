"""Draft to published repository, in an order that leaves clients a valid one at every instant.

The order itself stands in `repo_tools.publishrun`; where the files go, in `repo_tools.stores`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta

from repo_tools import root
from repo_tools.draft import Edition
from repo_tools.errors import PublishedError, RootError, StrandedError
from repo_tools.publishing.leftbehind import left_behind
from repo_tools.publishrun import Release, Report, Run, Signed, folder_of
from repo_tools.released import TIMESTAMP, Released
from repo_tools.repository import Repository
from repo_tools.stores.opening import open_store
from repo_tools.stores.place import Lifetimes, read_place
from repo_tools.stores.rehearsal import RehearsedStore
from repo_tools.stores.store import Store
from updog.manifest import Manifest

__all__ = ["Lifetimes", "Release", "Report", "publish", "quiet", "refresh", "running"]

ROOT_WARNING = timedelta(days=30)
_RENEW = "Renew it with the offline root keys at hand: updog-repo renew-root DIR"


def quiet(_message: str) -> None:
    """Report nothing."""


def publish(
    repository: Repository,
    *,
    now: datetime,
    editions: Iterable[Edition] | None = None,
    lifetimes: Lifetimes | None = None,
    report: Report = quiet,
    store: Store | None = None,
    allow_stranding: bool = False,
) -> tuple[Release, ...]:
    """Publish drafts: all of them are checked and signed before the first file is written.

    Args:
        repository: whose drafts. If it only rehearses, everything but writing is done.
        now: the moment from which the lifetimes count.
        editions: which ones; None: all.
        lifetimes: of the new metadata; None: as ``publish.toml`` of the repository says.
        report: told each step just before it is taken.
        store: where to; None: as ``publish.toml`` says, or ``published/``.
        allow_stranding: publish although releases in the field find no way on; they are reported.

    Raises:
        PublisherBusy: another publisher or editor is at work.
        DraftError: a draft has faults; nothing was written.
        StrandedError: a draft would strand releases in the field; nothing was written.
        RootError: the root history is broken or its newest version has expired.
        KeyFileError: too few keys to sign; nothing was written.
    """
    with running(repository, now, lifetimes, report, store) as run:
        chosen = tuple(editions) if editions is not None else repository.select()
        signed = [run.sign(edition, run.planned(edition)) for edition in chosen]
        seen = {edition: run.seen(edition) for edition in chosen}
        _check_stranded(run, seen, allowed=allow_stranding)
        for one in signed:
            _tell_unchanged(run, one, seen[one.release.edition])
        return run.put_out(signed)


def _tell_unchanged(run: Run, signed: Signed, before: Released | None) -> None:
    """Somebody who publishes means to change something, as a rule."""
    targets = {item.target.path: item.target for item in signed.items}
    if before and targets == before.targets.targets and not signed.handover.roots:
        run.report(
            f"Note: {signed.release.edition}: the draft says what metadata version"
            f" {before.targets.version} said, so nothing is new but the expiry."
        )


def _check_stranded(run: Run, seen: Mapping[Edition, Released | None], *, allowed: bool) -> None:
    """Hosts of releases that a draft no longer knows are in the field all the same."""
    stranded = [line for edition, found in seen.items() for line in _stranded(run, edition, found)]
    if allowed:
        for line in stranded:
            run.report(f"Warning: {line}.")
    elif stranded:
        listed = "".join(f"\n  - {line}" for line in stranded)
        raise StrandedError(
            f"Nothing was published, because hosts in the field would find no way on:{listed}",
            hint="Put back what is missing: steps (set-migrations), releases (add-update), the"
            " maximum (set-max-version). If it is meant: --allow-stranding",
        )


def _stranded(run: Run, edition: Edition, found: Released | None) -> Iterator[str]:
    published = run.manifest_in(found)
    if published is None and TIMESTAMP in run.store.sizes(folder_of(edition)):
        run.report(f"Warning: the published manifest of {edition} cannot be read to compare it.")
    return left_behind(published or Manifest(), run.repository.draft(edition).manifest())


def refresh(
    repository: Repository,
    *,
    now: datetime,
    editions: Iterable[Edition] | None = None,
    lifetimes: Lifetimes | None = None,
    report: Report = quiet,
    store: Store | None = None,
    if_within: timedelta | None = None,
) -> tuple[Release, ...]:
    """Sign again what is published, with new expiries; drafts do not matter.

    Args:
        repository: as in `publish`; so are the others.
        now: the moment from which the lifetimes count.
        editions: which ones; None: all.
        lifetimes: of the new metadata.
        report: told each step just before it is taken.
        store: where to.
        if_within: leave out the editions that last longer than this from now, unless a new root
            waits to be published; None: none.

    Raises:
        PublishedError: what is published is damaged or not signed by us; it is left as it is, and
            the other editions have been signed again.
        PublisherBusy: another publisher or editor is at work.
        RootError: the root history is broken or its newest version has expired.
        KeyFileError: too few keys to sign; nothing was written.
    """
    with running(repository, now, lifetimes, report, store) as run:
        chosen = tuple(editions) if editions is not None else repository.select()
        signed: list[Signed] = []
        faults: list[PublishedError] = []
        for edition in _known(run, chosen):
            # One edition in trouble must not let all others expire.
            try:
                if _is_due(run, edition, if_within):
                    signed.append(run.sign(edition, run.published(edition)))
            except PublishedError as fault:
                faults.append(fault)
        released = run.put_out(signed)
        if faults:
            raise PublishedError("\n".join(map(str, faults)), hint=faults[0].hint)
        return released


def _known(run: Run, editions: Sequence[Edition]) -> Sequence[Edition]:
    """Leave out what is only drafted yet, unless that is all there is."""
    known = [edition for edition in editions if run.was_published(edition)]
    if known:
        for edition in editions:
            if edition not in known:
                run.report(f"{edition} is not published yet; left out.")
    return known or editions


def _is_due(run: Run, edition: Edition, if_within: timedelta | None) -> bool:
    if if_within is None or run.news(edition):
        return True
    ends = run.released(edition).expires()
    due = ends - run.now <= if_within
    if not due:
        run.report(f"{edition} is valid until {ends:%Y-%m-%d %H:%M} UTC; left as it is.")
    return due


@contextmanager
def running(
    repository: Repository,
    now: datetime,
    lifetimes: Lifetimes | None = None,
    report: Report = quiet,
    store: Store | None = None,
) -> Iterator[Run]:
    """Hold the locks for one run, which has its roots checked and its keys at hand.

    Raises:
        PublisherBusy: another publisher or editor is at work.
        RootError: the root history is broken or its newest version has expired.
        KeyFileError: too few keys to sign.
    """
    place = read_place(repository.folder)
    lifetimes = lifetimes or place.lifetimes
    store = store or open_store(place, repository.published)
    if repository.rehearse is not None:
        store = RehearsedStore(store, repository.rehearse)
    with repository.locked():
        roots = root.history(repository.roots)
        newest = roots[-1].root
        _check_expiry(newest.expires - now, newest.expires, report)
        signers = repository.signers(newest)
        with store.exclusive():
            yield Run(repository, store, roots, signers, now, lifetimes, report)


def _check_expiry(left: timedelta, expires: datetime, report: Report) -> None:
    if left <= timedelta(0):
        raise RootError(f"The root expired at {expires:%Y-%m-%d %H:%M} UTC.", hint=_RENEW)
    if left < ROOT_WARNING:
        report(f"Warning: the root expires in {left.days} days. {_RENEW}")
