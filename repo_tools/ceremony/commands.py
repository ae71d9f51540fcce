"""``updog-repo root …`` and ``updog-repo key …``: what may be typed.

What they do is in `repo_tools.ceremony.steps`.
"""

from __future__ import annotations

import argparse
from datetime import datetime
from pathlib import Path

from repo_tools.commandline import Commands, Parser, dry_run_flag, json_flag

ROLES = ("root", "targets", "snapshot", "timestamp")


def add(commands: Commands) -> None:
    """Add the commands."""
    _root(commands.group("root", "Make, change, sign and accept a root, on several machines"))
    _key(commands.group("key", "Make a key, or tell the public half of one"))


def _root(group: Commands) -> None:
    _expires(_draft(group, "init", "Begin version 1 of a root, without keys"))
    rotate = _draft(group, "rotate", "Begin the version after the last root, with its keys")
    _last(rotate, required=True)
    _expires(rotate)
    _keys(_draft(group, "add-key", "Give keys to a role"))
    gone = _draft(group, "remove-key", "Take a key away from a role")
    gone.add_argument("role", choices=ROLES, metavar="ROLE", help=", ".join(ROLES))
    gone.add_argument("key", metavar="KEY", help="beginning of the key id, or where the key is")
    most = _draft(group, "threshold", "Say how many keys of a role must sign")
    most.add_argument("role", choices=ROLES, metavar="ROLE", help=", ".join(ROLES))
    most.add_argument("number", metavar="N", type=int)
    when = _draft(group, "expire", "Set the expiry")
    when.add_argument("when", metavar="WHEN", help="'365 days' from now, or an RFC 3339 time")
    _signing(group)
    _last(_reading(group, "show", "Show a root and who has signed it"))
    _last(_reading(group, "diff", "Show what a root changes against the last one"))
    accept = group.add_bare("accept", "Take a fully signed root into a repository")
    accept.add_argument("dir", metavar="DIR", type=Path, help="folder of the repository")
    accept.add_argument("draft", metavar="DRAFT", type=Path, help="file of the root")
    dry_run_flag(accept)
    json_flag(accept)
    accept.set_defaults(run=_step, step="accept")


def _signing(group: Commands) -> None:
    sign = _last(_draft(group, "sign", "Show what is changed, ask, and add one signature"))
    sign.add_argument("--key", metavar="KEY", required=True, help="PEM file or URI of the key")
    sign.add_argument("--yes", action="store_true", help="sign without asking")
    merge = _draft(group, "merge", "Collect the signatures of other copies of the draft")
    merge.add_argument("copies", metavar="COPY", type=Path, nargs="+")


def _key(group: Commands) -> None:
    new = group.add_bare("new", "Make a private key, mode 0600; prints its id")
    new.add_argument("path", metavar="FILE", type=Path, help="PEM file to make")
    new.add_argument("--key-type", choices=["ed25519", "ecdsa", "rsa"], default="ed25519")
    new.add_argument(
        "--encrypt", action="store_true", help="with UPDOG_PASSPHRASE, or one that is asked for"
    )
    json_flag(new)
    dry_run_flag(new)
    new.set_defaults(run=_step, step="new_key")
    public = group.add_bare("public", "Print the public half of a key as PEM")
    public.add_argument("key", metavar="KEY", help="PEM file or URI of the key")
    json_flag(public)
    public.set_defaults(run=_step, step="public_half")


def _draft(group: Commands, name: str, summary: str) -> Parser:
    """A command that writes a draft."""
    command = _reading(group, name, summary)
    dry_run_flag(command)
    return command


def _reading(group: Commands, name: str, summary: str) -> Parser:
    command = group.add_bare(name, summary)
    command.add_argument("draft", metavar="DRAFT", type=Path, help="file of the root")
    json_flag(command)
    command.set_defaults(run=_step, step=name.replace("-", "_"))
    return command


def _keys(command: Parser) -> None:
    command.add_argument("role", choices=ROLES, metavar="ROLE", help=", ".join(ROLES))
    command.add_argument(
        "key", metavar="KEY", nargs="+", help="PEM file (a public key will do) or URI"
    )


def _last(command: Parser, *, required: bool = False) -> Parser:
    command.add_argument(
        "--last",
        metavar="FILE|DIR",
        type=Path,
        required=required,
        help="last root, or its repository"
        if required
        else "last root, or its repository (N.root.json beside the draft)",
    )
    return command


def _expires(command: Parser) -> None:
    command.add_argument(
        "--expires", metavar="WHEN", default="365 days", help="as for expire (365 days)"
    )


def _step(arguments: argparse.Namespace, now: datetime) -> None:
    """Do one step; the module with all the cryptography is loaded only then."""
    from repo_tools.ceremony import steps

    steps.STEPS[arguments.step](arguments, now)
