r"""The TUF client alone, on the command line that TUF conformance suites speak.

    client --metadata-dir D init ROOT_FILE
    client --metadata-dir D --metadata-url U refresh
    client --metadata-dir D --metadata-url U --target-name T --target-base-url B --target-dir O \
           download

Each run exits with 0 where all went well and with 1 where anything did not. D holds one file for
each trusted role afterwards, byte for byte as received. Nothing is asked for twice: a suite counts
the requests, so retries are off. ``UPDOG_CONFORMANCE_TIME`` (RFC 3339) stands in for the clock.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import NoReturn, TypeVar
from urllib.parse import quote

from updog.body import Fetcher
from updog.clock import SystemClock
from updog.durable import read_small
from updog.errors import TrustError, UpdogError, UsageError
from updog.fetch import FetchSettings, HttpFetcher
from updog.refresh import ROOT_LIMIT
from updog.session import RepositoryUrls, Session
from updog.tufcache import cache_target
from updog.tufstore import MetadataStore
from waves.duration import parse_moment
from waves.errors import WaveError

T = TypeVar("T")
TIME = "UPDOG_CONFORMANCE_TIME"


class _Words(argparse.ArgumentParser):
    """A parser whose complaints end like every other failure."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(message)


def main(argv: Sequence[str] | None = None, fetcher: Fetcher | None = None) -> int:
    """Run one verb; 0 if it did all it was asked for, 1 otherwise.

    Args:
        argv: the words after the program name; None takes those of this process.
        fetcher: the way to the repository; None goes by HTTP.
    """
    try:
        args = _parser().parse_args(argv)
        args.fetcher = fetcher or HttpFetcher(FetchSettings(retries=0))
        _VERBS[args.verb](args)
    except (UpdogError, WaveError) as error:
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        return 1
    return 0


def init(args: argparse.Namespace) -> None:
    """Trust a root from here on."""
    data = read_small(_given(args.root_file, "ROOT_FILE"), ROOT_LIMIT)
    if data is None:
        raise UsageError(f"there is no file {args.root_file}")
    _store(args).save("root", data)


def refresh(args: argparse.Namespace) -> Session:
    """Bring the four top-level roles up to date."""
    store = _store(args)
    trusted = store.load("root")
    if trusted is None:
        raise TrustError(f"{args.metadata_dir} holds no root.json; run init first")
    urls = RepositoryUrls(_given(args.metadata_url, "--metadata-url"), args.target_base_url or "")
    session = Session(urls, trusted, store, args.fetcher, _now())
    session.refresh()
    return session


def download(args: argparse.Namespace) -> None:
    """Refresh, then put each target into the folder, unless it is there already."""
    folder, names = _given(args.target_dir, "--target-dir"), args.target_name
    _given(args.target_base_url, "--target-base-url")
    session = refresh(args)
    for name in _given(names, "--target-name"):
        target = session.target(name)
        cache_target(folder, quote(name, safe=""), target, partial(session.stream, target))


_VERBS = {"init": init, "refresh": refresh, "download": download}


def _parser() -> argparse.ArgumentParser:
    parser = _Words(prog="updog-tuf-client", allow_abbrev=False)
    parser.add_argument("--metadata-dir", type=Path, required=True)
    parser.add_argument("--metadata-url")
    parser.add_argument("--target-name", action="append")
    parser.add_argument("--target-base-url")
    parser.add_argument("--target-dir", type=Path)
    parser.add_argument("verb", choices=sorted(_VERBS))
    parser.add_argument("root_file", nargs="?", type=Path)
    return parser


def _store(args: argparse.Namespace) -> MetadataStore:
    return MetadataStore(args.metadata_dir, keep_roots=False)


def _now() -> datetime:
    told = os.environ.get(TIME)
    return parse_moment(told) if told else SystemClock().now()


def _given(value: T | None, name: str) -> T:
    if value is None:
        raise UsageError(f"{name} is missing")
    return value


if __name__ == "__main__":
    sys.exit(main())
