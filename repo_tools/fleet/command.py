"""The command ``updog-repo fleet``."""

from __future__ import annotations

import argparse
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from repo_tools.commandline import Commands, json_flag, version
from repo_tools.console import answer, say
from repo_tools.fleet.asking import HostBy, Question
from repo_tools.fleet.logformats import LogFormat

if TYPE_CHECKING:
    from repo_tools.fleet.database import Database
    from repo_tools.fleet.figures import Fleet
    from repo_tools.fleet.sources import LogFile
    from updog.version import Version
    from waves.schedule import Schedule


def add(commands: Commands) -> None:
    """Add ``fleet``."""
    fleet = commands.add_bare("fleet", "Show a rollout as the logs of web servers tell it")
    fleet.add_argument("log", metavar="LOG", nargs="*", help="file, folder, or s3://BUCKET/PREFIX")
    fleet.add_argument("--format", choices=[*LogFormat], type=LogFormat, help="of all logs (told)")
    _plan_flags(fleet)
    fleet.add_argument("--by", choices=[*HostBy], type=HostBy, default=HostBy.BOTH, help=_BY)
    fleet.add_argument("--lost-after", metavar="SPAN", default="1 day", help=_LOST_AFTER)
    fleet.add_argument("--html", metavar="FILE", type=Path, help="also write a page with charts")
    json_flag(fleet)
    fleet.add_argument("--export-sql", metavar="DIR", type=Path, help="write SQL for Athena, only")
    _limit_flags(fleet)
    fleet.set_defaults(run=cmd_fleet)


_BY = "what tells hosts apart (both: address and seed)"
_LOST_AFTER = "a host that fetched this long ago should be back (1 day)"


def _plan_flags(fleet: argparse.ArgumentParser) -> None:
    plan = fleet.add_mutually_exclusive_group()
    plan.add_argument("--manifest", metavar="FILE", type=Path, help="the plan: waves in it")
    plan.add_argument("--repo", metavar="DIR", type=Path, help="the same: the repository's draft")
    fleet.add_argument("-v", "--version", metavar="VERSION", type=version, help="the release")
    fleet.add_argument("--variant", help="only hosts of this one (all)")
    fleet.add_argument("-a", "--arch", help="only hosts of this one (all)")


def _limit_flags(fleet: argparse.ArgumentParser) -> None:
    fleet.add_argument("--memory", metavar="SIZE", default="2GB", help="for DuckDB (2GB)")
    fleet.add_argument("--threads", metavar="N", type=int, help="processors to use (all)")
    fleet.add_argument("--temp-dir", metavar="DIR", type=Path, help="for temporary files")
    fleet.add_argument("--endpoint", metavar="URL", help="of an S3 server other than AWS")
    fleet.add_argument("--region", help="of the bucket (as the environment says)")
    fleet.add_argument("--profile", help="of the AWS configuration (the same)")


def cmd_fleet(arguments: argparse.Namespace, _now: datetime) -> None:
    """Read logs and tell what the fleet did; or write the SQL that would."""
    from repo_tools.fleet import export

    if arguments.export_sql is not None:
        wanted = arguments.format or LogFormat.CLOUDFRONT
        question = _question(arguments, _required(arguments))
        paths = [str(path) for path in export.write(question, arguments.export_sql, wanted)]
        answer(arguments, {"paths": paths}, paths)
        return
    fleet = _surveyed(arguments)
    _tell(arguments, fleet)


def _surveyed(arguments: argparse.Namespace) -> Fleet:
    from repo_tools.fleet import database, survey
    from updog.errors import UsageError

    if not arguments.log:
        raise UsageError("Name at least one log.", hint="As in: updog-repo fleet access.log")
    limits = database.Limits(arguments.memory, arguments.threads, arguments.temp_dir)
    with ExitStack() as stack:
        # Opened first: whoever lacks DuckDB should not wait for a download.
        base = stack.enter_context(database.opened(limits))
        base.load(_logs(arguments, stack))
        return survey.survey(base, _question(arguments, _release(arguments, base)))


def _logs(arguments: argparse.Namespace, stack: ExitStack) -> list[LogFile]:
    from repo_tools.fleet import s3logs, sources
    from repo_tools.stores.place import Place
    from updog.errors import DataError

    place = Place(endpoint=arguments.endpoint, region=arguments.region, profile=arguments.profile)
    paths: list[Path] = []
    for log in arguments.log:
        if log.startswith(s3logs.SCHEME):
            folder = stack.enter_context(TemporaryDirectory(dir=arguments.temp_dir))
            paths += s3logs.download(log, place, Path(folder))
        else:
            paths += sources.expand([Path(log)])
    found = [log for path in paths if (log := sources.look(path, arguments.format))]
    if not found:
        raise DataError("All logs are empty.")
    return found


def _release(arguments: argparse.Namespace, base: Database) -> Version:
    """The release that is asked about: said, or told by the logs."""
    from repo_tools.fleet import survey

    if arguments.version is not None:
        named: Version = arguments.version
        return named
    found = survey.newest_rollout(base)
    say(f"No --version was given; this is about {found}, which most hosts fetched.")
    return found


def _required(arguments: argparse.Namespace) -> Version:
    from updog.errors import UsageError

    if arguments.version is None:
        raise UsageError("The SQL is about one release.", hint="Name it by --version.")
    named: Version = arguments.version
    return named


def _question(arguments: argparse.Namespace, release: Version) -> Question:
    from waves.duration import parse_offset

    return Question(
        release,
        _schedule(arguments, release),
        arguments.variant,
        arguments.arch,
        arguments.by,
        parse_offset(arguments.lost_after),
    )


def _schedule(arguments: argparse.Namespace, release: Version) -> Schedule | None:
    """The plan, if there is one to compare with."""
    from repo_tools.fleet import plans

    asked = plans.Asked(release, arguments.variant, arguments.arch)
    if arguments.manifest is not None:
        return plans.of_manifest(arguments.manifest, asked)
    if arguments.repo is not None:
        return plans.of_repository(arguments.repo, asked)
    return None


def _tell(arguments: argparse.Namespace, fleet: Fleet) -> None:
    from repo_tools.fleet import asjson, page, text

    if arguments.html is not None:
        arguments.html.write_text(page.page(fleet), encoding="utf-8")
        say(f"Written: {arguments.html}")
    answer(arguments, asjson.tree(fleet), text.lines(fleet))
