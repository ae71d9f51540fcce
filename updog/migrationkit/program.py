"""The command line of a migration, as the migrator calls it (formats 12)."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from updog.datastore.errors import StoreError
from updog.datastore.reader import read_store
from updog.datastore.writer import write_store
from updog.migrationkit.migration import Direction, Migration

FAILED = 1


def main(migration: Migration, argv: Sequence[str] | None = None) -> NoReturn:
    """Run a migration and end the process: 0 done, 1 failed, 2 called in a wrong way.

    Args:
        migration: what to run.
        argv: the words after the program's name; None takes those of this process.
    """
    sys.exit(run(migration, argv))


def run(migration: Migration, argv: Sequence[str] | None = None) -> int:
    """Like `main`, and return the exit code.

    Raises:
        SystemExit: with 2, after printing how to call it.
    """
    said = _parser(migration.name).parse_args(argv)
    try:
        store = read_store(said.source)
        write_store(said.target, migration.run(said.direction, store))
    except (StoreError, OSError) as error:
        sys.stderr.write(f"{migration.name}: {error}\n")
        return FAILED
    return 0


def _parser(name: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=name, description="Convert a settings data store.")
    ways = parser.add_mutually_exclusive_group(required=True)
    for way in Direction:
        ways.add_argument(f"--{way}", dest="direction", action="store_const", const=way)
    parser.add_argument(
        "--source-datastore", dest="source", type=Path, required=True, metavar="DIR"
    )
    parser.add_argument(
        "--target-datastore", dest="target", type=Path, required=True, metavar="DIR"
    )
    return parser
