"""The command line of `updog`: names, flags and help; nothing is done here (formats 5.1)."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn, TypeAlias

from updog.agent import flags as agent
from updog.config import DEFAULT_PATH
from updog.crashtest import flags as crashtest
from updog.errors import UsageError
from updog.health import flags as health
from updog.logs import DETAILED, FORMS, LEVELS
from updog.migrate import flags as migrate
from updog.mistyped import SuggestingParser, as_sentence
from updog.service import flags as serving

if TYPE_CHECKING:
    from updog.version import Version

DESCRIPTION = "Update this machine from a signed repository onto its second partition set."
EPILOG = "Results go to stdout, everything else to stderr. Exit codes: see updog(8)."


class Parser(SuggestingParser):
    """A parser whose mistakes end with exit code 64, like all errors of ours, instead of 2."""

    def error(self, message: str) -> NoReturn:
        """Report a usage error.

        Raises:
            UsageError: always.
        """
        raise UsageError(as_sentence(message), hint=f"See '{self.prog} --help'.")


class _Narrow(argparse.HelpFormatter):
    """Help of a fixed width; to ask for the terminal's loads more than most commands need."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, width=80)


class _Terse(Parser):
    """A parser that never shows help, but would be ready to with each flag it gets."""

    def __init__(self, **kwargs: Any) -> None:  # noqa: ANN401
        super().__init__(**kwargs, formatter_class=_Narrow)


class Command(NamedTuple):
    """One command.

    Attributes:
        name: the word.
        text: what it does.
        flags: each adds flags of it.
        aliases: other words for it.
        module: where its ``run_parsed(arguments) -> exit code`` stands; empty for the commands of
            `updog.cli`.
    """

    name: str
    text: str
    flags: tuple[Callable[[Parser], None], ...] = ()
    aliases: tuple[str, ...] = ()
    module: str = ""


class _Version(argparse.Action):
    """Prints the version of the distribution, which is looked up only then."""

    def __init__(self, option_strings: Sequence[str], dest: str, **kwargs: Any) -> None:  # noqa: ANN401
        super().__init__(option_strings, dest, nargs=0, **kwargs)

    def __call__(self, parser: argparse.ArgumentParser, *_parsed: object) -> NoReturn:
        from importlib.metadata import version  # noqa: PLC0415 - start-up: hardly ever asked

        sys.stdout.write(f"updog {version('updog-agent')}\n")
        parser.exit(0)


# argparse has no public name for what add_subparsers returns.
_Commands: TypeAlias = "argparse._SubParsersAction[Parser]"  # noqa: SLF001


def parse(
    argv: Sequence[str] | None, environment: Mapping[str, str] = os.environ
) -> argparse.Namespace:
    """Parse a command line.

    Args:
        argv: the words after the program name; None takes those of this process.
        environment: where ``UPDOG_CONFIG`` may name the configuration file.

    Raises:
        UsageError: it is not one of ours.
        SystemExit: with 0, after printing help.
    """
    words = _command_first(sys.argv[1:] if argv is None else argv)
    named = [
        command for command in COMMANDS if not {command.name, *command.aliases}.isdisjoint(words)
    ]
    # Making the parsers of all commands takes longer than most commands. Help shows them all, and
    # so does the message for a word that is none.
    if named and _HELP.isdisjoint(words):
        try:
            return _settled(_parser(_Terse, named, environment).parse_args(words))
        except UsageError:
            if len(named) == len(COMMANDS):
                raise
    return _settled(_parser(Parser, COMMANDS, environment).parse_args(words))


def _settled(args: argparse.Namespace) -> argparse.Namespace:
    """Make one level of what `--quiet`, `--verbose` and `--log-level` say together.

    Raises:
        UsageError: they contradict each other.
    """
    if args.quiet and args.verbose:
        raise UsageError("--quiet and --verbose contradict each other.", hint="Give one of them.")
    usual = "error" if args.quiet else "info"
    args.log_level = args.log_level or usual
    if args.verbose and args.log_level not in DETAILED:
        args.log_level = "debug"
    return args


