"""The commands ``updog-repo rollout pause``, ``resume``, ``extend``, ``expedite`` and ``halt``."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING

from repo_tools.commandline import Commands, dry_run_flag, release_flags, version
from repo_tools.console import edition_of, insist, repository_of, result, say
from repo_tools.publishing.command import place_flags, store_of
from repo_tools.simulation.flags import fleet_flags

if TYPE_CHECKING:
    from fractions import Fraction

    from repo_tools.draft import Draft
    from repo_tools.repository import Repository
    from repo_tools.rollout.change import Change, Which
    from repo_tools.rollout.preview import Pair
    from repo_tools.stores.store import Store
    from updog.manifest import Manifest


def add(commands: Commands) -> None:
    """Add ``rollout`` and its actions."""
    group = commands.group("rollout", "Change a rollout that runs; shows what that does first")
    _action(group, "pause", "Stop letting hosts in: starts that have not come wait", cmd_waves)
    _action(group, "resume", "Go on where a paused rollout stood", cmd_waves)
    _pace(_action(group, "extend", "Give the remaining waves more time", cmd_waves))
    _pace(_action(group, "expedite", "Give the remaining waves less time", cmd_waves))
    halting = _action(
        group, "halt", "Let no further host take a release, whatever its turn", cmd_halt
    )
    halting.add_argument(
        "--max-version",
        metavar="VERSION",
        type=version,
        help="the release's new maximum (the highest version below it in the draft)",
    )


def _action(
    group: Commands, name: str, summary: str, run: Callable[[argparse.Namespace, datetime], None]
) -> argparse.ArgumentParser:
    command = group.add(name, summary)
    release_flags(command)
    fleet_flags(command)
    dry_run_flag(command)
    command.add_argument(
        "--published",
        action="store_true",
        help="change what is published, at once, and leave the rest of the draft where it is",
    )
    place_flags(command)
    command.add_argument("-y", "--yes", action="store_true", help="do not ask")
    command.add_argument("-j", "--json", action="store_true", help="JSON on stdout")
    command.set_defaults(run=run)
    return command


def _pace(command: argparse.ArgumentParser) -> None:
    pace = command.add_mutually_exclusive_group(required=True)
    pace.add_argument("--factor", metavar="F", help="multiply the time left: 2, 0.5, 2/3")
    pace.add_argument(
        "--until", metavar="TIME", help="start of the last wave: RFC 3339 or 'in 2 days'"
    )


def cmd_waves(arguments: argparse.Namespace, now: datetime) -> None:
    """Pause, resume, extend or expedite."""
    from repo_tools.rollout.change import Action, change_waves

    by = _by(arguments, now)
    action = Action(arguments.action)
    _carry_out(
        arguments, now, lambda manifest: change_waves(manifest, _which(arguments), action, now, by)
    )


def cmd_halt(arguments: argparse.Namespace, now: datetime) -> None:
    """Cap the release below its own version."""
    from repo_tools.rollout.change import halt

    cap = arguments.max_version
    _carry_out(arguments, now, lambda manifest: halt(manifest, _which(arguments), now, cap))
    say("Before its successor is added, take it out of the draft: updog-repo remove-update.")


def _which(arguments: argparse.Namespace) -> Which:
    from repo_tools.rollout.change import Which

    return Which(arguments.variant, arguments.arch, arguments.version)


def _by(arguments: argparse.Namespace, now: datetime) -> Fraction | datetime | None:
    from repo_tools.simulation.quantities import parse_factor
    from waves.duration import parse_start

    if getattr(arguments, "factor", None) is not None:
        return parse_factor(arguments.factor)
    if getattr(arguments, "until", None) is not None:
        return parse_start(arguments.until, now)
    return None


def _carry_out(arguments: argparse.Namespace, now: datetime, edit: Callable[..., Change]) -> None:
    """Show a change, ask, and make it if what is changed is still as it was shown."""
    _check_place(arguments)
    repository = repository_of(arguments)
    draft = repository.draft(edition_of(arguments))
    store = store_of(arguments, repository) if arguments.published else None
    change = edit(_before(repository, draft, now, store))
    _show(arguments, change)
    if arguments.dry_run:
        say("Nothing was changed: this was a rehearsal.")
    elif not (arguments.yes or _confirmed()):
        say("Nothing was changed.")
    elif store is not None:
        _publish(repository, change, store)
    else:
        _save(repository, draft, change)
        say(f"Changed in the draft. Devices see it after: updog-repo publish {arguments.dir}")


def _check_place(arguments: argparse.Namespace) -> None:
    """A place that is named and not changed would be a bad surprise in an incident."""
    from updog.errors import UsageError

    if (arguments.place or arguments.endpoint) and not arguments.published:
        raise UsageError(
            "--to and --endpoint say where it is published, but only the draft would be changed.",
            hint="Add --published, or leave them out.",
        )


def _before(repository: Repository, draft: Draft, now: datetime, store: Store | None) -> Manifest:
    from repo_tools.publishing.inplace import published_manifest

    if store is None:
        return draft.manifest()
    say(f"This is about what is published at {store.where}.")
    return published_manifest(repository, draft.edition, now, store)


def _publish(repository: Repository, change: Change, store: Store) -> None:
    from repo_tools.publishing.inplace import put_in_place

    release = put_in_place(
        repository, change.old, change.new, change.after, now=change.now, report=say, store=store
    )
    say(f"Published as {release.edition} {release.version}, and changed in the draft.")


def _save(repository: Repository, draft: Draft, change: Change) -> None:
    from repo_tools.errors import DraftError

    with repository.locked():
        if draft.manifest() != change.old:
            raise DraftError(
                "The draft was changed while you were asked, so this change was not made.",
                hint="Run the command again, and look at what it shows.",
            )
        draft.save(change.new)


def _confirmed() -> bool:
    from updog.errors import UsageError

    if not sys.stdin.isatty():
        raise UsageError(
            "Nothing was changed: there is no terminal to ask at.",
            hint="Add --yes to make the change that is shown, or --dry-run only to see it.",
        )
    insist("Make this change? [y/N]")
    return sys.stdin.readline().strip().lower() in {"y", "yes"}


def _show(arguments: argparse.Namespace, change: Change) -> None:
    from repo_tools.rollout import preview
    from repo_tools.simulation import extras

    found = _simulated(arguments, change)
    if arguments.json:
        result(json.dumps(preview.tree(change, found), indent=2))
        return
    for line in preview.lines(change, found, extras.paper(), None):
        result(line)


def _simulated(arguments: argparse.Namespace, change: Change) -> Pair | None:
    """Both simulations; None without NumPy, because a pause must not wait for an installation."""
    from repo_tools.rollout import preview
    from repo_tools.simulation import extras
    from repo_tools.simulation.quantities import parse_size, parse_span

    poll = parse_span(arguments.poll)
    size = parse_size(arguments.image_size) if arguments.image_size else None
    if not extras.has_numpy():
        say("NumPy is not installed, so no fleet is simulated: pip install 'updog-agent[simulate]'")
        return None
    from repo_tools.simulation.run import Question, simulate_change

    origin = preview.origin_of(change)
    asked = Question(
        str(change.before.version),
        change.before.schedule,
        origin,
        arguments.fleet,
        poll,
        size,
        chance=arguments.draw,
    )
    before, after = (preview.letting_in(each, origin) for each in (change.before, change.after))
    return simulate_change(asked, before, after, change.now)
