"""The ``updog-repo`` command: a thin shell over `repo_tools.repository` and `repo_tools.publish`.

Results go to stdout, everything else to stderr. Exit codes are those of `updog.errors`.
"""

from __future__ import annotations

import argparse
import errno
import os
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from partitions.colour import RED, paint
from partitions.errors import PartitionError
from repo_tools import arguments as command_line
from repo_tools.console import answer, answer_path, done, edition_of, insist, repository_of, say
from repo_tools.errors import ExitWith
from updog import events, logs
from updog.clock import SystemClock
from updog.errors import InternalError, PermissionDenied, StorageError, UpdogError, UsageError
from updog.redact import redactor
from waves.errors import WaveError

if TYPE_CHECKING:
    from updog.manifest import Update
    from waves.schedule import Schedule

EX_INTERRUPTED = 130
PROGRAM = "updog-repo"


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    arguments = command_line.parser().parse_args(argv)
    level = "debug" if arguments.verbose else "error" if arguments.quiet else "info"
    logs.set_up(level, program=PROGRAM, command=arguments.command)
    try:
        # The clock is asked once: everything one command signs counts from one moment.
        run = getattr(arguments, "run", None) or COMMANDS[arguments.command]
        run(arguments, SystemClock().now())
        if getattr(arguments, "dry_run", False):
            say("Nothing was written.")
    except KeyboardInterrupt:
        insist("Interrupted.")
        return EX_INTERRUPTED
    except ExitWith as end:
        return end.code
    except Exception as error:  # noqa: BLE001 - the one place where errors become exit codes
        return _fail(_as_ours(error), error if arguments.verbose else None)
    return 0


def cmd_init(arguments: argparse.Namespace, now: datetime) -> None:
    """Make keys and the first root."""
    from repo_tools.keys import KeyType
    from repo_tools.repository import Repository
    from repo_tools.root import RootPlan
    from waves.duration import parse_offset

    plan = RootPlan(
        KeyType(arguments.key_type),
        arguments.root_keys,
        arguments.root_threshold,
        parse_offset(arguments.root_expires),
    )
    rehearse = say if arguments.dry_run else None
    repository = Repository.init(
        arguments.dir, plan, now=now, keys=arguments.keys, rehearse=rehearse
    )
    many, enough = plan.root_keys, plan.threshold
    done(arguments, f"Made {many} root keys, of which {enough} must sign, and 3 online keys.")
    done(arguments, f"Now move {repository.keys}/root-*.pem to safe places, each to another one.")
    done(arguments, "Devices trust the repository through this file; install it in their image:")
    answer_path(arguments, repository.roots / "1.root.json")


def cmd_add_update(arguments: argparse.Namespace, _now: datetime) -> None:
    """Look at three images, stage them and add them as an update."""
    from repo_tools.release.command import add_checked
    from repo_tools.repository import NewUpdate

    new = NewUpdate(
        edition_of(arguments),
        arguments.version,
        arguments.boot,
        arguments.root,
        arguments.hash,
        arguments.max_version,
    )
    add_checked(repository_of(arguments), new, arguments)


def cmd_remove_update(arguments: argparse.Namespace, _now: datetime) -> None:
    """Take an update out of the draft."""
    repository_of(arguments).remove_update(edition_of(arguments), arguments.version)
    done(arguments, "Removed from the draft; devices see it until the next publish.")


def cmd_set_waves(arguments: argparse.Namespace, now: datetime) -> None:
    """Give an update its rollout."""
    from repo_tools.planning import sources
    from waves.duration import format_moment, parse_start
    from waves.policy import to_schedule

    base = parse_start(arguments.start_at, now) if arguments.start_at else now
    schedule = to_schedule(sources.policy(arguments.policy), base)
    if not arguments.allow_past:
        _refuse_past(schedule, now)
    repository_of(arguments).set_waves(edition_of(arguments), arguments.version, schedule)
    starts = [(wave.first_seed, format_moment(wave.start)) for wave in schedule.waves]
    tree = {"waves": [{"seed": seed, "start": start} for seed, start in starts]}
    answer(arguments, tree, [f"seed {seed:4}  {start}" for seed, start in starts])


def cmd_set_migrations(arguments: argparse.Namespace, _now: datetime) -> None:
    """Replace the migrations by those of a Release.toml."""
    from repo_tools import migrationfiles

    listed = migrationfiles.read(arguments.release).migrations
    folder = arguments.migrations_dir or arguments.release.parent
    files = migrationfiles.sources(listed, folder)
    repository = repository_of(arguments)
    repository.set_migrations(repository.select(arguments.variant, arguments.arch), listed, files)
    drafted = f"Drafted {len(listed)} steps between versions, with {len(files)} migrations."
    done(arguments, drafted)


