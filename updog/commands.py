"""The commands of `updog`: their names, their flags, and where each is done (formats 5.1)."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from updog.agent import flags as agent
from updog.crashtest import flags as crashtest
from updog.health import flags as health
from updog.migrate import flags as migrate
from updog.parsers import Command, Parser, add_command
from updog.service import flags as serving

if TYPE_CHECKING:
    from updog.version import Version


def _bundle_actions(parser: Parser) -> None:
    """What can be done with repositories that are carried by hand."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    text = "write one version with all it takes into one file"
    export = add_command(actions, Command("export", text))
    export.set_defaults(command="bundle")
    export.add_argument("file", type=Path, metavar="FILE", help="the tar file to write")
    export.add_argument(
        "-i",
        "--image",
        "--version",
        type=_version,
        metavar="VERSION",
        help="exactly this version; default: the highest",
    )
    export.add_argument("--variant", metavar="NAME", help="carry for another variant")
    _source_flag(export)
    export.add_argument("--force", action="store_true", help="replace FILE if it is there")
    _json_flag(export)


def _choice_flags(parser: Parser) -> None:
    parser.add_argument(
        "-i", "--image", type=_version, metavar="VERSION", help="exactly this version"
    )
    parser.add_argument(
        "-n",
        "--now",
        "--ignore-waves",
        dest="ignore_waves",
        action="store_true",
        help="do not wait for this host's turn",
    )
    parser.add_argument("--variant", metavar="NAME", help="choose for another variant")
    _source_flag(parser)


def _source_flag(parser: Parser) -> None:
    parser.add_argument(
        "--from",
        dest="source",
        type=Path,
        metavar="PATH",
        help="use this bundle or directory instead of the network",
    )


def _json_flag(parser: Parser) -> None:
    parser.add_argument("-j", "--json", action="store_true", help="JSON on stdout")


def _reboot_flag(parser: Parser) -> None:
    parser.add_argument("-r", "--reboot", action="store_true", help="restart on success")


def _version(text: str) -> Version:
    from updog.version import Version

    try:
        return Version.parse(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not a version such as 1.2.3") from error


def _all_flag(parser: Parser) -> None:
    parser.add_argument("-a", "--all", action="store_true", help="list all that are applicable")


def _force_flag(parser: Parser) -> None:
    parser.add_argument(
        "--force", action="store_true", help="although the running boot is not confirmed yet"
    )


def _work_flags(parser: Parser) -> None:
    """How an installation behaves towards those who watch and those who share the machine."""
    parser.add_argument(
        "--progress",
        choices=("auto", "json"),
        default="auto",
        help="a line at a terminal (auto), or JSON lines on stderr",
    )
    parser.add_argument(
        "--idle", action="store_true", help="take CPU and disk only when nobody else wants them"
    )


_INSTALLING = (_choice_flags, _json_flag, _force_flag, _work_flags)
COMMANDS = (
    # Commands that choose an update.
    Command(
        "check-update",
        "tell whether there is an update",
        (_choice_flags, _all_flag, _json_flag),
        ("whats",),
    ),
    Command("update", "install an update and let it boot next", (*_INSTALLING, _reboot_flag)),
    Command("update-image", "install an update, but do not let it boot yet", _INSTALLING),
    Command(
        "prepare",
        "cache migrations, manifest and metadata of the next update; leaves the disk alone",
        (_choice_flags, _json_flag),
    ),
    Command("bundle", "carry updates to machines without a network", (_bundle_actions,)),
    # Commands that only change boot bits; all work offline.
    Command("update-apply", "let the installed update boot next", (_reboot_flag,)),
    Command("update-revert", "take update-apply back"),
    Command(
        "rollback", "let the other set boot next again", (_reboot_flag,), ("rollback-to-inactive",)
    ),
    Command(
        "mark-successful",
        "confirm that the running system works",
        (health.skip_flag,),
        aliases=("mark-successful-boot",),
        module="updog.health.command",
    ),
    Command(
        "bad-versions",
        "show or clear the versions that failed on this host",
        (health.clear_flags, _json_flag),
        module="updog.health.command",
    ),
    Command(
        "migrate",
        "make the settings those of the running version; works offline",
        (migrate.add_flags,),
        module="updog.migrate.command",
    ),
    Command(
        "agent",
        "keep this machine up to date by its schedule",
        (agent.once_flag,),
        module="updog.agent.command",
    ),
    # Commands that only tell.
    Command(
        "schedule",
        "show when this host asks, installs and restarts next",
        (_json_flag,),
        module="updog.agent.command",
    ),
    Command("status", "show both partition sets and what boots next", (_json_flag,)),
    Command(
        "plan",
        "show what installing the chosen update would move, by every way there is",
        (_choice_flags, _json_flag),
        module="updog.plan.command",
    ),
    Command(
        "why",
        "explain which update would be chosen and why the others not",
        (_choice_flags, _json_flag),
    ),
    Command("doctor", "look for what is wrong; changes nothing", (_json_flag,)),
    Command(
        "crashtest",
        "prove on a copy of a disk that no power cut leaves it unbootable",
        (crashtest.add_flags,),
        module="updog.crashtest.command",
    ),
    Command(
        "serve",
        "answer the update API on a Unix socket until a signal ends it",
        (serving.add_flags,),
        module="updog.service.command",
    ),
)
