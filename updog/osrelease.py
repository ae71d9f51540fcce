"""What runs here, from os-release(5): version and variant."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from updog.durable import read_small
from updog.errors import ConfigError, StorageError

if TYPE_CHECKING:
    from updog.version import Version

OS_RELEASE_LIMIT = 64 << 10
NAME = re.compile(r"[A-Z][A-Z0-9_]*")


def read_identity(path: Path) -> tuple[Version, str]:
    """The running version and variant, from os-release.

    Raises:
        ConfigError: the file is missing, or a key is missing or not a version.
        PermissionDenied: the file may not be read.
    """
    from updog.version import Version  # noqa: PLC0415 - start-up: a status does not compare versions

    fields = read_fields(path)
    for name in ("VERSION_ID", "VARIANT_ID"):
        if not fields.get(name):
            raise ConfigError(f"{path} has no {name}.", hint=f"Add a line {name}=... to it.")
    try:
        return Version.parse(fields["VERSION_ID"]), fields["VARIANT_ID"]
    except ValueError as error:
        said = fields["VERSION_ID"]
        raise ConfigError(f"{path}: VERSION_ID {said!r} is not a semantic version.") from error


def read_fields(path: Path) -> Mapping[str, str]:
    """What os-release says, unjudged.

    Raises:
        ConfigError: the file is missing or cannot be read.
        PermissionDenied: the file may not be read.
    """
    try:
        content = read_small(path, OS_RELEASE_LIMIT)
    except StorageError as error:
        raise ConfigError(str(error)) from error
    if content is None:
        hint = "Set paths.os_release in the configuration to the right file."
        raise ConfigError(f"There is no {path} to tell the running version.", hint=hint)
    return parse_os_release(content.decode("utf-8", errors="replace"))


def parse_os_release(text: str) -> Mapping[str, str]:
    """Read ``NAME=value`` lines, with or without quotes; the last of equal names wins.

    Comments, empty lines and lines that are no assignment are passed over, as os-release(5) asks of
    readers; quotes and backslashes follow the shell.
    """
    fields: dict[str, str] = {}
    for line in text.splitlines():
        name, equals, value = line.strip().partition("=")
        if equals and NAME.fullmatch(name):
            fields[name] = _unquote(value)
    return fields


def _unquote(value: str) -> str:
    try:
        return "".join(shlex.split(value, posix=True))
    except ValueError:  # an unmatched quote: take the text as it stands
        return value.strip()
