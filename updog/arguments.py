"""The command line of `updog`: names, flags and help; nothing is done here (formats 5.1)."""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NoReturn, TypeAlias

from updog.config import DEFAULT_PATH
from updog.crashtest import flags as crashtest
from updog.errors import UsageError
from updog.logs import LEVELS
from updog.version import Version

DESCRIPTION = "Update this machine from a signed repository onto its second partition set."
EPILOG = "Results go to stdout, everything else to stderr. Exit codes: docs/cli.md."


class Parser(argparse.ArgumentParser):
    """A parser whose mistakes end with exit code 64, like all errors of ours, instead of 2."""

    def error(self, message: str) -> NoReturn:
        """Report a usage error.

        Raises:
            UsageError: always.
        """
        raise UsageError(f"{message}.", hint=f"See '{self.prog} --help'.")


# argparse has no public name for what add_subparsers returns.
_Commands: TypeAlias = "argparse._SubParsersAction[Parser]"  # noqa: SLF001


def parse(
    argv: Sequence[str] | None, environment: Mapping[str, str] = os.environ
) -> argparse.Namespace:
    """Parse a command line.

    Args:
        argv: the words after the program name; None takes those of this process.
        environment: where ``UPDOG_CONFIG`` may name the configuration file.

    Raises:
        UsageError: it is not one of ours.
        SystemExit: with 0, after printing help.
    """
    parser = Parser(prog="updog", description=DESCRIPTION, epilog=EPILOG, allow_abbrev=False)
    config = Path(environment.get("UPDOG_CONFIG") or DEFAULT_PATH)
    _add_global(parser, config=config, log_level="info", quiet=False)
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    _add_selecting(commands)
    _add_switching(commands)
    _add_telling(commands)
    return parser.parse_args(argv)


def _add_global(parser: Parser, *, config: object, log_level: object, quiet: object) -> None:
    """Flags that may stand before or after the command."""
    parser.add_argument(
        "--config", type=Path, metavar="PATH", default=config, help="configuration file"
    )
    parser.add_argument("--log-level", choices=LEVELS, default=log_level, help="default: info")
    parser.add_argument(
        "-q", "--quiet", action="store_true", default=quiet, help="no progress, no remarks"
    )


def _command(commands: _Commands, name: str, text: str, *aliases: str) -> Parser:
    parser = commands.add_parser(
        name, help=text, description=text, aliases=aliases, allow_abbrev=False
    )
    silent = argparse.SUPPRESS  # absent here must not undo what stood before the command
    _add_global(parser, config=silent, log_level=silent, quiet=silent)
    parser.set_defaults(command=name)
    return parser


def _add_selecting(commands: _Commands) -> None:
    """Commands that choose an update."""
    check = _command(commands, "check-update", "tell whether there is an update", "whats")
    _choice_flags(check)
    check.add_argument("-a", "--all", action="store_true", help="list all that are applicable")
    _json_flag(check)
    update = _command(commands, "update", "install an update and let it boot next")
    image = _command(commands, "update-image", "install an update, but do not let it boot yet")
    for parser in (update, image):
        _choice_flags(parser)
        _json_flag(parser)
        parser.add_argument(
            "--force", action="store_true", help="although the running boot is not confirmed yet"
        )
    _reboot_flag(update)
    text = "cache migrations, manifest and metadata of the next update; leaves the disk alone"
    _choice_flags(_command(commands, "prepare", text))
    _add_bundle(commands)


def _add_bundle(commands: _Commands) -> None:
    """Commands on repositories that are carried by hand."""
    text = "carry updates to machines without a network"
    actions = _command(commands, "bundle", text).add_subparsers(
        dest="action", metavar="ACTION", required=True
    )
    export = _command(actions, "export", "write one version with all it takes into one file")
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


def _add_switching(commands: _Commands) -> None:
    """Commands that only change boot bits; all work offline."""
    _reboot_flag(_command(commands, "update-apply", "let the installed update boot next"))
    _command(commands, "update-revert", "take update-apply back")
    text = "let the other set boot next again"
    _reboot_flag(_command(commands, "rollback", text, "rollback-to-inactive"))
    text = "confirm that the running system works"
    _command(commands, "mark-successful", text, "mark-successful-boot")


def _add_telling(commands: _Commands) -> None:
    """Commands that only tell."""
    _json_flag(_command(commands, "status", "show both partition sets and what boots next"))
    why = _command(commands, "why", "explain which update would be chosen and why the others not")
    _choice_flags(why)
    _json_flag(why)
    _json_flag(_command(commands, "doctor", "look for what is wrong; changes nothing"))
    text = "prove on a copy of a disk that no power cut leaves it unbootable"
    crashtest.add_flags(_command(commands, "crashtest", text))


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
    try:
        return Version.parse(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not a version such as 1.2.3") from error
