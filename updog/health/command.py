"""`updog mark-successful` and `updog bad-versions`."""

from __future__ import annotations

import json
import sys
from argparse import Namespace

from updog import config, events, invocation
from updog.errors import Unhealthy, UsageError
from updog.health.flags import ALL
from updog.health.folder import has_programs
from updog.invocation import remark
from updog.settings import Settings


def run_parsed(args: Namespace) -> int:
    """Run one of the two commands.

    Raises:
        Unhealthy: a required check became worse.
        UpdogError: the configuration or the record is not usable.
        PartitionError: the disk cannot be found, failed or refused.
    """
    settings = config.load(args.config)
    if args.command == "bad-versions":
        return _bad_versions(args, settings)
    return _mark_successful(args, settings)


def _mark_successful(args: Namespace, settings: Settings) -> int:
    """Confirm the running boot, if its checks say so.

    Without the run lock on purpose: this runs while a system comes up, and must not fail because an
    agent is already looking for updates. The disk has a lock of its own for the one write.
    """
    control = invocation.control(settings)
    if has_programs(settings.health) or settings.paths.health.exists():
        _judge(args, settings)
    else:
        control.mark_successful()
    slot = control.status().active
    events.tell(events.CONFIRMED, slot=slot)
    remark(args, f"Set {slot} is marked successful.", told=True)
    return 0


def _judge(args: Namespace, settings: Settings) -> None:
    from updog.health import gate
    from updog.health.verdict import Fate

    machine = gate.machine(settings, invocation.control(settings))
    verdict = gate.judge_boot(machine, skip=args.skip_checks)
    for line in verdict.judged.lines():
        remark(args, line)
    if verdict.fate is Fate.CONFIRM:
        return
    slot = machine.control.status().active
    events.tell(events.UNHEALTHY, slot=slot, why=verdict.why)
    if verdict.fate is Fate.LEAVE:
        raise Unhealthy(
            f"Set {slot} stays unconfirmed: {verdict.why}.",
            hint="Mend it and run 'updog mark-successful' again; the next restart may fall back.",
        )
    remark(args, f"Set {slot} is given up: {verdict.why}. Going back to the other set.")
    from updog.reboot import reboot

    sys.stdout.flush()
    reboot(settings.boot.reboot_command)
    raise Unhealthy(
        f"Set {slot} is given up: {verdict.why}.",
        hint="The machine restarts into the other set; 'updog bad-versions' remembers this one.",
    )


def _bad_versions(args: Namespace, settings: Settings) -> int:
    if args.action:
        return _clear(args, settings)
    from updog.health import record

    known = record.load(settings.paths.health)
    if args.json:
        tree = {
            "bad_versions": [each._asdict() for each in known.bad],
            "rollbacks": known.rollbacks,
            "max_rollbacks": settings.health.max_rollbacks,
        }
        sys.stdout.write(f"{json.dumps(tree, indent=2)}\n")
        return 0
    for each in known.bad:
        sys.stdout.write(f"{each.version} since {each.since}: {each.why}\n")
    if not known.bad:
        remark(args, "No version failed on this host.")
    return 0


def _clear(args: Namespace, settings: Settings) -> int:
    from updog.health import record

    if not args.version:
        raise UsageError("'clear' needs a version.", hint=f"Give one, or '{ALL}' for all of them.")
    known = record.load(settings.paths.health)
    if args.version != ALL and args.version not in {each.version for each in known.bad}:
        raise UsageError(
            f"{args.version} is not noted as bad.",
            hint="'updog bad-versions' lists those that are.",
        )

    def cleared(old: record.Record) -> record.Record:
        left = old._replace(bad=()) if args.version == ALL else old.clearing(args.version)
        # An operator has looked: the gate may restart the machine again.
        return left._replace(rollbacks=0, given_up=())

    record.change(settings.paths.health, cleared)
    remark(args, f"Cleared: {args.version}.")
    return 0
