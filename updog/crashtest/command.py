"""The command ``updog crashtest``: a proof about power cuts, made on a copy of a real disk."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from partitions.layout import Slot
from updog.crashtest.diskcopy import private_copy
from updog.crashtest.flags import DESCRIPTION, OPERATIONS, SECTORS, add_flags
from updog.crashtest.report import Proof, as_json, as_text
from updog.crashtest.scenarios import Stand, scenarios
from updog.crashtest.trial import Trial
from updog.errors import InternalError
from updog.parsers import Parser


def run(arguments: Sequence[str]) -> int:
    """Run ``updog crashtest`` with these words after its name; see `run_parsed`.

    Raises:
        UsageError: the words are wrong.
        SystemExit: with 0, after printing help.
    """
    parser = Parser(prog="updog crashtest", description=DESCRIPTION, allow_abbrev=False)
    add_flags(parser)
    return run_parsed(parser.parse_args(arguments))


def run_parsed(said: argparse.Namespace) -> int:
    """Explore what the flags of `updog.crashtest.flags` say, and print the proof on stdout.

    Returns:
        0: every promise held on every disk. 70: a counterexample was found, and printed.

    Raises:
        PartitionError: the disk cannot be read, or is not one of ours.
        UpdogError: there is no room for the copy, or an operation failed without a power cut.
    """
    proof = _prove(said)
    sys.stdout.write((as_json(proof) if said.json else as_text(proof)) + "\n")
    return 0 if proof.holds else InternalError.exit_code


def _prove(said: argparse.Namespace) -> Proof:
    wanted = OPERATIONS if said.scenario == "all" else (said.scenario,)
    sectors = SECTORS if said.sector is None else (said.sector,)
    active = None if said.active is None else Slot(said.active)
    with private_copy(said.image) as (path, contents):
        stand = Stand(path, contents, active, tries=said.tries)
        return Trial(stand, scenarios(wanted), sectors, told=_tell).run()


def _tell(line: str) -> None:
    sys.stderr.write(f"Exploring {line}\n")
