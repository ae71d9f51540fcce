"""Readers of single configuration values: a raw TOML value in, the checked value out. PURE.

Each raises ValueError with what was expected; the caller adds the file and the key.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from partitions.slot import Slot
from updog.settings import Mirror

if TYPE_CHECKING:
    from updog.version import Version

URL_SCHEMES = frozenset({"http", "https", "file"})
LATEST = "latest"
SHA256_BYTES = 32
# What carries the message itself is ours to say.
RESERVED_HEADERS = frozenset(
    [
        "accept-encoding",
        "connection",
        "content-length",
        "host",
        "if-range",
        "range",
        "te",
        "transfer-encoding",
    ]
)
# FAT does not tell large letters from small ones, and '+' begins a counter.
_STEM = re.compile(r"[a-z0-9][a-z0-9._-]{0,39}")
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", re.ASCII)


def text(value: object) -> str:
    """Any string."""
    if not isinstance(value, str):
        raise _wrong("a string", value)
    return value


def flag(value: object) -> bool:
    """``true`` or ``false``, never a string that reads like one."""
    if not isinstance(value, bool):
        raise _wrong("true or false", value)
    return value


def one_of(*allowed: str) -> Callable[[object], str]:
    """A reader of one of some words."""

    def read(value: object) -> str:
        said = text(value)
        if said not in allowed:
            raise ValueError(f"must be one of {', '.join(allowed)}, not {said!r}")
        return said

    return read


def entries(value: object) -> tuple[str, str]:
    """The beginnings of the entries' names, for set A and set B."""
    said = words(value)
    if len(said) != len(Slot) or len(set(said)) != len(said) or not all(map(_STEM.fullmatch, said)):
        raise ValueError(
            "must be two different names, of small letters, digits, '.', '_' and '-', at most 40"
        )
    return said[0], said[1]


def whole(low: int, high: int) -> Callable[[object], int]:
    """A reader of whole numbers from `low` to `high`, both included."""

    def read(value: object) -> int:
        if isinstance(value, bool) or not isinstance(value, int):
            raise _wrong("a whole number", value)
        if not low <= value <= high:
            raise ValueError(f"must lie in {low}..{high}, not {value}")
        return value

    return read


def seconds(high: float) -> Callable[[object], float]:
    """A reader of durations in seconds, above 0 and up to `high`."""

    def read(value: object) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise _wrong("a number of seconds", value)
        if not (math.isfinite(value) and 0 < value <= high):
            raise ValueError(f"must be above 0 and at most {high:g} seconds, not {value}")
        return float(value)

    return read


def span(high: timedelta) -> Callable[[object], timedelta]:
    """A reader of time spans such as ``30 days``, up to `high`."""

    def read(value: object) -> timedelta:
        from waves.duration import parse_offset  # noqa: PLC0415 - start-up: few allow it

        # Its errors are ValueErrors too.
        found = parse_offset(text(value))
        if found > high:
            raise ValueError(f"must be at most {high.days} days, not {value}")
        return found

    return read


def path(value: object) -> Path:
    """An absolute path: a relative one would depend on where a command was started."""
    said = text(value)
    if not said.startswith("/") or "\0" in said:
        raise ValueError(f"must be an absolute path, not {said!r}")
    return Path(said)


def url(value: object) -> str:
    """A base URL, or the absolute path of a local directory; returned without trailing slashes.

    Query and fragment are refused: file names are appended to the path.
    """
    said = text(value)
    if said.startswith("/"):
        return path(said).as_uri().rstrip("/")
    try:
        parts = urlsplit(said)
        _ = parts.port
    except ValueError as error:
        raise ValueError(f"must be an http, https or file URL, not {said!r}") from error
    if parts.scheme not in URL_SCHEMES or not (parts.netloc or parts.scheme == "file"):
        raise ValueError(f"must be an http, https or file URL, not {said!r}")
    if parts.query or parts.fragment:
        raise ValueError(f"must be a plain URL without ? or #, not {said!r}")
    return said.rstrip("/")