def parser() -> Parser:
    """The parser of all commands, as help and manual show them."""
    return _parser(Parser, COMMANDS, {})


def _command_first(words: Sequence[str]) -> Sequence[str]:
    """Move the command to the front: argparse knows the flags of a command only after it."""
    for index, word in enumerate(words):
        if word in _HELP:
            break
        if word in _WORDS and (index == 0 or words[index - 1] not in _WITH_VALUE):
            return (word, *words[:index], *words[index + 1 :])
    return words


def _parser(
    kind: type[Parser], commands: Iterable[Command], environment: Mapping[str, str]
) -> Parser:
    parser = kind(prog="updog", description=DESCRIPTION, epilog=EPILOG, allow_abbrev=False)
    config = Path(environment.get("UPDOG_CONFIG") or DEFAULT_PATH)
    _add_global(parser, config=config, log_level=None, log_format="auto", said=False)
    parser.add_argument("--version", action=_Version, help="show the version and end")
    chosen = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for command in commands:
        _add(chosen, command)
    return parser


def _add_global(
    parser: Parser, *, config: object, log_level: object, log_format: object, said: object
) -> None:
    """Flags that may stand before or after the command."""
    parser.add_argument(
        "--config", type=Path, metavar="PATH", default=config, help="configuration file"
    )
    parser.add_argument("--log-level", choices=LEVELS, default=log_level, help="default: info")
    parser.add_argument(
        "--log-format",
        choices=FORMS,
        default=log_format,
        help="default: auto, the journal under systemd and plain lines elsewhere",
    )
    parser.add_argument(
        "-q", "--quiet", action="store_true", default=said, help="results and errors only"
    )
    parser.add_argument(
        "-v", "--verbose", action="store_true", default=said, help="as --log-level debug"
    )


def _add(commands: _Commands, command: Command) -> Parser:
    parser = commands.add_parser(
        command.name,
        help=command.text,
        description=command.text,
        aliases=command.aliases,
        allow_abbrev=False,
    )
    silent = argparse.SUPPRESS  # absent here must not undo what stood before the command
    _add_global(parser, config=silent, log_level=silent, log_format=silent, said=silent)
    parser.set_defaults(command=command.name, module=command.module)
    for add_flags in command.flags:
        add_flags(parser)
    return parser


