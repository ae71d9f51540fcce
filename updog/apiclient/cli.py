"""The `apiclient` command: parse, ask, print (formats 10.5).

Results go to stdout, all else to stderr. Exit codes: 0 done, 1 it failed, 2 the command line is
wrong.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from time import sleep
from typing import TYPE_CHECKING

from partitions.colour import RED, YELLOW, paint
from updog.errors import UpdogError
from updog.redact import redactor

if TYPE_CHECKING:
    from updog.apiclient.connection import Connection
    from updog.apiclient.following import Follower

DEFAULT_SOCKET = Path("/run/api.sock")
ANSWER_TIMEOUT = 120.0
INTERRUPTED = 130
NOTHING_TO_DO = frozenset({"Idle", "Ready"})


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        argv: the words after the program name; None takes those of this process.

    Returns:
        The exit code.
    """
    args = parser().parse_args(argv)
    try:
        _COMMANDS[args.run](args)
        sys.stdout.flush()
    except UpdogError as error:
        hide = redactor(os.environ)
        # Without the program's name: others look for how this begins (formats 10.5).
        sys.stderr.write(f"{paint(hide(str(error)), RED, sys.stderr)}\n")
        if error.hint:
            sys.stderr.write(f"{paint('hint:', YELLOW, sys.stderr)} {hide(error.hint)}\n")
        return error.exit_code
    except KeyboardInterrupt:
        sys.stderr.write("\nInterrupted; the service goes on with what was begun.\n")
        return INTERRUPTED
    except BrokenPipeError:
        return 1
    return 0


def check(args: argparse.Namespace) -> None:
    """Refresh, and print the status."""
    from updog.apiclient.following import REFRESH

    with _follower(args) as follower:
        follower.run(REFRESH)
        status = follower.status()
    _print(_pretty(status))


def apply(args: argparse.Namespace) -> None:
    """Prepare and activate; with flags, refresh before and restart after."""
    from updog.apiclient.following import ACTIVATE, PREPARE, REFRESH

    with _follower(args) as follower:
        if args.check:
            follower.run(REFRESH)
            if follower.status()["update_state"] in NOTHING_TO_DO:
                return
        follower.run(PREPARE)
        follower.run(ACTIVATE)
    if args.reboot:
        reboot(args)
    else:
        _remark(args, "The update is applied and takes effect at the next reboot: apiclient reboot")


def cancel(args: argparse.Namespace) -> None:
    """End what is under way, or take an activation back."""
    from updog.apiclient.following import DEACTIVATE

    with _follower(args) as follower:
        if not follower.end():
            follower.run(DEACTIVATE)


def reboot(args: argparse.Namespace) -> None:
    """Restart the machine."""
    _connection(args).ask("POST", "/actions/reboot")
    _remark(args, "Rebooting, goodbye...")


def get(args: argparse.Namespace) -> None:
    """Print what GET answers; JSON in a form for people."""
    connection = _connection(args)
    told = []
    for uri in args.uri:
        answer = connection.ask("GET", uri if uri.startswith("/") else f"/{uri.replace('.', '/')}")
        is_json = "json" in answer.headers.get("content-type", "")
        body = answer.tree() if is_json else answer.body
        if args.json:
            told.append({"uri": uri, "body": body})
        else:
            _print(_pretty(body) if is_json else answer.body)
    if args.json:
        _print(_pretty(told))


def raw(args: argparse.Namespace) -> None:
    """Send any request, and print the body."""
    answer = _connection(args)._replace(told=None).ask(args.method, args.uri, args.data)
    if args.verbose:
        # As Bottlerocket's does (formats 10.5).
        sys.stderr.write(f"{answer.status} {answer.reason}\n")
    if args.json:
        is_json = "json" in answer.headers.get("content-type", "") and answer.body
        body = answer.tree() if is_json else answer.body
        _print(_pretty({"status": answer.status, "reason": answer.reason, "body": body}))
    else:
        _print(answer.body)


_COMMANDS: Mapping[str, Callable[[argparse.Namespace], None]] = {
    "check": check,
    "apply": apply,
    "cancel": cancel,
    "reboot": reboot,
    "get": get,
    "raw": raw,
}


