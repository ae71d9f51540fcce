"""What the command line of `updog` is made of: a parser, a command, and the flags that all have."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple, NoReturn, TypeAlias

from updog.errors import UsageError
from updog.logs import FORMS, LEVELS
from updog.mistyped import SuggestingParser, as_sentence


class Parser(SuggestingParser):
    """A parser whose mistakes end with exit code 64, like all errors of ours, instead of 2."""

    def error(self, message: str) -> NoReturn:
        """Report a usage error.

        Raises:
            UsageError: always.
        """
        raise UsageError(as_sentence(message), hint=f"See '{self.prog} --help'.")


class _Narrow(argparse.HelpFormatter):
    """Help of a fixed width; to ask for the terminal's loads more than most commands need."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, width=80)


class Terse(Parser):
    """A parser that never shows help, but would be ready to with each flag it gets."""

    def __init__(self, **kwargs: Any) -> None:  # noqa: ANN401
        super().__init__(**kwargs, formatter_class=_Narrow)


class Command(NamedTuple):
    """One command.

    Attributes:
        name: the word.
        text: what it does.
        flags: each adds flags of it.
        aliases: other words for it.
        module: where its ``run_parsed(arguments) -> exit code`` stands; empty for the commands of
            `updog.cli`.
    """

    name: str
    text: str
    flags: tuple[Callable[[Parser], None], ...] = ()
    aliases: tuple[str, ...] = ()
    module: str = ""


class ShowVersion(argparse.Action):
    """Prints the version of the distribution, which is looked up only then."""

    def __init__(self, option_strings: Sequence[str], dest: str, **kwargs: Any) -> None:  # noqa: ANN401
        super().__init__(option_strings, dest, nargs=0, **kwargs)

    def __call__(self, parser: argparse.ArgumentParser, *_parsed: object) -> NoReturn:
        """Print it and end."""
        from importlib.metadata import version  # noqa: PLC0415 - start-up: hardly ever asked

        sys.stdout.write(f"updog {version('updog-agent')}\n")
        parser.exit(0)


# argparse has no public name for what add_subparsers returns.
Commands: TypeAlias = "argparse._SubParsersAction[Parser]"  # noqa: SLF001


def add_global(
    parser: Parser, *, config: object, log_level: object, log_format: object, said: object
) -> None:
    """Flags that may stand before or after the command."""
    parser.add_argument(
        "--config", type=Path, metavar="PATH", default=config, help="configuration file"
    )
    parser.add_argument("--log-level", choices=LEVELS, default=log_level, help="default: info")
    parser.add_argument(
        "--log-format",
        choices=FORMS,
        default=log_format,
        help="default: auto, the journal under systemd and plain lines elsewhere",
    )
    parser.add_argument(
        "-q", "--quiet", action="store_true", default=said, help="results and errors only"
    )
    parser.add_argument(
        "-v", "--verbose", action="store_true", default=said, help="as --log-level debug"
    )


def add_command(commands: Commands, command: Command) -> Parser:
    """Add a command with its flags, and with those of every command."""
    parser = commands.add_parser(
        command.name,
        help=command.text,
        description=command.text,
        aliases=command.aliases,
        allow_abbrev=False,
    )
    silent = argparse.SUPPRESS  # absent here must not undo what stood before the command
    add_global(parser, config=silent, log_level=silent, log_format=silent, said=silent)
    parser.set_defaults(command=command.name, module=command.module)
    for add_flags in command.flags:
        add_flags(parser)
    return parser
