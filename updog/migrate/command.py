"""The command ``updog migrate``."""

from __future__ import annotations

import sys
from argparse import Namespace
from typing import TYPE_CHECKING

from updog.errors import UsageError

if TYPE_CHECKING:
    from updog.migrate.conversion import Tools
    from updog.settings import Paths
    from updog.version import Version


def run_parsed(args: Namespace) -> int:
    """Migrate the data store to the running version, or rehearse that.

    Returns:
        0: the data store is that of the version, or there is none yet.

    Raises:
        UpdogError: see `updog.migrate.switching.migrate`; the old store is in use.
    """
    from updog import config, events, report
    from updog.clock import SystemClock
    from updog.invocation import remark
    from updog.lock import RunLock
    from updog.migrate import render
    from updog.migrate.rehearsal import cached, rehearse
    from updog.migrate.switching import migrate

    paths = _paths(args, config.load(args.config).paths)
    goal, now, tools = _goal(args, paths), SystemClock().now(), _tools(args.time_limit)
    with RunLock(paths.lock):
        if args.rehearse:
            tried = rehearse(paths.datastore, goal, lambda: cached(paths), now, tools)
            journey, tree = tried.journey, render.rehearsed_tree(tried)
            lines = render.rehearsed_lines(tried)
        else:
            done = migrate(paths.datastore, goal, lambda: cached(paths), now, tools)
            journey, tree = done.journey, render.migrated_tree(done)
            lines = render.migrated_lines(done)
            if tree["migrations"]:
                events.tell(events.MIGRATED, start=tree["from"], version=tree["to"])
    for text in journey.remarks:
        remark(args, f"Remark: {text}")
    sys.stdout.write((report.pretty(tree) if args.json else "\n".join(lines)) + "\n")
    return 0


def _tools(seconds: float) -> Tools:
    from updog.migrate.conversion import Tools
    from updog.migrate.letters import random_letters
    from updog.migrate.sandbox import Sandbox

    return Tools(random_letters, Sandbox(seconds))


def _paths(args: Namespace, paths: Paths) -> Paths:
    said = {
        "datastore": args.datastore_path,
        "migrations_dir": args.migration_directory,
        "metadata_cache_dir": args.metadata_directory,
        "trusted_root": args.root_path,
    }
    return paths._replace(**{name: path for name, path in said.items() if path is not None})


def _goal(args: Namespace, paths: Paths) -> Version:
    """What was asked for; or, to rehearse, what was staged; or the running version."""
    from updog import staged
    from updog.osrelease import read_identity
    from updog.version import Version

    said = args.goal
    if said is None and args.rehearse and (found := staged.recall(paths.staged)):
        said = found.version
    if said is None:
        return read_identity(paths.os_release)[0]
    try:
        return Version.parse(said.removeprefix("v"))
    except ValueError as error:
        raise UsageError(f"{said!r} is not a version such as 1.2.3.") from error
