"""The `updog` command: parse, call, print. What is imported inside a function is heavy.

Results go to stdout, all else to stderr (formats 5.2, D13); every error ends in `main` as one line,
a hint, and an exit code (formats 5.3, D12).
"""

from __future__ import annotations

import importlib
import sys
from argparse import Namespace
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, TypeAlias, cast

from updog import arguments, config, ended, failure, invocation, logs
from updog.closedpipe import give_out_the_rest
from updog.invocation import remark

if TYPE_CHECKING:
    from partitions.bootcontrol import BootControl
    from updog.doctor.check import Verdict
    from updog.events import Event
    from updog.select import Declined
    from updog.update import Installed

Commands: TypeAlias = Mapping[str, Callable[[Namespace], int]]

NOTHING_AVAILABLE = 1
SILENT = frozenset({"status"})
"""Commands that log nothing but details; they do not pay for what others log with."""


def cmd_check_update(args: Namespace) -> int:
    """Tell which update there is; with ``--all``, all of them."""
    from updog import report, visit
    from updog.select import Chosen

    way, wish = invocation.way(args), invocation.wish(args)
    if args.all:
        updates = visit.available(way, wish)
        _print(report.updates_json(updates) if args.json else report.updates_text(updates))
        return 0
    match visit.check(way, wish):
        case Chosen(chosen):
            _print(report.update_json(chosen) if args.json else report.update_line(chosen))
            return 0
        case declined:
            _decline(args, "No update available", declined)
            return NOTHING_AVAILABLE


def cmd_update(args: Namespace) -> int:
    """Install the chosen update and let it boot next."""
    from updog import update

    installed = _report_installed(
        args, update.update(invocation.environment(args), invocation.wish(args))
    )
    return _reboot(args) if installed and args.reboot else 0


def cmd_update_image(args: Namespace) -> int:
    """Install the chosen update; the next boot stays as it is."""
    from updog import update

    _report_installed(
        args, update.update_image(invocation.environment(args), invocation.wish(args))
    )
    return 0


def cmd_prepare(args: Namespace) -> int:
    """Cache what the next boot needs."""
    from updog import report, update

    result = update.prepare(invocation.way(args), invocation.wish(args))
    if isinstance(result, update.Prepared):
        prepared = f"Update prepared: {report.update_line(result.update)}"
        _print(report.update_json(result.update) if args.json else prepared)
    else:
        _nothing_required(args, result)
    return 0


def cmd_bundle(args: Namespace) -> int:
    """Write an update with all it takes into one file, to be carried."""
    from updog import report
    from updog.offline.export import export

    way = invocation.way(args)
    done = export(
        way, args.file, version=args.image, replace=args.force, progress=invocation.progress(args)
    )
    text = report.bundle_json if args.json else report.bundle_line
    _print(text(str(done.path), done.update, done.length))
    return 0


def cmd_update_apply(args: Namespace) -> int:
    """Let the installed update boot next."""
    from updog import events
    from updog.activation import activate

    settings = config.load(args.config)
    return _switch(args, events.ACTIVATED, lambda control: activate(settings, control))


def cmd_update_revert(args: Namespace) -> int:
    """Take an activation back."""
    from updog import events, install

    return _switch(args, events.TAKEN_BACK, install.revert)


def cmd_rollback(args: Namespace) -> int:
    """Let the other set boot next again."""
    from updog import events, install

    return _switch(args, events.ROLLED_BACK, install.rollback)


def cmd_status(args: Namespace) -> int:
    """Show both sets and what boots next."""
    from partitions import bootreport
    from updog import labels

    settings = config.load(args.config)
    status, known = invocation.control(settings).status(), labels.gather(settings.paths)
    if args.json:
        _print(bootreport.boot_json(status, known))
    else:
        _print("\n".join(bootreport.boot_lines(status, known)))
    return 0


def cmd_why(args: Namespace) -> int:
    """Explain the choice; what cannot be found out is said, and decides the exit code."""
    from updog import labels, report, timeofrun, why
    from updog.clock import SystemClock
    from updog.doctor.clockcheck import kernel_synchronised
    from updog.osrelease import read_identity

    way = invocation.way(args)
    paths = way.settings.paths
    clock = timeofrun.time_of_run(SystemClock().now(), paths, kernel_synchronised)
    known = labels.gather(paths)
    _, runs = read_identity(paths.os_release)
    findings = why.gather(
        way, lambda: invocation.control(way.settings), invocation.wish(args), known, clock, runs
    )
    _print(report.why_json(findings.why) if args.json else report.why_text(findings.why))
    return findings.exit_code


