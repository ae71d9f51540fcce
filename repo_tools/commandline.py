"""What every command of ``updog-repo`` is made of: parsers, and the flags that many of them have.

Apart from `repo_tools.arguments`, so that the module of a feature can import this and be listed
there. Such a module has ``add(commands: Commands) -> None``.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import NoReturn

from updog.errors import UsageError
from updog.mistyped import SuggestingParser, as_sentence
from updog.version import Version


class Parser(SuggestingParser):
    """Ends with 64 on a wrong command line, as sysexits.h and our other commands do."""

    def error(self, message: str) -> NoReturn:
        """Print the usage and what was wrong, and end."""
        self.print_usage(sys.stderr)
        more = f"See '{self.prog} --help'."
        self.exit(UsageError.exit_code, f"{self.prog}: {as_sentence(message)}\n{more}\n")


class Commands:
    """Adds commands; most begin with the folder of the repository.

    A command that is not in the table of `repo_tools.cli` names its function itself, by
    ``set_defaults(run=...)``; it is called with the arguments and the time of the run.
    """

    def __init__(self, within: argparse._SubParsersAction[Parser]) -> None:
        self._within = within

    def add_bare(self, name: str, summary: str) -> Parser:
        """Add a command that has no repository."""
        command = self._within.add_parser(name, help=summary, description=f"{summary}.")
        # Absent here, they must not undo what stood before the command.
        loudness_flags(command, argparse.SUPPRESS)
        return command

    def group(self, name: str, summary: str) -> Commands:
        """Add a word that has commands of its own, such as ``waves show``."""
        below = self.add_bare(name, summary)
        return Commands(
            below.add_subparsers(
                dest="action", metavar="ACTION", required=True, parser_class=Parser
            )
        )

    def add(self, name: str, summary: str) -> Parser:
        """Add a command that begins with the folder of the repository."""
        command = self.add_bare(name, summary)
        command.add_argument("dir", metavar="DIR", type=Path, help="folder of the repository")
        command.add_argument(
            "--keys", metavar="DIR", type=Path, help="folder of the private keys (DIR/keys)"
        )
        return command


def release_flags(command: argparse.ArgumentParser) -> None:
    """Add the flags that name one release: variant, architecture and version."""
    command.add_argument("--variant", required=True)
    command.add_argument("-a", "--arch", required=True)
    command.add_argument("-v", "--version", metavar="VERSION", type=version, required=True)


def edition_filter(command: argparse.ArgumentParser) -> None:
    """Add the flags that leave some variants and architectures out."""
    command.add_argument("--variant", help="only this one (all)")
    command.add_argument("-a", "--arch", help="only this one (all)")


def version(text: str) -> Version:
    """A semantic version, with or without a leading ``v``, for argparse's ``type``."""
    try:
        return Version.parse(text.removeprefix("v"))
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def loudness_flags(command: argparse.ArgumentParser, default: object) -> None:
    """Add ``--quiet`` and ``--verbose``; ``-v`` is the version of a release in this program."""
    command.add_argument(
        "-q", "--quiet", action="store_true", default=default, help="results and errors only"
    )
    command.add_argument(
        "--verbose", action="store_true", default=default, help="tell details, also of errors"
    )


def json_flag(command: argparse.ArgumentParser) -> None:
    """Add ``--json``; `repo_tools.console.answer` heeds it."""
    command.add_argument("-j", "--json", action="store_true", help="JSON on stdout")


def dry_run_flag(command: argparse.ArgumentParser) -> None:
    """Add ``--dry-run``; `repo_tools.console.repository_of` then gives one that writes nothing."""
    command.add_argument(
        "--dry-run", action="store_true", help="say what would be done, and write nothing"
    )
