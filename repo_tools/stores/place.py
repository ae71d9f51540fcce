"""Where a repository publishes to: ``publish.toml`` in its folder, or the command line.

    to = "s3://bucket/prefix"          # or a folder; without it: published/ of the repository
    endpoint = "https://s3.example"    # anything that speaks S3; without it: AWS
    region = "eu-central-1"
    profile = "publisher"
    lock = "5 minutes"
    conditional_writes = true
    timestamp_max_age = "1 minute"

    [lifetimes]
    targets = "2 weeks"
    snapshot = "2 weeks"
    timestamp = "1 week"

Credentials never stand here: boto3 finds them where every AWS program does.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

from repo_tools.stores.headers import SHORT
from updog.errors import ConfigError
from waves.duration import parse_offset
from waves.errors import WaveError

T = TypeVar("T")

FILE = "publish.toml"
TERM = timedelta(minutes=5)
"""How long the lock of a bucket holds without renewal."""


@dataclass(frozen=True, slots=True)
class Lifetimes:
    """How long signed metadata is believed (formats 13.4 has the same spans)."""

    targets: timedelta = timedelta(weeks=2)
    snapshot: timedelta = timedelta(weeks=2)
    timestamp: timedelta = timedelta(weeks=1)

    def spans(self) -> tuple[timedelta, timedelta, timedelta]:
        """The three of them, in the order in which the files are signed."""
        return self.targets, self.snapshot, self.timestamp


@dataclass(frozen=True, slots=True)
class Place:
    """Where to publish, and how.

    Attributes:
        to: ``s3://BUCKET/PREFIX``, a folder, or None: ``published/`` of the repository.
        endpoint: URL of the S3 server; None: that of AWS.
        region: of the bucket; None: as the environment says.
        profile: section of the AWS configuration; None: as the environment says.
        lock: how long the lock object holds without renewal.
        conditional_writes: whether the server knows them; without them there is no lock.
        timestamp_max_age: how long caches may keep ``timestamp.json``.
        lifetimes: of signed metadata.
    """

    to: str | None = None
    endpoint: str | None = None
    region: str | None = None
    profile: str | None = None
    lock: timedelta = TERM
    conditional_writes: bool = True
    timestamp_max_age: timedelta = SHORT
    lifetimes: Lifetimes = field(default_factory=Lifetimes)


def read_place(folder: Path) -> Place:
    """What ``publish.toml`` of a repository says; the defaults if there is none.

    Raises:
        ConfigError: not TOML, an unknown key, or a value of another kind.
    """
    path = folder / FILE
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return Place()
    try:
        said = tomllib.loads(text)
    except ValueError as error:
        raise ConfigError(f"{path} is not TOML: {error}.") from error
    checked: dict[str, Any] = _checked(said, _READERS, str(path))
    if "to" in checked and "://" not in checked["to"]:
        # A timer runs wherever it likes: a folder is meant as seen from the file.
        checked["to"] = str(folder / checked["to"])
    return replace(Place(), **checked)


def _text(value: object) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError("a string is wanted")
    return value


def _flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise ValueError("true or false is wanted")  # noqa: TRY004 - one error for a wrong value
    return value


def _span(value: object) -> timedelta:
    span = parse_offset(_text(value))
    if span <= timedelta(0):
        raise ValueError("a span above zero is wanted")
    return span


def _lifetimes(value: object) -> Lifetimes:
    if not isinstance(value, dict):
        raise ValueError("a table is wanted")  # noqa: TRY004 - one error for a wrong value
    readers = {each.name: _span for each in fields(Lifetimes)}
    return Lifetimes(**_checked(value, readers, ""))


_READERS: Mapping[str, Callable[[object], object]] = {
    "to": _text,
    "endpoint": _text,
    "region": _text,
    "profile": _text,
    "lock": _span,
    "conditional_writes": _flag,
    "timestamp_max_age": _span,
    "lifetimes": _lifetimes,
}


def _checked(
    said: Mapping[str, object], readers: Mapping[str, Callable[[object], T]], where: str
) -> dict[str, T]:
    """The values of a table, each read by its reader."""
    found = {}
    for key, value in said.items():
        at = f"{where}: {key}" if where else key
        if key not in readers:
            raise ConfigError(f"{at}: there is no such key.", hint=f"Known: {', '.join(readers)}.")
        try:
            found[key] = readers[key](value)
        except (ValueError, WaveError, ConfigError) as error:
            raise ConfigError(f"{at}: {error}") from error
    return found
