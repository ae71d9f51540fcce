"""Who this host is: variant and version from os-release, architecture, place in the waves."""

from __future__ import annotations

import logging
import os
import platform
import re
import shlex
from collections.abc import Callable, Mapping
from pathlib import Path

from updog.durable import read_small, write_durably
from updog.errors import ConfigError, StorageError
from updog.select import Host
from updog.settings import Settings
from updog.version import Version
from waves.schedule import MAX_SEED

log = logging.getLogger(__name__)

OS_RELEASE_LIMIT = 64 << 10
SEED_LIMIT = 64
NAME = re.compile(r"[A-Z][A-Z0-9_]*")


def read_host(
    settings: Settings,
    *,
    variant: str | None = None,
    arch: str | None = None,
    draw: Callable[[int], bytes] = os.urandom,
) -> Host:
    """Read this host's identity.

    Args:
        settings: where os-release and the seed lie, and the configured seed.
        variant: choose for another variant than the running one.
        arch: instead of the machine's own architecture.
        draw: gives that many random bytes; used once in a host's life.

    Raises:
        ConfigError: os-release is missing, or does not say variant and version.
        StorageError: the drawn seed cannot be kept.
        PermissionDenied: a file may not be read or written.
    """
    version, own_variant = read_identity(settings.paths.os_release)
    seed = host_seed(settings, draw) if settings.seed is None else settings.seed
    return Host(variant or own_variant, arch or platform.machine(), version, seed)


def read_identity(path: Path) -> tuple[Version, str]:
    """The running version and variant, from os-release.

    Raises:
        ConfigError: the file is missing, or a key is missing or not a version.
        PermissionDenied: the file may not be read.
    """
    try:
        content = read_small(path, OS_RELEASE_LIMIT)
    except StorageError as error:
        raise ConfigError(str(error)) from error
    if content is None:
        hint = "Set paths.os_release in the configuration to the right file."
        raise ConfigError(f"There is no {path} to tell the running version.", hint=hint)
    fields = parse_os_release(content.decode("utf-8", errors="replace"))
    for name in ("VERSION_ID", "VARIANT_ID"):
        if not fields.get(name):
            raise ConfigError(f"{path} has no {name}.", hint=f"Add a line {name}=... to it.")
    try:
        return Version.parse(fields["VERSION_ID"]), fields["VARIANT_ID"]
    except ValueError as error:
        said = fields["VERSION_ID"]
        raise ConfigError(f"{path}: VERSION_ID {said!r} is not a semantic version.") from error


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


def host_seed(settings: Settings, draw: Callable[[int], bytes] = os.urandom) -> int:
    """The seed kept in the state directory, drawn now if there is none yet (formats 16, D1).

    A damaged file is replaced by a new draw: the host then moves to another place in the waves,
    which is better than never updating again.

    Raises:
        StorageError: the file system refused.
        PermissionDenied: the file may not be read or written.
    """
    path = settings.paths.seed
    content = read_small(path, SEED_LIMIT)
    if content is not None:
        if (kept := _parse_seed(content)) is not None:
            return kept
        log.warning("%s holds no seed in 0..%d; drawing a new one", path, MAX_SEED - 1)
    # 65536 is a multiple of MAX_SEED, so the remainder of two random bytes is uniform.
    seed = int.from_bytes(draw(2), "big") % MAX_SEED
    write_durably(path, b"%d\n" % seed)
    return seed


def _parse_seed(content: bytes) -> int | None:
    said = content.strip()
    if not (said.isdigit() and int(said) < MAX_SEED):
        return None
    return int(said)


def _unquote(value: str) -> str:
    try:
        return "".join(shlex.split(value, posix=True))
    except ValueError:  # an unmatched quote: take the text as it stands
        return value.strip()
