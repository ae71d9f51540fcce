"""What every command of ``updog-repo`` shares: its two output streams, and what its flags name."""

from __future__ import annotations

import argparse
import json
import logging
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from repo_tools.errors import ExitWith
from updog import logs
from updog.closedpipe import EX_SIGPIPE, let_go_of_stdout

PACKAGE = "repo_tools"
"""Logger whose level ``--quiet`` raises."""

if TYPE_CHECKING:
    from repo_tools.draft import Edition
    from repo_tools.repository import Repository


def result(line: str) -> None:
    """Write a line for whoever reads our output, a program perhaps.

    Raises:
        ExitWith: nobody reads it any more, which is theirs to decide and nothing to tell.
    """
    try:
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()
    except BrokenPipeError:
        let_go_of_stdout()
        raise ExitWith(EX_SIGPIPE) from None


def answer(arguments: argparse.Namespace, tree: object, lines: Iterable[str]) -> None:
    """Write a result as ``--json`` says.

    Args:
        arguments: of the command.
        tree: for programs; docs/schemas describes it.
        lines: for people.

    Raises:
        ExitWith: see `result`.
    """
    if arguments.json:
        result(json.dumps(tree, indent=2))
        return
    for line in lines:
        result(line)


def answer_path(arguments: argparse.Namespace, path: Path) -> None:
    """Write the one file that a command made or changed.

    Raises:
        ExitWith: see `result`.
    """
    answer(arguments, {"path": str(path)}, [str(path)])


def say(line: str) -> None:
    """Write a line for the person at the terminal, or into the journal; none with ``--quiet``."""
    log = logging.getLogger(PACKAGE)
    if log.level >= logging.ERROR:
        return
    if logs.structured():
        log.info("%s", line)
    else:
        insist(line)


def insist(line: str) -> None:
    """Write what must be read whatever the flags say: errors, questions, what is being signed."""
    sys.stderr.write(f"{line}\n")


def done(arguments: argparse.Namespace, line: str) -> None:
    """Say what has been done, unless the command was only rehearsed."""
    if not getattr(arguments, "dry_run", False):
        say(line)


def repository_of(arguments: argparse.Namespace) -> Repository:
    """Open the repository that the command names, only to rehearse if it says ``--dry-run``.

    Raises:
        UpdogError: there is none, or its keys cannot be read.
    """
    from repo_tools.repository import Repository

    rehearse = say if getattr(arguments, "dry_run", False) else None
    return Repository.open(arguments.dir, keys=arguments.keys, rehearse=rehearse)


def edition_of(arguments: argparse.Namespace) -> Edition:
    """The variant and architecture that the command names."""
    from repo_tools.draft import Edition

    return Edition(arguments.variant, arguments.arch)
