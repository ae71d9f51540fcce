"""``updog-repo release``: releases into the draft and out of it, looked at before devices are."""

from __future__ import annotations

import argparse
import re
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from repo_tools import commandline
from repo_tools.commandline import Commands, dry_run_flag, edition_filter, json_flag, release_flags
from repo_tools.console import answer, done, edition_of, repository_of, say
from repo_tools.deltacommand import shortcut_flags, with_shortcuts
from repo_tools.publishing.command import place_flags, store_of

if TYPE_CHECKING:
    from repo_tools.findings import Finding
    from repo_tools.release.add import Claims, MigrationSet
    from repo_tools.repository import NewUpdate, Repository

_ROOT_HASH = re.compile(r"[0-9a-fA-F]{64}")


def add(commands: Commands) -> None:
    """Add ``release`` with its actions."""
    group = commands.group("release", "Add releases to the draft, take them out, withdraw them")
    _add_flags(group.add("add", "Check the three images of a release and add it to the draft"))
    remove = group.add("remove", "Take a release out of the draft")
    release_flags(remove)
    dry_run_flag(remove)
    remove.set_defaults(run=run_remove)
    max_version(group, "max-version")
    withdraw = group.add("withdraw", "Call a published release back, and publish that at once")
    release_flags(withdraw)
    withdraw.add_argument(
        "--to",
        metavar="VERSION",
        type=commandline.version,
        help="highest version that hosts may run from now on (the highest one below)",
    )
    place_flags(withdraw, "--place")
    dry_run_flag(withdraw)
    json_flag(withdraw)
    withdraw.set_defaults(run=run_withdraw)


def max_version(commands: Commands, name: str) -> None:
    """Add a command that sets the highest version; it has a name here and one of its own."""
    most = commands.add(name, "Set the highest version that hosts may run")
    most.add_argument(
        "-v", "--max-version", metavar="VERSION", type=commandline.version, required=True
    )
    edition_filter(most)
    dry_run_flag(most)
    most.set_defaults(run=run_max_version)


def check_flags(command: argparse.ArgumentParser) -> None:
    """Add the flags of the checks, maps and deltas, which ``add-update`` has too."""
    shortcut_flags(command)
    command.add_argument(
        "--root-hash", metavar="HEX", type=_root_hash, help="root hash as the build told it"
    )
    command.add_argument(
        "--layout",
        metavar="LAYOUT",
        help="sizes of the partitions: bottlerocket[:GIB], or boot=MIB,root=MIB,hash=MIB",
    )
    command.add_argument("--unchecked", action="store_true", help="add it whatever the checks find")


def _add_flags(command: argparse.ArgumentParser) -> None:
    command.add_argument("--variant", help="needed unless --from-dir tells")
    command.add_argument("-a", "--arch", help="the same")
    command.add_argument("-v", "--version", metavar="VERSION", type=commandline.version, help="too")
    command.add_argument("--from-dir", metavar="FOLDER", type=Path, help="artefacts of a build")
    command.add_argument("--build", metavar="ID", help="which build of --from-dir")
    command.add_argument("-b", "--boot", metavar="FILE", type=Path, help="boot image, raw or .lz4")
    command.add_argument("-r", "--root", metavar="FILE", type=Path, help="root image")
    command.add_argument("--hash", metavar="FILE", type=Path, help="hash image (dm-verity)")
    command.add_argument("-m", "--max-version", metavar="VERSION", type=commandline.version)
    command.add_argument(
        "--migrations", metavar="RELEASE.TOML", type=Path, help="replaces all migrations too"
    )
    command.add_argument(
        "--migrations-dir", metavar="FOLDER", type=Path, help="their files (beside Release.toml)"
    )
    check_flags(command)
    dry_run_flag(command)
    json_flag(command)
    command.set_defaults(run=run_add)


def run_add(arguments: argparse.Namespace, _now: datetime) -> None:
    """Check the images of a release and add it."""
    from repo_tools.release.add import MigrationSet

    new = _new_update(arguments)
    brought = None
    if arguments.migrations:
        brought = MigrationSet.read(arguments.migrations, arguments.migrations_dir)
    add_checked(repository_of(arguments), new, arguments, brought)


