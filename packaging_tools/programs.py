"""The programs, each with its parser and what a parser does not know."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from partitions import signpost
from repo_tools import arguments as repo_arguments
from updog import arguments as updog_arguments
from updog import exitcodes
from updog.apiclient import cli as apiclient
from updog.exitcodes import ExitCode
from updog.fleet import cli as fleet
from updog.fleet.ecs import flags as ecs

Entries = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Program:
    """One program.

    Attributes:
        name: as it is called.
        section: of the manual.
        summary: a line for the index.
        make: makes its parser.
        exit_codes: what it may end with.
        environment: variables that it reads.
        files: that it reads or writes.
        see_also: other pages.
        verbs: commands that are choices of its first word, not parsers of their own.
    """

    name: str
    section: int
    summary: str
    make: Callable[[], argparse.ArgumentParser]
    exit_codes: tuple[ExitCode, ...]
    environment: Entries
    files: Entries
    see_also: tuple[str, ...]
    verbs: Entries = ()


@dataclass(frozen=True, slots=True)
class Word:
    """A command as it is typed.

    Attributes:
        path: its words, after the name of the program.
        parser: of its flags.
        summary: in a line.
        aliases: other names of its last word.
        below: whether more words follow.
    """

    path: tuple[str, ...]
    parser: argparse.ArgumentParser
    summary: str
    aliases: tuple[str, ...] = ()
    below: bool = False


def words(parser: argparse.ArgumentParser, path: tuple[str, ...] = ()) -> Iterator[Word]:
    """Every command below a parser, groups before what is in them."""
    group = subcommands(parser)
    if group is None:
        return
    helps = {choice.dest: choice.help or "" for choice in group._choices_actions}
    named: dict[int, list[str]] = {}
    for name, below in group.choices.items():
        named.setdefault(id(below), []).append(name)
    for first, *aliases in named.values():
        below = group.choices[first]
        more = subcommands(below) is not None
        here = (*path, first)
        yield Word(here, below, helps.get(first, ""), tuple(aliases), more)
        yield from words(below, here)


def subcommands(
    parser: argparse.ArgumentParser,
) -> argparse._SubParsersAction[argparse.ArgumentParser] | None:
    """The group of commands that a parser has, if it has one."""
    found = (a for a in parser._actions if isinstance(a, argparse._SubParsersAction))
    return next(found, None)


def flags_of(parser: argparse.ArgumentParser) -> tuple[argparse.Action, ...]:
    """Flags and arguments that are shown; no help, no commands."""
    return tuple(
        action
        for action in parser._actions
        if action.help != argparse.SUPPRESS
        and not isinstance(action, argparse._SubParsersAction | argparse._HelpAction)
    )


def help_text(parser: argparse.ArgumentParser, action: argparse.Action) -> str:
    """What help says about a flag, with its defaults filled in."""
    return parser._get_formatter()._expand_help(action) if action.help else ""


_NO_COLOR = ("NO_COLOR", "Not empty: no colour. There is none either where output is no terminal.")
_CONFIG = ("UPDOG_CONFIG", "The configuration file, unless --config names one.")
_LOGS = (
    (
        "JOURNAL_STREAM",
        "Set by systemd: where stderr is that stream, logs go to the journal with their fields.",
    ),
    ("UPDOG_JOURNAL_SOCKET", "The journal's socket; default: /run/systemd/journal/socket."),
)

PROGRAMS = (
    Program(
        "updog",
        8,
        "update this machine onto its second partition set",
        updog_arguments.parser,
        exitcodes.UPDOG,
        (_CONFIG, _NO_COLOR, *_LOGS),
        (
            ("/etc/updog.toml", "The configuration."),
            ("/etc/updog.d/*.toml", "More of it, read in the order of their names."),
            ("/usr/share/updog/root.json", "The root of trust that the image brought."),
            ("/etc/updog/check/required.d", "Health checks that a boot must pass."),
            ("/run/api.sock", "Where the update API is answered."),
        ),
        ("signpost(8)", "apiclient(1)", "updog-repo(1)"),
    ),
    Program(
        "signpost",
        8,
        "show and change which partition set a machine boots",
        signpost.parser,
        exitcodes.SIGNPOST,
        (_CONFIG, _NO_COLOR),
        (("/etc/updog.toml", "Names the disk whose versions are known; need not exist."),),
        ("updog(8)", "sgdisk(8)", "cgpt(1)"),
        tuple((name, verb.summary) for name, verb in signpost.VERBS.items()),
    ),
    Program(
        "updog-repo",
        1,
        "make and publish a signed repository of OS updates",
        repo_arguments.parser,
        exitcodes.UPDOG_REPO,
        (("UPDOG_PASSPHRASE", "Opens encrypted private keys."), _NO_COLOR),
        (
            ("DIR/keys", "Private keys, mode 0600."),
            ("DIR/publish.toml", "Where to publish, and for how long."),
        ),
        ("updog(8)",),
    ),
    Program(
        "apiclient",
        1,
        "speak to the update service of this machine",
        apiclient.parser,
        exitcodes.APICLIENT,
        (_NO_COLOR,),
        (("/run/api.sock", "The service's socket."),),
        ("updog(8)",),
    ),
    Program(
        "updog-fleet",
        1,
        "look after updates of the nodes of a Kubernetes cluster",
        fleet.parser,
        exitcodes.FLEET,
        (
            ("KUBECONFIG", "Which cluster, unless --kubeconfig names a file."),
            (
                "MAX_CONCURRENT_UPDATE, DRAIN_POLICY, MY_NODE_NAME and more",
                "Settings of controller and agent; docs/kubernetes.md has them all.",
            ),
            _NO_COLOR,
        ),
        (
            ("~/.kube/config", "Which cluster, where nothing else says it."),
            ("/run/api.sock", "Where the agent of a node speaks to its machine."),
        ),
        ("updog(8)", "apiclient(1)", "updog-ecs(1)"),
    ),
    Program(
        "updog-ecs",
        1,
        "update the instances of an ECS cluster, a few at a time",
        ecs.parser,
        exitcodes.ECS,
        (
            ("AWS_PROFILE, AWS_REGION and more", "Credentials and region, as for any AWS program."),
            (
                "TASK_DEFINITION_ARN",
                "Whose tasks yield to each other; ECS's metadata says so, too.",
            ),
            _NO_COLOR,
        ),
        (),
        ("updog(8)", "apiclient(1)", "updog-fleet(1)"),
    ),
)
