"""``updog-repo validate`` and ``updog-repo reachability``."""

from __future__ import annotations

import argparse
import json
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from repo_tools.commandline import Commands, edition_filter, version
from repo_tools.console import result

if TYPE_CHECKING:
    from repo_tools.findings import Level
    from repo_tools.validate.places import Place
    from repo_tools.validate.reachrun import ShippedRoot
    from repo_tools.validate.targets import MakeFetcher

WARNED = 1
FAILED = 65
_MOST_JOBS = 64


def add(commands: Commands) -> None:
    """Add both commands."""
    validate = commands.add_bare("validate", "Find out all that is wrong with a repository")
    _place_flags(validate)
    validate.add_argument("--root", metavar="FILE", type=Path, help="the root that devices have")
    validate.add_argument(
        "--layout",
        metavar="LAYOUT",
        help="sizes of the partitions: bottlerocket[:GIB], or boot=MIB,root=MIB,hash=MIB",
    )
    validate.add_argument(
        "--metadata-only", action="store_true", help="do not read the target files"
    )
    validate.add_argument("--jobs", metavar="N", type=_jobs, default=4, help="files at once (4)")
    validate.set_defaults(run=run_validate)
    reach = commands.add_bare("reachability", "Show the way from every release to the newest")
    _place_flags(reach)
    reach.add_argument(
        "--root",
        metavar="[VERSION=]FILE",
        action="append",
        default=[],
        help="a root that a release has in its image (the oldest one there is)",
    )
    reach.add_argument(
        "--from",
        dest="starts",
        metavar="VERSION",
        type=version,
        action="append",
        default=[],
        help="a release in the field that the manifest does not know",
    )
    reach.set_defaults(run=run_reachability)


def run_validate(arguments: argparse.Namespace, now: datetime) -> None:
    """Validate, tell everything, and end by the worst level.

    Raises:
        ExitWith: there are errors or warnings.
    """
    from repo_tools.findings import worst
    from repo_tools.release.room import parse_layout
    from repo_tools.validate.render import as_json, as_lines
    from repo_tools.validate.run import Options, validate

    options = Options(
        arguments.root,
        parse_layout(arguments.layout) if arguments.layout else None,
        not arguments.metadata_only,
        arguments.jobs,
    )
    reports = [validate(place, options, _fetchers(), now) for place in _places(arguments)]
    if arguments.json:
        result(json.dumps(as_json(arguments.repository, reports, now), indent=2))
    else:
        for report in reports:
            for line in as_lines(report):
                result(line)
    _end(worst(finding for report in reports for finding in report.findings))


def run_reachability(arguments: argparse.Namespace, now: datetime) -> None:
    """Show every way; end with 65 if one is missing.

    Raises:
        ExitWith: a release is stranded.
    """
    from repo_tools.errors import ExitWith
    from repo_tools.validate.reachrun import as_json, as_lines, reached
    from waves.duration import format_moment

    roots = [_root(text) for text in arguments.root]
    asked = frozenset(arguments.starts)
    found = [
        (place, one)
        for place in _places(arguments)
        for one in reached(place, roots, asked, _fetchers(), now)
    ]
    stranded = any(one.missing for _, one in found)
    if arguments.json:
        releases = [as_json(place, one) for place, one in found]
        document = {"repository": arguments.repository, "now": format_moment(now)}
        tree = {**document, "stranded": stranded, "releases": releases}
        result(json.dumps(tree, indent=2))
    else:
        for _, one in found:
            result("\n".join(as_lines(one)))
    if stranded:
        raise ExitWith(FAILED)


def _place_flags(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "repository", metavar="URL|DIR", help="metadata of one variant and architecture, or folder"
    )
    command.add_argument(
        "--targets", metavar="URL|DIR", help="where the targets are (as published)"
    )
    edition_filter(command)
    command.add_argument("-j", "--json", action="store_true", help="JSON on stdout")


def _places(arguments: argparse.Namespace) -> tuple[Place, ...]:
    from repo_tools.validate.places import Where, find

    where = Where(arguments.repository, arguments.targets, arguments.variant, arguments.arch)
    return find(where)


def _fetchers() -> MakeFetcher:
    from updog.fetch import HttpFetcher

    return HttpFetcher


def _root(text: str) -> ShippedRoot:
    from repo_tools.validate.reachrun import ShippedRoot
    from updog.version import Version

    named, equals, path = text.partition("=")
    try:
        return ShippedRoot(Path(path), Version.parse(named)) if equals else ShippedRoot(Path(text))
    except ValueError:
        return ShippedRoot(Path(text))


def _jobs(text: str) -> int:
    if not (text.isdecimal() and 1 <= int(text) <= _MOST_JOBS):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1 to {_MOST_JOBS}")
    return int(text)


def _end(level: Level | None) -> None:
    from repo_tools.errors import ExitWith
    from repo_tools.findings import Level

    code = {Level.ERROR: FAILED, Level.WARNING: WARNED}.get(level) if level else None
    if code is not None:
        raise ExitWith(code)