def cmd_renew_root(arguments: argparse.Namespace, now: datetime) -> None:
    """Sign the next version of the root."""
    from waves.duration import parse_offset

    repository = repository_of(arguments)
    signed = repository.renew_root(now=now, lifetime=parse_offset(arguments.root_expires))
    done(arguments, f"Not published yet. Put it out with: updog-repo refresh {arguments.dir}")
    answer_path(arguments, repository.roots / signed.name)


def cmd_disk_image(arguments: argparse.Namespace, _now: datetime) -> None:
    """Make a disk image with both sets, of which the first holds a release."""
    from repo_tools import diskimage

    images = diskimage.FirstImages(arguments.boot, arguments.root, arguments.hash)
    upstream = arguments.layout == "bottlerocket"
    gib = arguments.os_image_gib if upstream else None
    if arguments.dry_run:
        for line in diskimage.rehearsal(arguments.image, images, os_image_gib=gib):
            say(line)
    else:
        diskimage.create(arguments.image, images, os_image_gib=gib)
    done(arguments, "Set A holds the release and is confirmed; set B is empty.")
    answer_path(arguments, arguments.image)


def cmd_show(arguments: argparse.Namespace, _now: datetime) -> None:
    """List what is drafted."""
    repository = repository_of(arguments)
    tree, lines = [], []
    for edition in repository.editions():
        draft = repository.draft(edition)
        updates, last = draft.manifest().updates, draft.last_version()
        say(f"{edition}: {f'metadata version {last}' if last else 'not published yet'}")
        tree.append(
            {
                "variant": edition.variant,
                "arch": edition.arch,
                "metadata_version": last or None,
                "updates": [_drafted(update) for update in updates],
            }
        )
        for update in updates:
            waves = len(update.schedule.waves) or "no"
            lines.append(f"{edition} {update.version}  max {update.max_version}  {waves} waves")
    answer(arguments, {"editions": tree}, lines)


def _drafted(update: Update) -> dict[str, object]:
    return {
        "version": str(update.version),
        "max_version": str(update.max_version),
        "waves": len(update.schedule.waves),
    }


COMMANDS: Mapping[str, Callable[[argparse.Namespace, datetime], None]] = {
    "init": cmd_init,
    "renew-root": cmd_renew_root,
    "add-update": cmd_add_update,
    "remove-update": cmd_remove_update,
    "set-waves": cmd_set_waves,
    "set-migrations": cmd_set_migrations,
    "show": cmd_show,
    "disk-image": cmd_disk_image,
}


def _refuse_past(schedule: Schedule, now: datetime) -> None:
    """A wave that has started already lets in at once whoever should have come since then."""
    from waves.duration import format_moment

    over = [wave for wave in schedule.waves if wave.start < now.replace(microsecond=0)]
    if over:
        last = over[-1]
        raise UsageError(
            f"The wave of seed {last.first_seed} would have started at {format_moment(last.start)}"
            " already, and let in everybody until then at once.",
            hint="Choose a later --start-at; --allow-past if it is meant.",
        )


def _as_ours(error: Exception) -> UpdogError | WaveError | PartitionError:
    """Give every exception a place in the trees, so that each has an exit code and one line."""
    if isinstance(error, UpdogError | WaveError | PartitionError):
        return error
    if isinstance(error, PermissionError):
        return PermissionDenied(f"{_where(error)}: permission denied.")
    if isinstance(error, OSError):
        full = "Make room and run the command again." if error.errno == errno.ENOSPC else ""
        return StorageError(f"{_where(error)}: {error.strerror or error}.", hint=full)
    return InternalError(
        f"{type(error).__name__}: {error} ({_origin(error)})",
        hint="This is a mistake in updog-repo. Please report it with the command you typed.",
    )


def _where(error: OSError) -> str:
    return os.fsdecode(error.filename) if isinstance(error.filename, str | bytes) else "The system"


def _origin(error: Exception) -> str:
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return (
        "" if trace is None else f"{Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}"
    )


def _fail(error: UpdogError | WaveError | PartitionError, details: Exception | None) -> int:
    """Say what went wrong, without what nobody should read.

    Args:
        error: as one of ours.
        details: as it was raised, to be told where; None: only what went wrong.
    """
    hide = redactor(os.environ)
    message, hint = hide(str(error)), hide(getattr(error, "hint", ""))
    if details is not None:
        insist(hide("".join(traceback.format_exception(details))).rstrip())
    if logs.structured():
        events.tell(events.FAILED, why=message, hint=hint, exit_code=error.exit_code)
        return error.exit_code
    insist(f"{paint(f'{PROGRAM}:', RED, sys.stderr)} {message}")
    if hint:
        insist(hint)
    return error.exit_code


if __name__ == "__main__":
    sys.exit(main())