def cmd_doctor(args: Namespace) -> int:
    """Look at everything and change nothing; lines come as they are found."""
    from partitions.device import open_device
    from updog import report
    from updog.clock import SystemClock
    from updog.doctor import check, render
    from updog.doctor.examine import examine

    found = []
    for one in examine(args.config, SystemClock().now(), open_device):
        found.append(one)
        if not args.json:
            _print(render.line(one, _painted))
            sys.stdout.flush()
    if args.json:
        _print(report.pretty(render.tree(found)))
    return check.exit_code(found)


COMMANDS: Commands = {
    "check-update": cmd_check_update,
    "update": cmd_update,
    "update-image": cmd_update_image,
    "prepare": cmd_prepare,
    "bundle": cmd_bundle,
    "update-apply": cmd_update_apply,
    "update-revert": cmd_update_revert,
    "rollback": cmd_rollback,
    "status": cmd_status,
    "why": cmd_why,
    "doctor": cmd_doctor,
}


def main(argv: Sequence[str] | None = None, commands: Commands = COMMANDS) -> int:
    """Run one command.

    Args:
        argv: the words after the program name; None takes those of this process.
        commands: what to call for each command.

    Returns:
        The exit code, as listed in docs/cli.md.
    """
    try:
        with ended.orderly_end():
            args = arguments.parse(argv)
            if args.command not in SILENT or args.log_level in logs.DETAILED:
                logs.set_up(args.log_level, args.log_format, command=args.command)
            code = _command(args, commands)(args)
            sys.stdout.flush()
    except Exception as error:  # noqa: BLE001 - no traceback ever reaches a user
        return failure.told(error)
    except KeyboardInterrupt as interruption:
        give_out_the_rest()
        # A progress line may be under way: begin a new one.
        sys.stderr.write("\nInterrupted. The running set is as it was; run the command again.\n")
        return ended.exit_code(interruption)
    return code


def _command(args: Namespace, commands: Commands) -> Callable[[Namespace], int]:
    """What to call: a function of this module, or the ``run_parsed`` of a feature's own."""
    if args.module:
        module = importlib.import_module(args.module)
        return cast("Callable[[Namespace], int]", module.run_parsed)
    return commands[args.command]


def _painted(text: str, verdict: Verdict) -> str:
    from partitions.colour import GREEN, RED, YELLOW, paint

    return paint(text, {"ok": GREEN, "warn": YELLOW, "FAIL": RED}[verdict], sys.stdout)


def _switch(args: Namespace, event: Event, change: Callable[[BootControl], None]) -> int:
    """Change the boot bits once, say what boots next, and restart if asked for."""
    from updog import events
    from updog.lock import RunLock

    settings = config.load(args.config)
    control = invocation.control(settings)
    with RunLock(settings.paths.lock):
        change(control)
    following = control.status().next
    events.tell(event, slot=following)
    boots = "No set boots next." if following is None else f"Set {following} boots next."
    remark(args, boots, told=True)
    return _reboot(args) if getattr(args, "reboot", False) else 0


def _report_installed(args: Namespace, result: Installed | Declined) -> bool:
    from updog import report, update
    from updog.writing import moved_line

    if not isinstance(result, update.Installed):
        _nothing_required(args, result)
        return False
    text = report.update_json if args.json else report.applied_line
    _print(text(result.update))
    stood = f"{result.update.version} stands whole on the other set already; nothing was written."
    remark(args, stood if result.already else moved_line(result.receipts))
    return True


def _nothing_required(args: Namespace, declined: Declined) -> None:
    from updog.asked import refuse_unobtainable

    refuse_unobtainable(args.image, declined)
    _decline(args, "No update required", declined)


def _decline(args: Namespace, headline: str, declined: Declined) -> None:
    from updog import report

    for line in (headline, *report.declined_lines(declined)):
        remark(args, line)


def _reboot(args: Namespace) -> int:
    from updog.reboot import reboot

    command = config.load(args.config).boot.reboot_command
    sys.stdout.flush()
    reboot(command)
    return 0


def _print(text: str) -> None:
    """A result, for stdout; nothing at all for an empty one."""
    if text:
        sys.stdout.write(f"{text}\n")
