"""The `updog-fleet` command: how a Kubernetes fleet stands, its brakes, and its two programs.

Results go to stdout, all else to stderr. Exit codes: docs/kubernetes.md.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from updog import failure
from updog.errors import InternalError, UsageError
from updog.logs import LEVELS
from updog.parsers import Parser

INTERRUPTED = 130
NAMESPACE = "brupop-bottlerocket-aws"


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        argv: the words after the program name; None takes those of this process.

    Returns:
        The exit code.
    """
    try:
        args = parser().parse_args(argv)
        _COMMANDS[args.command](args)
        sys.stdout.flush()
    except BrokenPipeError:
        from updog.closedpipe import EX_SIGPIPE, let_go_of_stdout

        let_go_of_stdout()
        return EX_SIGPIPE
    except ModuleNotFoundError as error:
        hint = "Install it with pip install 'updog-agent[kubernetes]'."
        return failure.told(InternalError(f"{error}.", hint=hint))
    except Exception as error:  # noqa: BLE001 - no traceback ever reaches a user
        return failure.told(error)
    except KeyboardInterrupt:
        return INTERRUPTED
    return 0


def parser() -> Parser:
    """The command line."""
    made = Parser(
        prog="updog-fleet",
        description="Look after updates of the nodes of a Kubernetes cluster.",
        epilog="Exit codes: see updog-fleet(1).",
        allow_abbrev=False,
    )
    commands = made.add_subparsers(metavar="COMMAND", dest="command", required=True)
    _reading(commands.add_parser("status", help="how the fleet stands"))
    why = commands.add_parser("why", help="why a node is where it is")
    why.add_argument("node", metavar="NODE", help="name of the node")
    _reading(why)
    for name, what in _BRAKES.items():
        one = commands.add_parser(name, help=what)
        if name != "halt":
            one.add_argument("node", metavar="NODE", nargs="?", help="only this node")
        if name != "resume":
            one.add_argument("--reason", default="", help="for those who wonder later")
        _connecting(one)
    for name, what in _PROGRAMS.items():
        one = commands.add_parser(name, help=what)
        one.add_argument(
            "--log-level",
            choices=LEVELS,
            default="info",
            help="how much is told on stderr",
        )
    return made


def status(args: argparse.Namespace) -> None:
    """Print how the fleet stands."""
    from updog.fleet.kubernetes.desk import print_status

    print_status(_place(args), sys.stdout, as_json=args.json)


def why(args: argparse.Namespace) -> None:
    """Print why a node is where it is."""
    from updog.fleet.kubernetes.desk import print_why

    print_why(_place(args), args.node, sys.stdout, as_json=args.json)


def pause(args: argparse.Namespace) -> None:
    """Begin nothing new, on a node or on all."""
    from updog.fleet.kubernetes.desk import pause as do

    do(_place(args), args.node, args.reason or "by updog-fleet pause")
    _remark("Nothing new is begun; what was begun is finished.")


def resume(args: argparse.Namespace) -> None:
    """Go on, on a node or on all."""
    from updog.fleet.kubernetes.desk import resume as do

    do(_place(args), args.node)
    _remark("It goes on; what failed before counts no more.")


def halt(args: argparse.Namespace) -> None:
    """Stop the rollout."""
    from updog.fleet.kubernetes.desk import halt as do

    do(_place(args), args.reason or "by updog-fleet halt")
    _remark("Nothing new is begun; what was begun is finished. To go on: updog-fleet resume")


def controller(args: argparse.Namespace) -> None:
    """Run the controller."""
    from updog.fleet.kubernetes.program import run_controller

    run_controller(args.log_level)


def agent(args: argparse.Namespace) -> None:
    """Run an agent."""
    from updog.fleet.kubernetes.program import run_agent

    run_agent(args.log_level)


_BRAKES = {
    "pause": "begin nothing new until resume",
    "resume": "go on after a pause, a halt or failures",
    "halt": "stop the rollout until resume",
}
_PROGRAMS = {
    "controller": "decide for the cluster; runs once in it",
    "agent": "look after one node; runs on each",
}
_COMMANDS: Mapping[str, Callable[[argparse.Namespace], None]] = {
    "status": status,
    "why": why,
    "pause": pause,
    "resume": resume,
    "halt": halt,
    "controller": controller,
    "agent": agent,
}


def _reading(one: argparse.ArgumentParser) -> None:
    _connecting(one)
    one.add_argument("--json", action="store_true", help="for programs")


def _connecting(one: argparse.ArgumentParser) -> None:
    one.add_argument(
        "-n", "--namespace", default=NAMESPACE, help=f"of the operator; default: {NAMESPACE}"
    )
    one.add_argument("--kubeconfig", type=Path, metavar="FILE", help="which cluster")
    one.add_argument("--context", metavar="NAME", help="which context of that file")


def _place(args: argparse.Namespace) -> tuple[str, Path | None, str | None]:
    if args.kubeconfig is not None and not args.kubeconfig.is_file():
        raise UsageError(f"{args.kubeconfig} is no file.", hint="Name a kubeconfig.")
    return args.namespace, args.kubeconfig, args.context


def _remark(text: str) -> None:
    sys.stderr.write(f"{text}\n")


if __name__ == "__main__":
    sys.exit(main())