def mirrors(value: object) -> tuple[Mirror, ...]:
    """A list of tables with ``metadata``, ``targets`` or both, each a base URL."""
    if not isinstance(value, list):
        raise _wrong("a list of tables", value)
    return tuple(_mirror(index, item) for index, item in enumerate(value))


def _mirror(index: int, value: object) -> Mirror:
    if not isinstance(value, dict) or not value or not value.keys() <= {"metadata", "targets"}:
        raise ValueError(f"item {index} must be a table with metadata, targets, or both")
    try:
        return Mirror(**{kind: url(address) for kind, address in value.items()})
    except ValueError as error:
        raise ValueError(f"item {index} {error}") from error


def pins(value: object) -> frozenset[bytes]:
    """SHA-256 digests of public keys, in base64 or hex, each perhaps behind ``sha256//``."""
    found = set()
    for index, said in enumerate(words(value)):
        pin = said.removeprefix("sha256//")
        try:
            digest = bytes.fromhex(pin) if len(pin) == 2 * SHA256_BYTES else _unbase64(pin)
        except ValueError:
            digest = b""
        if len(digest) != SHA256_BYTES:
            raise ValueError(f"item {index} must be a SHA-256 in base64 or hex, not {said!r}")
        found.add(digest)
    return frozenset(found)


def _unbase64(said: str) -> bytes:
    import base64  # noqa: PLC0415 - start-up: few have pins

    return base64.b64decode(said, validate=True)


def words(value: object) -> tuple[str, ...]:
    """A list of strings that are not empty."""
    if not isinstance(value, list):
        raise _wrong("a list of strings", value)
    for index, item in enumerate(value):
        if not isinstance(item, str) or not item:
            raise ValueError(f"item {index} must be a string that is not empty, not {item!r}")
    return tuple(value)


def command(value: object) -> tuple[str, ...]:
    """A program with its arguments; run without a shell."""
    said = words(value)
    if not said:
        raise ValueError("must name a program and its arguments, not an empty list")
    return said


def headers(value: object) -> Mapping[str, str]:
    """HTTP header names and values; line breaks would smuggle in further headers."""
    if not isinstance(value, dict):
        raise _wrong("a table of strings", value)
    for name, content in value.items():
        if not _HEADER_NAME.fullmatch(name):
            raise ValueError(f"header {name!r} is no name for a header")
        if name.lower() in RESERVED_HEADERS:
            raise ValueError(f"header {name!r} is set by updog itself")
        if not (isinstance(content, str) and content.isprintable() and content.isascii()):
            raise ValueError(f"header {name!r} must be a string on one line, in ASCII")
    return dict(value)


def slot(value: object) -> Slot:
    """The name of a partition set: A or B."""
    said = text(value)
    if said not in {"A", "B"}:
        raise ValueError(f'must be "A" or "B", not {said!r}')
    return Slot(said)


def version(value: object) -> Version:
    """A semantic version, with at most one leading ``v`` (formats 4)."""
    from updog.version import Version  # noqa: PLC0415 - start-up: few configure versions

    said = text(value)
    try:
        return Version.parse(said.removeprefix("v"))
    except ValueError as error:
        raise ValueError(f"must be a version such as 1.2.3, not {said!r}") from error


def version_lock(value: object) -> Version | None:
    """``latest`` (None), or the one version to run."""
    return None if value == LATEST else version(value)


def versions(value: object) -> frozenset[Version]:
    """A list of versions."""
    return frozenset(version(item) for item in words(value))


def _wrong(expected: str, value: object) -> ValueError:
    """The error for a value of another TOML type than the `expected` one."""
    names = {bool: "a boolean", int: "an integer", float: "a float", str: "a string"}
    names |= {list: "an array", dict: "a table"}
    return ValueError(f"must be {expected}, not {names.get(type(value), 'a date or time')}")