def _bundle_actions(parser: Parser) -> None:
    """What can be done with repositories that are carried by hand."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    text = "write one version with all it takes into one file"
    export = _add(actions, Command("export", text))
    export.set_defaults(command="bundle")
    export.add_argument("file", type=Path, metavar="FILE", help="the tar file to write")
    export.add_argument(
        "-i",
        "--image",
        "--version",
        type=_version,
        metavar="VERSION",
        help="exactly this version; default: the highest",
    )
    export.add_argument("--variant", metavar="NAME", help="carry for another variant")
    _source_flag(export)
    export.add_argument("--force", action="store_true", help="replace FILE if it is there")
    _json_flag(export)


def _choice_flags(parser: Parser) -> None:
    parser.add_argument(
        "-i", "--image", type=_version, metavar="VERSION", help="exactly this version"
    )
    parser.add_argument(
        "-n",
        "--now",
        "--ignore-waves",
        dest="ignore_waves",
        action="store_true",
        help="do not wait for this host's turn",
    )
    parser.add_argument("--variant", metavar="NAME", help="choose for another variant")
    _source_flag(parser)


def _source_flag(parser: Parser) -> None:
    parser.add_argument(
        "--from",
        dest="source",
        type=Path,
        metavar="PATH",
        help="use this bundle or directory instead of the network",
    )


def _json_flag(parser: Parser) -> None:
    parser.add_argument("-j", "--json", action="store_true", help="JSON on stdout")


def _reboot_flag(parser: Parser) -> None:
    parser.add_argument("-r", "--reboot", action="store_true", help="restart on success")


def _version(text: str) -> Version:
    from updog.version import Version  # noqa: PLC0415 - start-up: few commands take one

    try:
        return Version.parse(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not a version such as 1.2.3") from error


def _all_flag(parser: Parser) -> None:
    parser.add_argument("-a", "--all", action="store_true", help="list all that are applicable")


def _force_flag(parser: Parser) -> None:
    parser.add_argument(
        "--force", action="store_true", help="although the running boot is not confirmed yet"
    )


def _work_flags(parser: Parser) -> None:
    """How an installation behaves towards those who watch and those who share the machine."""
    parser.add_argument(
        "--progress",
        choices=("auto", "json"),
        default="auto",
        help="a line at a terminal (auto), or JSON lines on stderr",
    )
    parser.add_argument(
        "--idle", action="store_true", help="take CPU and disk only when nobody else wants them"
    )


_HELP = {"-h", "--help"}
# Flags that take the next word, which is then no command even if it reads like one.
_WITH_VALUE = frozenset(
    [
        "--config",
        "--log-level",
        "--log-format",
        "-i",
        "--image",
        "--version",
        "--variant",
        "--from",
        "--progress",
        "--socket",
    ]
)
_INSTALLING = (_choice_flags, _json_flag, _force_flag, _work_flags)
COMMANDS = (
    # Commands that choose an update.
    Command(
        "check-update",
        "tell whether there is an update",
        (_choice_flags, _all_flag, _json_flag),
        ("whats",),
    ),
    Command("update", "install an update and let it boot next", (*_INSTALLING, _reboot_flag)),
    Command("update-image", "install an update, but do not let it boot yet", _INSTALLING),
    Command(
        "prepare",
        "cache migrations, manifest and metadata of the next update; leaves the disk alone",
        (_choice_flags, _json_flag),
    ),
    Command("bundle", "carry updates to machines without a network", (_bundle_actions,)),
    # Commands that only change boot bits; all work offline.
    Command("update-apply", "let the installed update boot next", (_reboot_flag,)),
    Command("update-revert", "take update-apply back"),
    Command(
        "rollback", "let the other set boot next again", (_reboot_flag,), ("rollback-to-inactive",)
    ),
    Command(
        "mark-successful",
        "confirm that the running system works",
        (health.skip_flag,),
        aliases=("mark-successful-boot",),
        module="updog.health.command",
    ),
    Command(
        "bad-versions",
        "show or clear the versions that failed on this host",
        (health.clear_flags, _json_flag),
        module="updog.health.command",
    ),
    Command(
        "migrate",
        "make the settings those of the running version; works offline",
        (migrate.add_flags,),
        module="updog.migrate.command",
    ),
    Command(
        "agent",
        "keep this machine up to date by its schedule",
        (agent.once_flag,),
        module="updog.agent.command",
    ),
    # Commands that only tell.
    Command(
        "schedule",
        "show when this host asks, installs and restarts next",
        (_json_flag,),
        module="updog.agent.command",
    ),
    Command("status", "show both partition sets and what boots next", (_json_flag,)),
    Command(
        "plan",
        "show what installing the chosen update would move, by every way there is",
        (_choice_flags, _json_flag),
        module="updog.plan.command",
    ),
    Command(
        "why",
        "explain which update would be chosen and why the others not",
        (_choice_flags, _json_flag),
    ),
    Command("doctor", "look for what is wrong; changes nothing", (_json_flag,)),
    Command(
        "crashtest",
        "prove on a copy of a disk that no power cut leaves it unbootable",
        (crashtest.add_flags,),
        module="updog.crashtest.command",
    ),
    Command(
        "serve",
        "answer the update API on a Unix socket until a signal ends it",
        (serving.add_flags,),
        module="updog.service.command",
    ),
)
_WORDS = frozenset(word for command in COMMANDS for word in (command.name, *command.aliases))
