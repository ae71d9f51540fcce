"""The ``signpost`` command: look at the boot bits of a disk, and change them.

Each command is one read, one change in memory, one write. Exit status 0; 1 with a message on
standard error; 2 for wrong usage (formats 9.4 and 9.5). Nobody ever sees a traceback.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from partitions.bootcontrol import BootStatus, GptBootControl
from partitions.bootflags import MAX_TRIES
from partitions.bootreport import Labels, boot_json, status_lines, version_lines
from partitions.colour import RED, paint
from partitions.errors import PartitionError
from partitions.slot import Slot
from partitions.sysfs import Located, device_of, from_disk, locate

Labeller: TypeAlias = Callable[[BootStatus], Labels]
Keeper: TypeAlias = Callable[[Located], GptBootControl]
"""From a disk to its boot bits, wherever these are kept."""


@dataclass(frozen=True, slots=True)
class _Options:
    """What was said on the command line, as values."""

    verb: _Verb
    disk: Path | None
    active: Slot | None
    tries: int
    force: bool
    as_json: bool
    quiet: bool
    verbose: bool
    sysroot: Path
    root_device: int | None
    labels: Labeller


@dataclass(frozen=True, slots=True)
class _Verb:
    """One command: what it does, in a line for the help, and the options that it takes."""

    run: Callable[[GptBootControl, _Options], None]
    summary: str
    takes: frozenset[str] = frozenset()


def unlabelled(_status: BootStatus) -> Labels:
    """Nothing is known about what the sets hold."""
    return Labels()


def main(
    argv: Sequence[str] | None = None,
    labels: Labeller = unlabelled,
    keeper: Keeper = GptBootControl,
) -> int:
    """Run one command and return its exit status.

    Args:
        argv: the words after the program name; None: those of the process.
        labels: tells ``status`` which versions the sets hold, where that is known.
        keeper: knows where the boot bits of a disk are kept.
    """
    options = _parse(argv, labels)
    try:
        located = _located(options)
        if options.verbose:
            _complain(f"disk {located.disk}, set {located.active or 'that boots next'} runs")
        options.verb.run(keeper(located), options)
        sys.stdout.flush()  # here, where a closed pipe is dealt with, and not at the very end
    except BrokenPipeError:
        # Whoever read our output is gone; Python must not complain about that once more at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        _complain("signpost: nobody reads the output any more; a change that was asked for is made")
        return 1
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - the last one to hear of it
        if options.verbose:
            import traceback

            traceback.print_exception(error)
        _complain(f"{paint('signpost:', RED, sys.stderr)} {_message(error)}")
        return 1
    return 0


def _message(error: BaseException) -> str:
    if isinstance(error, PartitionError):
        return str(error)
    if isinstance(error, KeyboardInterrupt):
        return "interrupted; one copy of the table is whole, see 'signpost status'"
    if isinstance(error, OSError):
        return f"{error.filename or 'the system'}: {error.strerror or error}"
    return f"internal error: {type(error).__name__}: {error}. Please report it"


def _status(control: GptBootControl, options: _Options) -> None:
    status = control.status()
    labels = options.labels(status)
    if options.as_json:
        _say(boot_json(status, labels))
        return
    _say("\n".join((*status_lines(status), *version_lines(status, labels))))
    _tell_notes(options, status.notes)


def _next(control: GptBootControl, options: _Options) -> None:
    following = control.next_boot()
    named = "None" if following.slot is None else f"Set {following.slot}"
    tree = {"next": following.slot, "why": following.why}
    _answer(options, tree, (named, following.why))


def _ever_succeeded(control: GptBootControl, options: _Options) -> None:
    succeeded = control.has_ever_succeeded()
    _answer(options, {"ever_succeeded": succeeded}, ("true",) if succeeded else ())


def _repair(control: GptBootControl, options: _Options) -> None:
    before = control.repair()
    found = [{"copy": each.copy.value, "what": each.what} for each in before.findings]
    tree = {"why": before.why, "repaired": found, "notes": list(before.notes)}
    _answer(options, tree, (before.why, *(f"repaired: {each}" for each in before.findings)))
    _tell_notes(options, before.notes)


VERBS = {
    "status": _Verb(_status, "print the sets, the running one, and the next", frozenset({"json"})),
    "clear-inactive": _Verb(
        lambda control, options: control.clear_inactive(force=options.force),
        "make the inactive set unbootable, so that it can be written",
        frozenset({"force"}),
    ),
    "mark-inactive-valid": _Verb(
        lambda control, options: control.mark_inactive_valid(options.tries),
        "the inactive set is written and checked; grant it its tries",
        frozenset({"tries"}),
    ),
    "upgrade-to-inactive": _Verb(
        lambda control, _options: control.activate(),
        "choose the inactive, valid set for the next boot",
    ),
    "cancel-upgrade": _Verb(lambda control, _options: control.cancel(), "undo upgrade-to-inactive"),
    "mark-successful-boot": _Verb(
        lambda control, _options: control.mark_successful(), "confirm the running boot"
    ),
    "rollback-to-inactive": _Verb(
        lambda control, _options: control.rollback(),
        "choose the inactive set for the next boot because it has booted before",
    ),
    "has-boot-ever-succeeded": _Verb(
        _ever_succeeded,
        "print 'true' if any boot from this disk was ever confirmed",
        frozenset({"json"}),
    ),
    "rewrite-table": _Verb(
        lambda control, _options: control.rewrite_table(), "write the table as it is"
    ),
    "repair": _Verb(_repair, "make both copies of the table whole and equal", frozenset({"json"})),
    "next": _Verb(
        _next, "print which set the bootloader would boot now, and why", frozenset({"json"})
    ),
}


def _tell_notes(options: _Options, notes: Iterable[str]) -> None:
    for note in () if options.quiet else notes:
        _complain(f"note: {note}")


def _answer(options: _Options, tree: Mapping[str, object], lines: Iterable[str]) -> None:
    """Print a result as ``--json`` says."""
    if options.as_json:
        import json

        _say(json.dumps(tree, indent=2))
        return
    for line in lines:
        _say(line)


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")


def _complain(line: str) -> None:
    with contextlib.suppress(OSError):  # nobody listens: the exit status has to do
        sys.stderr.write(f"{line}\n")


def _located(options: _Options) -> Located:
    number = options.root_device

    def stat_root(root: Path) -> int:
        return device_of(root) if number is None else number

    if options.disk is None:
        found = locate(options.sysroot, stat_root=stat_root)
        return found if options.active is None else _with_active(found, options.active)
    return from_disk(options.disk, options.active, options.sysroot, stat_root=stat_root)


def _with_active(found: Located, active: Slot) -> Located:
    return Located(disk=found.disk, active=active, nodes=found.nodes)


def _parse(argv: Sequence[str] | None, labels: Labeller) -> _Options:
    grammar = parser()
    said = grammar.parse_args(argv)
    verb = VERBS[said.command]
    for name in ("json", "force", "tries"):
        if getattr(said, name) and name not in verb.takes:
            grammar.error(f"{said.command} does not take --{name}")
    return _Options(
        verb=verb,
        disk=said.disk,
        active=said.active,
        tries=said.tries or 1,
        force=said.force,
        as_json=said.json,
        quiet=said.quiet,
        verbose=said.verbose,
        sysroot=said.sysroot,
        root_device=said.root_device,
        labels=labels,
    )


def parser() -> argparse.ArgumentParser:
    """The parser of all commands, as help and manual show them."""
    width = max(map(len, VERBS))
    commands = "\n".join(f"  {name:{width}}  {verb.summary}" for name, verb in VERBS.items())
    parser = argparse.ArgumentParser(
        prog="signpost",
        description="Look at and change which partition set a machine boots.",
        epilog=f"commands:\n{commands}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("command", choices=VERBS, metavar="COMMAND")
    parser.add_argument(
        "--disk",
        type=Path,
        metavar="PATH",
        help="disk image or whole disk; otherwise the disk that the system runs from",
    )
    parser.add_argument(
        "--active",
        type=Slot,
        choices=tuple(Slot),
        help="the running set; for an image file otherwise the one that boots next",
    )
    parser.add_argument(
        "--tries", type=_tries, metavar="N", help=f"mark-inactive-valid: 1-{MAX_TRIES}, default 1"
    )
    parser.add_argument(
        "--force", action="store_true", help="clear-inactive: although the boot is not confirmed"
    )
    parser.add_argument(
        "-j",
        "--json",
        action="store_true",
        help="status, next, repair, has-boot-ever-succeeded: JSON on stdout",
    )
    parser.add_argument("-q", "--quiet", action="store_true", help="results and errors only")
    parser.add_argument(
        "-v", "--verbose", action="store_true", help="tell the disk, and details of errors"
    )
    # For tests: a machine in a folder.
    parser.add_argument("--sysroot", type=Path, default=Path("/"), help=argparse.SUPPRESS)
    parser.add_argument("--root-device", type=_device, help=argparse.SUPPRESS)
    return parser


def _tries(text: str) -> int:
    number = int(text)
    if not 1 <= number <= MAX_TRIES:
        raise argparse.ArgumentTypeError(f"{number} is not in 1-{MAX_TRIES}")
    return number


def _device(text: str) -> int:
    major, minor = text.split(":")
    return os.makedev(int(major), int(minor))


if __name__ == "__main__":
    sys.exit(main())
