"""``updog-repo serve``: what is published, over HTTP, for trying things out."""

from __future__ import annotations

import argparse
import errno
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from repo_tools.commandline import Commands, json_flag
from repo_tools.console import answer, repository_of, say
from updog.errors import StorageError

if TYPE_CHECKING:
    from repo_tools.serve import Server

MOST_PORT = 65535
_HINTS = {
    errno.EADDRINUSE: "Another program listens there (ss -ltnp shows which). Choose another --port,"
    " or 0 for any that is free.",
    errno.EACCES: "Ports below 1024 take privileges. Choose another --port.",
    errno.EADDRNOTAVAIL: "Give an address of this machine by --host.",
}


def add(commands: Commands) -> None:
    """Add the command."""
    serve = commands.add("serve", "Serve what is published over HTTP, for trying things out")
    serve.add_argument("--host", default="127.0.0.1", help="address to listen on (127.0.0.1)")
    serve.add_argument("--port", type=_port, default=8000, help="0 takes any free one (8000)")
    json_flag(serve)
    serve.set_defaults(run=run_serve)


def run_serve(arguments: argparse.Namespace, _now: datetime) -> None:
    """Serve the published files until interrupted."""
    published = repository_of(arguments).published
    with _listening(published, arguments.host, arguments.port) as server:
        say(f"Serving {published}: metadata at /VARIANT/ARCH, targets at /targets.")
        say("Press Ctrl-C to stop.")
        answer(arguments, {"url": server.url}, [server.url])
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            say("Stopped.")


def _listening(published: Path, host: str, port: int) -> Server:
    """The server.

    Raises:
        StorageError: it cannot listen there.
    """
    from repo_tools.serve import Server  # noqa: PLC0415 - start-up: no other command needs HTTP

    try:
        return Server(published, host=host, port=port, log=say)
    except OSError as error:
        if error.filename is not None:  # the folder is at fault, not the address
            raise
        raise StorageError(
            f"Cannot listen on {host} port {port}: {error.strerror or error}.",
            hint=_HINTS.get(error.errno or 0, "Give an address of this machine by --host."),
        ) from error


def _port(text: str) -> int:
    if not (text.isdecimal() and int(text) <= MOST_PORT):
        raise argparse.ArgumentTypeError(f"{text!r} is not a port, 0 to {MOST_PORT}")
    return int(text)