def add_checked(
    repository: Repository,
    new: NewUpdate,
    arguments: argparse.Namespace,
    brought: MigrationSet | None = None,
) -> None:
    """Look at a release, tell what was found, and add it with its migrations."""
    from dataclasses import replace

    from repo_tools.findings import worst_first
    from repo_tools.release.add import add as add_release
    from repo_tools.release.add import look

    looked = look(with_shortcuts(new, arguments), _claims(arguments))
    if brought is not None:
        before = repository.draft(new.edition).manifest()
        found = worst_first([*looked.findings, *brought.findings(new, before)])
        looked = replace(looked, findings=found)
    told = looked.findings if arguments.unchecked else looked.findings[len(looked.errors) :]
    _tell(told)
    update = add_release(repository, looked, unchecked=arguments.unchecked, report=say)
    if brought is not None:
        repository.set_migrations([new.edition], brought.release.migrations, brought.sources)
    most = update.max_version
    done(arguments, f"Added to the draft, with {most} as the highest version; not published yet.")
    tree = {
        "variant": update.variant,
        "arch": update.arch,
        "version": str(update.version),
        "max_version": str(most),
        "findings": [finding.as_json() for finding in told],
    }
    answer(arguments, tree, [f"{update.variant} {update.arch} {update.version}"])


def run_remove(arguments: argparse.Namespace, _now: datetime) -> None:
    """Take a release out of the draft."""
    repository_of(arguments).remove_update(edition_of(arguments), arguments.version)
    done(arguments, "Removed from the draft; devices see it until the next publish.")


def run_max_version(arguments: argparse.Namespace, _now: datetime) -> None:
    """Set the highest version that hosts may run, and say whom that calls back."""
    repository, most = repository_of(arguments), arguments.max_version
    editions = repository.select(arguments.variant, arguments.arch)
    repository.set_max_version(editions, most)
    for edition in editions:
        done(arguments, f"{edition}: the highest version for hosts is {most}; not published yet.")
        for update in repository.draft(edition).manifest().updates:
            if update.version > most:
                say(f"Note: {update.version} is above it, so hosts that run it will go back.")


def run_withdraw(arguments: argparse.Namespace, now: datetime) -> None:
    """Lower the highest version below a release, and publish."""
    from repo_tools.publishing.withdrawal import withdraw
    from repo_tools.publishrun import published_tree

    repository = repository_of(arguments)
    store = store_of(arguments, repository)
    say(f"This is about what is published at {store.where}.")
    release = withdraw(
        repository,
        edition_of(arguments),
        arguments.version,
        arguments.to,
        now=now,
        report=say,
        store=store,
    )
    answer(arguments, published_tree([release]), [f"{release.edition} {release.version}"])


def _new_update(arguments: argparse.Namespace) -> NewUpdate:
    from repo_tools.draft import Edition
    from repo_tools.release.add import Asked, find
    from repo_tools.release.names import Part
    from repo_tools.repository import NewUpdate
    from updog.errors import UsageError

    single = (arguments.boot, arguments.root, arguments.hash)
    named = (arguments.variant, arguments.arch, arguments.version)
    if arguments.from_dir is None:
        if None in (*single, *named):
            raise UsageError(
                "Give --boot, --root and --hash with --variant, --arch and --version,"
                " or a folder of artefacts by --from-dir."
            )
        return NewUpdate(Edition(*named[:2]), named[2], *single, arguments.max_version)
    if any(single):
        raise UsageError("Give either --from-dir or the three image files.")
    version = str(arguments.version) if arguments.version else None
    asked = Asked(arguments.variant, arguments.arch, version, arguments.build)
    release, paths = find(arguments.from_dir, asked)
    say(f"Found {release} in {arguments.from_dir}.")
    edition = Edition(release.variant, release.arch)
    images = (paths[Part.BOOT], paths[Part.ROOT], paths[Part.HASH])
    return NewUpdate(edition, release.version, *images, arguments.max_version)


def _claims(arguments: argparse.Namespace) -> Claims:
    from repo_tools.release.add import Claims
    from repo_tools.release.room import parse_layout

    room = parse_layout(arguments.layout) if arguments.layout else None
    return Claims(arguments.root_hash or "", room)


def _tell(findings: tuple[Finding, ...]) -> None:
    for finding in findings:
        say(f"{finding.level}: {finding}")


def _root_hash(text: str) -> str:
    if not _ROOT_HASH.fullmatch(text):
        raise argparse.ArgumentTypeError(f"{text!r} is not 64 hexadecimal digits")
    return text.lower()