def parser() -> argparse.ArgumentParser:
    """The parser of all commands, as help and manual show them."""
    parser = argparse.ArgumentParser(
        prog="apiclient",
        description="Speak to the update service of this machine.",
        epilog="Exit codes: 0 done, 1 it failed, 2 the command line is wrong.",
        allow_abbrev=False,
    )
    _add_global(parser, DEFAULT_SOCKET, None, said=False)
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    update = commands.add_parser("update", help="look for updates and apply them")
    actions = update.add_subparsers(metavar="ACTION", required=True)
    _json_flag(_add(actions, "check", "refresh, and print the status"), "the status is JSON always")
    applying = _add(actions, "apply", "write the chosen update and let it boot next")
    applying.add_argument("-c", "--check", action="store_true", help="refresh first")
    applying.add_argument("-r", "--reboot", action="store_true", help="restart on success")
    _add(actions, "cancel", "end what is under way, or take an activation back")
    _add(commands, "reboot", "restart the machine")
    getting = _add(commands, "get", "print what the service tells")
    _json_flag(getting, "one array of objects with uri and body")
    getting.add_argument("uri", nargs="+", metavar="URI", help="such as /updates/status, or os")
    asking = _add(commands, "raw", "send any request")
    asking.add_argument("-u", "--uri", required=True, metavar="URI", help="path and query")
    asking.add_argument(
        "-m", "-X", "--method", default="GET", metavar="METHOD", help="default: GET"
    )
    _json_flag(asking, "one object with status, reason and body")
    asking.add_argument("-d", "--data", metavar="DATA", help="a body, in JSON")
    return parser


# argparse has no public name for what add_subparsers returns.
def _add(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
    name: str,
    text: str,
) -> argparse.ArgumentParser:
    parser = commands.add_parser(name, help=text, description=text, allow_abbrev=False)
    silent = argparse.SUPPRESS  # absent here must not undo what stood before the command
    _add_global(parser, silent, silent, said=silent)
    parser.set_defaults(run=name)
    return parser


def _json_flag(parser: argparse.ArgumentParser, text: str) -> None:
    parser.add_argument("-j", "--json", action="store_true", help=text)


def _add_global(
    parser: argparse.ArgumentParser, path: object, timeout: object, *, said: object
) -> None:
    parser.add_argument(
        "-s",
        "--socket",
        "--socket-path",
        type=Path,
        default=path,
        metavar="PATH",
        help=f"the service's socket; default: {DEFAULT_SOCKET}",
    )
    parser.add_argument(
        "--timeout",
        type=_seconds,
        default=timeout,
        metavar="SECONDS",
        help="how long to wait for a command",
    )
    parser.add_argument(
        "-q", "--quiet", action="store_true", default=said, help="results and errors only"
    )
    parser.add_argument(
        "-v", "--verbose", action="store_true", default=said, help="show the status of answers"
    )


def _seconds(text: str) -> float:
    value = float(text)
    if not 0 < value < float("inf"):
        raise ValueError(text)
    return value


def _connection(args: argparse.Namespace) -> Connection:
    from updog.apiclient.connection import Connection

    told = sys.stderr.write if args.verbose else None
    return Connection(args.socket, args.timeout or ANSWER_TIMEOUT, told)


@contextmanager
def _follower(args: argparse.Namespace) -> Iterator[Follower]:
    from updog.apiclient.bar import Bar
    from updog.apiclient.following import Follower
    from updog.clock import SystemClock

    connection = _connection(args)
    if args.quiet or not sys.stderr.isatty():
        yield Follower(connection, SystemClock(), sleep, args.timeout)
        return
    bar = Bar(connection, sys.stderr)
    try:
        yield Follower(connection, SystemClock(), sleep, args.timeout, bar)
    finally:
        bar.clear()


def _pretty(tree: object) -> str:
    return json.dumps(tree, indent=2, ensure_ascii=False)


def _remark(args: argparse.Namespace, text: str) -> None:
    if not args.quiet:
        sys.stderr.write(f"{text}\n")


def _print(text: str) -> None:
    """A result, for stdout; nothing at all for an empty one."""
    if text:
        sys.stdout.write(text if text.endswith("\n") else f"{text}\n")


if __name__ == "__main__":
    sys.exit(main())
