"""``updog-repo publish``, ``refresh``, ``check-expirations`` and ``metrics``."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from repo_tools.commandline import Commands, dry_run_flag, edition_filter, json_flag
from repo_tools.console import answer, repository_of, say
from repo_tools.errors import ExitWith
from repo_tools.publishing.spans import span

if TYPE_CHECKING:
    from repo_tools.publishing.expiry import Limits, Sight
    from repo_tools.publishrun import Release
    from repo_tools.repository import Repository
    from repo_tools.stores.place import Place
    from repo_tools.stores.store import Store


def add(commands: Commands) -> None:
    """Add the four commands."""
    publish = commands.add("publish", "Check, sign and put out the drafts")
    _publish_flags(publish)
    publish.add_argument(
        "--allow-stranding",
        action="store_true",
        help="publish although releases in the field would find no way on",
    )
    publish.set_defaults(run=run_publish)
    refresh = commands.add("refresh", "Sign again what is published, with new expiries")
    _publish_flags(refresh)
    refresh.add_argument(
        "--if-within",
        metavar="SPAN",
        type=span,
        help="only what expires within this span, such as 3d; for a timer",
    )
    refresh.set_defaults(run=run_refresh)
    _watching(commands)


def place_flags(command: argparse.ArgumentParser, name: str = "--to") -> None:
    """Add the two flags that say where things are published, for `store_of`.

    Args:
        command: to which.
        name: of the first flag, where ``--to`` means something else.
    """
    command.add_argument(
        name,
        dest="place",
        metavar="PLACE",
        help="s3://BUCKET/PREFIX or a folder (as publish.toml says; published/)",
    )
    command.add_argument("--endpoint", metavar="URL", help="of an S3 server other than AWS")


def _publish_flags(command: argparse.ArgumentParser) -> None:
    edition_filter(command)
    place_flags(command)
    dry_run_flag(command)
    json_flag(command)


def _watching(commands: Commands) -> None:
    check = commands.add_bare("check-expirations", "Tell a monitor how long metadata is valid")
    _where(check)
    for flag, default, what in (
        ("--warning", "3d", "targets, snapshot, timestamp"),
        ("--critical", "1d", "the same"),
        ("--root-warning", "30d", "root"),
        ("--root-critical", "7d", "root"),
    ):
        said = f"{what} ({default})"
        check.add_argument(flag, metavar="SPAN", type=span, default=default, help=said)
    json_flag(check)
    check.set_defaults(run=run_check)
    metrics = commands.add_bare("metrics", "Tell Prometheus what is published, and until when")
    _where(metrics)
    metrics.add_argument(
        "--out", metavar="FILE", type=Path, help="write FILE in one step, for a textfile collector"
    )
    json_flag(metrics)
    metrics.set_defaults(run=run_metrics)


def _where(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "where",
        metavar="DIR|URL",
        nargs="+",
        help="folder of a repository, or the metadata_base_url of devices",
    )
    command.add_argument(
        "--root", metavar="FILE", type=Path, help="the root.json of devices (the first published)"
    )


def run_publish(arguments: argparse.Namespace, now: datetime) -> None:
    """Publish the drafts."""
    from repo_tools.publish import publish

    repository = repository_of(arguments)
    released = publish(
        repository,
        now=now,
        editions=repository.select(arguments.variant, arguments.arch),
        report=say,
        store=store_of(arguments, repository),
        allow_stranding=arguments.allow_stranding,
    )
    _tell(arguments, released)


def run_refresh(arguments: argparse.Namespace, now: datetime) -> None:
    """Sign again what is published."""
    from repo_tools.publish import refresh

    repository = repository_of(arguments)
    released = refresh(
        repository,
        now=now,
        editions=repository.select(arguments.variant, arguments.arch),
        report=say,
        store=store_of(arguments, repository),
        if_within=arguments.if_within,
    )
    _tell(arguments, released)


def run_check(arguments: argparse.Namespace, now: datetime) -> None:
    """Tell how long everything is valid; the exit code says it, too."""
    from repo_tools.publishing import expiry

    limits = _limits(arguments)
    sights = sorted(_sights(arguments), key=lambda each: -each.state(limits, now))
    tree = expiry.as_json(sights, limits, now)
    answer(arguments, tree, (sight.line(limits, now) for sight in sights))
    state = expiry.worst(sights, limits, now)
    if state:
        raise ExitWith(state)


def run_metrics(arguments: argparse.Namespace, now: datetime) -> None:
    """Write metrics; a repository in trouble is a value, not an error."""
    from repo_tools import storage
    from repo_tools.publishing import prometheus

    seen = _sights(arguments, lenient=True)
    text = prometheus.text(seen, now)
    if arguments.out:
        storage.write(arguments.out, text.encode())
    else:
        answer(arguments, prometheus.tree(seen, now), [text.rstrip()])


def _sights(arguments: argparse.Namespace, *, lenient: bool = False) -> list[Sight]:
    """What is seen of every edition.

    Raises:
        UnreachableError: nobody answered, and that is not to be told as a problem.
    """
    from repo_tools.publishing import look
    from updog.errors import UnreachableError

    seen = []
    for where in arguments.where:
        for edition in look.editions(where, arguments.root):
            try:
                seen.append(edition.look())
            except UnreachableError as error:
                if not lenient:
                    raise
                seen.append(edition.unseen(str(error)))
    return seen


def _limits(arguments: argparse.Namespace) -> Limits:
    from repo_tools.publishing.expiry import Limits

    return Limits(
        arguments.warning, arguments.critical, arguments.root_warning, arguments.root_critical
    )


def store_of(arguments: argparse.Namespace, repository: Repository) -> Store:
    """Where a command publishes to that has the flags of `place_flags`.

    Raises:
        ConfigError: the address is not one, or ``publish.toml`` cannot be read.
    """
    from repo_tools.stores.opening import open_store

    return open_store(_place(arguments, repository), repository.published)


def _place(arguments: argparse.Namespace, repository: Repository) -> Place:
    """Where ``publish.toml`` says, unless the command line knows better."""
    from dataclasses import replace

    from repo_tools.stores.place import read_place

    place = read_place(repository.folder)
    return replace(
        place, to=arguments.place or place.to, endpoint=arguments.endpoint or place.endpoint
    )


def _tell(arguments: argparse.Namespace, releases: Sequence[Release]) -> None:
    from repo_tools.publishrun import published_tree
    from waves.duration import format_moment

    lines = [f"{release.edition} {release.version}" for release in releases]
    answer(arguments, published_tree(releases), lines)
    for release in () if arguments.dry_run else releases:
        until = format_moment(release.expires)
        say(f"Valid until {until}; before that: updog-repo refresh DIR")
