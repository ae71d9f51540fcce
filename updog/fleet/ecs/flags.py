"""The command line of `updog-ecs`. Light: it imports nothing of AWS."""

from __future__ import annotations

import argparse
import math
from datetime import timedelta

from updog.fleet.budget import Budget
from updog.fleet.ecs.budget import parse_amount
from updog.fleet.ecs.options import ONE, THREE, Documents, Limits, Options
from updog.fleet.ecs.tasks import TaskPolicy
from updog.logs import LEVELS
from updog.parsers import Parser
from waves.duration import parse_offset
from waves.errors import WaveError

_EPILOG = """\
The summary goes to stdout, one line of JSON a run; the log goes to stderr.
Exit codes: see updog-ecs(1).
"""

# Which fields of `Limits` can be set, and what they mean.
_LIMITS = {
    "poll": "time between two looks at something that is awaited",
    "settle": "time between claiming an instance and looking whether the claim stands",
    "check": "time for a machine to print its status",
    "apply": "time for a machine to write the update",
    "drain": "time for tasks of services to go elsewhere",
    "tasks": "time for other tasks to end; see --tasks",
    "boot": "time for a machine to come back",
    "stale_after": "time until a claim that nobody renews counts as abandoned",
}


def parse(words: list[str] | None) -> argparse.Namespace:
    """Read the command line.

    Args:
        words: after the program's name; None takes those of this process.

    Raises:
        UsageError: it is wrong.
    """
    return parser().parse_args(words)


def options(args: argparse.Namespace) -> Options:
    """What the user decided, from a command line that was read."""
    return Options(
        Documents(args.check_document, args.apply_document, args.reboot_document),
        budget=args.budget,
        max_failures=args.max_failures,
        attempts=args.attempts,
        tasks=args.tasks,
        resume=args.resume,
        limits=Limits(**{name: getattr(args, f"limit_{name}") for name in _LIMITS}),
    )


def parser() -> Parser:
    """The command line."""
    made = Parser(
        prog="updog-ecs",
        description="Update the instances of an ECS cluster, a few at a time.",
        epilog=_EPILOG,
        allow_abbrev=False,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    # The first five are those of Bottlerocket's updater, which writes them with one dash.
    _same(made, "cluster", "name or ARN of the cluster")
    _same(made, "check-document", "SSM document that prints the status of a machine")
    _same(made, "apply-document", "SSM document that writes the update")
    _same(made, "reboot-document", "SSM document that restarts a machine")
    made.add_argument("--region", "-region", default="", help="default: as for any AWS program")
    _add_rules(made)
    for name, text in _LIMITS.items():
        made.add_argument(
            f"--{name.replace('_', '-')}-time",
            dest=f"limit_{name}",
            type=span,
            default=getattr(Limits(), name),
            metavar="SPAN",
            help=f"{text}; default: {getattr(Limits(), name)}",
        )
    made.add_argument("--log-level", choices=LEVELS, default="info")
    return made


def _add_rules(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--budget",
        type=_amount,
        default=ONE,
        metavar="N|N%",
        help="most instances that are away at once, by all updaters together; default: 1",
    )
    parser.add_argument(
        "--max-failures",
        type=_amount,
        default=THREE,
        metavar="N|N%",
        help="a version that failed on so many instances is given to no other one; default: 3",
    )
    parser.add_argument(
        "--attempts",
        type=_count,
        default=3,
        metavar="N",
        help="most attempts at one version on one instance; default: 3",
    )
    parser.add_argument(
        "--tasks",
        type=TaskPolicy,
        choices=list(TaskPolicy),
        default=TaskPolicy.SKIP,
        help="what becomes of tasks that no service replaces: their instance is skipped (default),"
        " they may end until --tasks-time is over, or they are stopped then",
    )
    parser.add_argument(
        "--resume", action="store_true", help="forget the failures of the past, and try again"
    )
    parser.add_argument(
        "--every",
        type=span,
        metavar="SPAN",
        help="do this again and again with so much time between, such as '30 minutes'",
    )


def _same(parser: argparse.ArgumentParser, name: str, text: str) -> None:
    parser.add_argument(f"--{name}", f"-{name}", required=True, metavar="NAME", help=text)


def span(text: str) -> timedelta:
    """A span: a number of seconds, or words such as ``25 minutes``.

    Raises:
        argparse.ArgumentTypeError: it is neither.
    """
    try:
        seconds = float(text)
    except ValueError:
        try:
            return parse_offset(text)
        except WaveError as error:
            raise argparse.ArgumentTypeError(str(error)) from error
    if not (math.isfinite(seconds) and 0 <= seconds <= _MOST_SECONDS):
        raise argparse.ArgumentTypeError(f"{text!r} is no span of time")
    return timedelta(seconds=seconds)


_MOST_SECONDS = 366 * 24 * 3600


def _amount(text: str) -> Budget:
    try:
        return parse_amount(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _count(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not int(text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1")
    return int(text)
