"""The command line of `updog`, read; nothing is done here (formats 5.1)."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from updog.commands import COMMANDS
from updog.config import DEFAULT_PATH
from updog.errors import UsageError
from updog.logs import DETAILED
from updog.parsers import Command, Parser, ShowVersion, Terse, add_command, add_global

DESCRIPTION = "Update this machine from a signed repository onto its second partition set."
EPILOG = "Results go to stdout, everything else to stderr. Exit codes: see updog(8)."

_HELP = {"-h", "--help"}
# Flags that take the next word, which is then no command even if it reads like one.
_WITH_VALUE = frozenset(
    [
        "--config",
        "--log-level",
        "--log-format",
        "-i",
        "--image",
        "--version",
        "--variant",
        "--from",
        "--progress",
        "--socket",
    ]
)
_WORDS = frozenset(word for command in COMMANDS for word in (command.name, *command.aliases))


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
    words = _command_first(sys.argv[1:] if argv is None else argv)
    named = [
        command for command in COMMANDS if not {command.name, *command.aliases}.isdisjoint(words)
    ]
    # Making the parsers of all commands takes longer than most commands. Help shows them all, and
    # so does the message for a word that is none.
    if named and _HELP.isdisjoint(words):
        try:
            return _settled(_parser(Terse, named, environment).parse_args(words))
        except UsageError:
            if len(named) == len(COMMANDS):
                raise
    return _settled(_parser(Parser, COMMANDS, environment).parse_args(words))


def _settled(args: argparse.Namespace) -> argparse.Namespace:
    """Make one level of what `--quiet`, `--verbose` and `--log-level` say together.

    Raises:
        UsageError: they contradict each other.
    """
    if args.quiet and args.verbose:
        raise UsageError("--quiet and --verbose contradict each other.", hint="Give one of them.")
    usual = "error" if args.quiet else "info"
    args.log_level = args.log_level or usual
    if args.verbose and args.log_level not in DETAILED:
        args.log_level = "debug"
    return args


def parser() -> Parser:
    """The parser of all commands, as help and manual show them."""
    return _parser(Parser, COMMANDS, {})


def _command_first(words: Sequence[str]) -> Sequence[str]:
    """Move the command to the front: argparse knows the flags of a command only after it."""
    for index, word in enumerate(words):
        if word in _HELP:
            break
        if word in _WORDS and (index == 0 or words[index - 1] not in _WITH_VALUE):
            return (word, *words[:index], *words[index + 1 :])
    return words


def _parser(
    kind: type[Parser], commands: Iterable[Command], environment: Mapping[str, str]
) -> Parser:
    parser = kind(prog="updog", description=DESCRIPTION, epilog=EPILOG, allow_abbrev=False)
    config = Path(environment.get("UPDOG_CONFIG") or DEFAULT_PATH)
    add_global(parser, config=config, log_level=None, log_format="auto", said=False)
    parser.add_argument("--version", action=ShowVersion, help="show the version and end")
    chosen = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for command in commands:
        add_command(chosen, command)
    return parser
