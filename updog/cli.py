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

from updog import arguments, config, failure, logs
from updog.settings import Settings

if TYPE_CHECKING:
    from partitions.bootcontrol import BootControl
    from updog.moving import Progress
    from updog.select import Declined
    from updog.update import Environment, Installed
    from updog.visit import Wish
    from updog.way import Way

Commands: TypeAlias = Mapping[str, Callable[[Namespace], int]]

NOTHING_AVAILABLE = 1
INTERRUPTED = 130
SILENT = frozenset({"status"})
"""Commands that log nothing but details; they do not pay for what others log with."""


def cmd_check_update(args: Namespace) -> int:
    """Tell which update there is; with ``--all``, all of them."""
    from updog import report, visit
    from updog.select import Chosen

    way, wish = _way(args), _wish(args)
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

    installed = _report_installed(args, update.update(_environment(args), _wish(args)))
    return _reboot(args) if installed and args.reboot else 0


def cmd_update_image(args: Namespace) -> int:
    """Install the chosen update; the next boot stays as it is."""
    from updog import update

    _report_installed(args, update.update_image(_environment(args), _wish(args)))
    return 0


def cmd_prepare(args: Namespace) -> int:
    """Cache what the next boot needs."""
    from updog import report, update

    result = update.prepare(_way(args), _wish(args))
    if isinstance(result, update.Prepared):
        _print(f"Update prepared: {report.update_line(result.update)}")
    else:
        _decline(args, "No update required", result)
    return 0


def cmd_bundle(args: Namespace) -> int:
    """Write an update with all it takes into one file, to be carried."""
    from updog import report
    from updog.offline.export import export

    way = _way(args)
    done = export(way, args.file, version=args.image, replace=args.force, progress=_progress(args))
    _print(f"Bundle written: {done.path}: {report.update_line(done.update)}, {done.length} bytes")
    return 0


def cmd_update_apply(args: Namespace) -> int:
    """Let the installed update boot next."""
    from updog import install

    return _switch(args, install.activate)


def cmd_update_revert(args: Namespace) -> int:
    """Take an activation back."""
    from updog import install

    return _switch(args, install.revert)


def cmd_rollback(args: Namespace) -> int:
    """Let the other set boot next again."""
    from updog import install

    return _switch(args, install.rollback)


def cmd_mark_successful(args: Namespace) -> int:
    """Confirm the running boot.

    Without the run lock on purpose: this runs while a system comes up, and must not fail because an
    agent is already looking for updates. The disk has a lock of its own for the one write.
    """
    control = _control(config.load(args.config))
    control.mark_successful()
    _remark(args, f"Set {control.status().active} is marked successful.")
    return 0


def cmd_status(args: Namespace) -> int:
    """Show both sets and what boots next."""
    from partitions import bootreport
    from updog import labels

    settings = config.load(args.config)
    status, known = _control(settings).status(), labels.gather(settings.paths)
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

    way = _way(args)
    paths = way.settings.paths
    clock = timeofrun.time_of_run(SystemClock().now(), paths, kernel_synchronised)
    known = labels.gather(paths)
    findings = why.gather(way, lambda: _control(way.settings), _wish(args), known, clock)
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
            _print(render.line(one))
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
    "mark-successful": cmd_mark_successful,
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
        args = arguments.parse(argv)
        if args.command not in SILENT or args.log_level in logs.DETAILED:
            logs.set_up(args.log_level)
        code = _command(args, commands)(args)
        sys.stdout.flush()
    except Exception as error:  # noqa: BLE001 - no traceback ever reaches a user
        return failure.told(error)
    except KeyboardInterrupt:
        # A progress line may be under way: begin a new one.
        sys.stderr.write("\nInterrupted. The running set is as it was; run the command again.\n")
        return INTERRUPTED
    return code


def _command(args: Namespace, commands: Commands) -> Callable[[Namespace], int]:
    """What to call: a function of this module, or the ``run_parsed`` of a feature's own."""
    if args.module:
        module = importlib.import_module(args.module)
        return cast("Callable[[Namespace], int]", module.run_parsed)
    return commands[args.command]


def _environment(args: Namespace) -> Environment:
    from partitions.device import open_device
    from updog.update import Environment

    way = _way(args)
    return Environment(
        settings=way.settings,
        host=way.host,
        now=way.now,
        fetcher=way.fetcher,
        open_device=open_device,
        control=_control(way.settings),
        grace=way.grace,
        clock=way.clock,
        starting=lambda update: _remark(args, f"Starting update to {update.version}"),
        progress=_progress(args, way.settings),
    )


def _way(args: Namespace) -> Way:
    import logging

    from updog import host, timeofrun, way
    from updog.clock import SystemClock
    from updog.timepolicy import Confidence

    settings = config.load(args.config)
    who = host.read_host(settings, variant=args.variant)
    run = timeofrun.time_of_run(SystemClock().now(), settings.paths)
    if run.confidence is Confidence.UNKNOWN:
        logging.getLogger(__name__).warning("%s", run.sentence)
    return way.way(settings, who, run.now, args.source, SystemClock(floor=run.now))


def _progress(args: Namespace, settings: Settings | None = None) -> Progress:
    import shutil

    from updog.clock import SystemClock
    from updog.progress import JsonLines, ProgressLine, StatusFile, together

    watchers: list[Progress] = []
    if settings is not None:
        watchers.append(StatusFile(settings.paths.progress, SystemClock()))
    if getattr(args, "progress", "auto") == "json":
        watchers.append(JsonLines(sys.stderr, SystemClock()))
    elif not args.quiet and sys.stderr.isatty():
        width = shutil.get_terminal_size().columns
        watchers.append(ProgressLine(sys.stderr, SystemClock(), width))
    return together(watchers)


def _wish(args: Namespace) -> Wish:
    from updog.visit import Wish

    force = getattr(args, "force", False)  # only the commands that write have it
    return Wish(image=args.image, ignore_waves=args.ignore_waves, force=force)


def _control(settings: Settings) -> BootControl:
    from partitions.device import open_device
    from updog.control import boot_control

    return boot_control(settings.boot, open_device)


def _switch(args: Namespace, change: Callable[[BootControl], None]) -> int:
    """Change the boot bits once, say what boots next, and restart if asked for."""
    from updog.lock import RunLock

    settings = config.load(args.config)
    control = _control(settings)
    with RunLock(settings.paths.lock):
        change(control)
    following = control.status().next
    _remark(args, "No set boots next." if following is None else f"Set {following} boots next.")
    return _reboot(args) if getattr(args, "reboot", False) else 0


def _report_installed(args: Namespace, result: Installed | Declined) -> bool:
    from updog import report, update

    if not isinstance(result, update.Installed):
        _decline(args, "No update required", result)
        return False
    text = report.update_json if args.json else report.applied_line
    _print(text(result.update))
    return True


def _decline(args: Namespace, headline: str, declined: Declined) -> None:
    from updog import report

    for line in (headline, *report.declined_lines(declined)):
        _remark(args, line)


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


def _remark(args: Namespace, text: str) -> None:
    if not args.quiet:
        sys.stderr.write(f"{text}\n")
