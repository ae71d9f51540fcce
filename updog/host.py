"""Who this host is: variant and version from os-release, architecture, place in the waves."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable

from updog.durable import keep_first, read_small, write_durably
from updog.osrelease import parse_os_release, read_identity
from updog.select import Host
from updog.settings import Settings
from waves.seed import MAX_SEED

__all__ = ["host_seed", "parse_os_release", "read_host", "read_identity"]

log = logging.getLogger(__name__)

SEED_LIMIT = 64


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
    return Host(variant or own_variant, arch or os.uname().machine, version, seed)


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
    if content is not None:
        write_durably(path, b"%d\n" % seed)
        return seed
    # Two first runs at once must not use two seeds: whoever comes first is the one that counts.
    kept = _parse_seed(keep_first(path, b"%d\n" % seed))
    return seed if kept is None else kept


def _parse_seed(content: bytes) -> int | None:
    said = content.strip()
    if not (said.isdigit() and int(said) < MAX_SEED):
        return None
    return int(said)
