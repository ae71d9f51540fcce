"""Completion from the parsers: ``python -m packaging_tools.completions OUT``.

Writes OUT/bash/updog, OUT/zsh/_updog, OUT/fish/updog.fish and so on, under the names that the
shells look for in their folders of completions.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import shtab

from packaging_tools import fish
from packaging_tools.programs import PROGRAMS, Program, subcommands, words

FOLDERS = {"bash": "{}", "zsh": "_{}", "fish": "{}.fish"}
"""By the name of a shell, what it calls the file of a program."""


def main(argv: Sequence[str] | None = None) -> int:
    """Write all files.

    Returns:
        The exit code.
    """
    asked = argparse.ArgumentParser(prog="python -m packaging_tools.completions")
    asked.add_argument("out", type=Path, metavar="OUT", help="folder; gets bash, zsh and fish")
    for path in write(asked.parse_args(argv).out):
        sys.stdout.write(f"{path}\n")
    return 0


def write(out: Path) -> Iterator[Path]:
    """Write all files, and tell which."""
    for shell, name in FOLDERS.items():
        folder = out / shell
        folder.mkdir(parents=True, exist_ok=True)
        for program in PROGRAMS:
            path = folder / name.format(program.name)
            path.write_text(completion(program, shell), encoding="utf-8")
            yield path


def completion(program: Program, shell: str) -> str:
    """One file.

    Args:
        program: whose.
        shell: ``bash``, ``zsh`` or ``fish``.
    """
    if shell == "fish":
        return fish.completion(program)
    parser = program.make()
    for each in (parser, *(word.parser for word in words(parser))):
        _prepare(each)
    made: str = shtab.complete(parser, shell=shell)
    return made


def _prepare(parser: argparse.ArgumentParser) -> None:
    """Tell shtab which arguments are files; the parsers of the programs know nothing of it."""
    for action in parser._actions:
        if action.choices is not None and action is not subcommands(parser):
            # Of a mapping shtab believes that it holds commands.
            action.choices = tuple(action.choices)
        if action.type is Path:
            folder = str(action.metavar).endswith("DIR")
            action.complete = shtab.DIRECTORY if folder else shtab.FILE  # type: ignore[attr-defined]


if __name__ == "__main__":
    sys.exit(main())
