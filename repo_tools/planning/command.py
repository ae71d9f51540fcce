"""The commands ``updog-repo waves lint``, ``show`` and ``simulate``."""

from __future__ import annotations

import argparse
import json
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from repo_tools.commandline import Commands, version
from repo_tools.console import result, say
from repo_tools.simulation.flags import fleet_flags, poll_flag

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from repo_tools.planning.sources import Planned
    from repo_tools.simulation.run import Question


def add(commands: Commands) -> None:
    """Add ``waves`` and its actions."""
    waves = commands.group("waves", "Look at a rollout before it happens")
    lint = waves.add_bare("lint", "Find faults in a policy")
    lint.add_argument("policy", metavar="FILE|NAME", help="TOML file, or a shipped policy")
    poll_flag(lint)
    _start(lint)
    _json(lint, run=cmd_lint)
    show = waves.add_bare("show", "Show waves as a table with local times")
    show.add_argument("policy", metavar="FILE|NAME", nargs="?", help="TOML file or shipped policy")
    _manifest(show)
    _start(show)
    show.add_argument("--tz", metavar="ZONE", help="such as Europe/Berlin (that of this machine)")
    _json(show, run=cmd_show)
    simulate = waves.add_bare("simulate", "Show what a rollout does to a fleet and its servers")
    simulate.add_argument("--policy", metavar="FILE|NAME", help="TOML file, or a shipped policy")
    _manifest(simulate)
    _start(simulate)
    fleet_flags(simulate)
    simulate.add_argument("--rule", choices=["ours", "upstream", "both"], default="ours")
    simulate.add_argument("--picture", metavar="FILE", type=Path, help="also draw it: .png or .svg")
    _json(simulate, run=cmd_simulate)


def _manifest(command: argparse.ArgumentParser) -> None:
    command.add_argument("--manifest", metavar="FILE", type=Path, help="waves of an update in it")
    command.add_argument("-v", "--version", metavar="VERSION", type=version, help="which update")
    command.add_argument("--variant", help="which, if the manifest has several")
    command.add_argument("-a", "--arch", help="the same")


def _start(command: argparse.ArgumentParser) -> None:
    command.add_argument("--start-at", metavar="TIME", help="RFC 3339, or 'in 4 hours' (now)")


def _json(command: argparse.ArgumentParser, run: object) -> None:
    command.add_argument("-j", "--json", action="store_true", help="JSON on stdout")
    command.set_defaults(run=run)


def cmd_lint(arguments: argparse.Namespace, now: datetime) -> None:
    """Tell every fault of a policy; 65 if there is an error."""
    from repo_tools.errors import ExitWith
    from repo_tools.findings import Check, Level, worst, worst_first
    from repo_tools.planning import lint, sources
    from repo_tools.simulation.quantities import parse_span
    from waves.duration import parse_start
    from waves.errors import WaveError

    base = parse_start(arguments.start_at, now) if arguments.start_at else now
    poll = parse_span(arguments.poll)
    try:
        policy = sources.policy(arguments.policy)
        found = worst_first(lint.faults(policy, arguments.policy, base, poll))
    except WaveError as error:
        text = str(error).removeprefix(f"{arguments.policy}: ")
        found = (Check("policy", arguments.policy).error(text),)
    if arguments.json:
        tree = {"policy": arguments.policy, "findings": [each.as_json() for each in found]}
        result(json.dumps(tree, indent=2))
    else:
        for finding in found:
            result(f"{finding.level}: {finding}")
        result(f"{arguments.policy}: {_verdict(len(found))}")
    if worst(found) is Level.ERROR:
        raise ExitWith(WaveError.exit_code)


def _verdict(count: int) -> str:
    return "nothing to remark" if not count else f"{count} finding{'s' * (count > 1)}"


def cmd_show(arguments: argparse.Namespace, now: datetime) -> None:
    """Show the waves of a policy, or of an update in a manifest."""
    from repo_tools.planning import table

    planned = _planned(arguments, now)
    if arguments.json:
        tree = {"title": planned.title, "waves": table.tree(planned.schedule)}
        result(json.dumps(tree, indent=2))
        return
    for line in table.lines(planned.schedule, _zone(arguments.tz)):
        result(line)


def cmd_simulate(arguments: argparse.Namespace, now: datetime) -> None:
    """Simulate a rollout: as text or JSON, and as a picture."""
    from repo_tools.simulation import asjson, extras, report

    if arguments.picture is not None:
        extras.check_picture(arguments.picture)
    simulate = extras.simulator()
    found = simulate(_question(arguments, _planned(arguments, now)))
    if arguments.json:
        result(json.dumps(asjson.simulation_tree(found), indent=2))
    else:
        for line in report.lines(found, extras.paper()):
            result(line)
    for warning in found.warnings():
        say(f"Warning: {warning}")
    if arguments.picture is not None:
        extras.draw(found, arguments.picture)
        say(f"Drawn: {arguments.picture}")


def _planned(arguments: argparse.Namespace, now: datetime) -> Planned:
    from dataclasses import replace

    from repo_tools.planning import sources
    from updog.errors import UsageError
    from waves.duration import parse_start

    base = parse_start(arguments.start_at, now) if arguments.start_at else now
    if (arguments.policy is None) == (arguments.manifest is None):
        raise UsageError("Name either a policy or a manifest.", hint="As in: --policy default")
    if arguments.policy is not None:
        return sources.from_policy(arguments.policy, base)
    if arguments.version is None:
        raise UsageError("A manifest has several updates.", hint="Name one by --version.")
    asked = sources.Asked(arguments.version, arguments.variant, arguments.arch)
    planned = sources.from_manifest(arguments.manifest, asked, now)
    return replace(planned, start=base) if arguments.start_at else planned


def _question(arguments: argparse.Namespace, planned: Planned) -> Question:
    from repo_tools.simulation.quantities import parse_size, parse_span
    from repo_tools.simulation.readiness import Rule
    from repo_tools.simulation.run import Question
    from waves.duration import whole_second

    rules = tuple(Rule) if arguments.rule == "both" else (Rule(arguments.rule),)
    return Question(
        planned.title,
        planned.schedule,
        whole_second(planned.start),
        arguments.fleet,
        parse_span(arguments.poll),
        parse_size(arguments.image_size) if arguments.image_size else None,
        rules,
        arguments.draw,
    )


def _zone(name: str | None) -> ZoneInfo | None:
    from zoneinfo import ZoneInfo

    from updog.errors import UsageError

    if name is None:
        return None
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise UsageError(
            f"This machine knows no time zone {name!r}.",
            hint="Write it as Europe/Berlin or UTC; the names are in /usr/share/zoneinfo.",
        ) from None
